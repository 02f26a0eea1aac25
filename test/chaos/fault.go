package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a sort of fault.
type Kind string

// The sorts of faults.
const (
	Kill       Kind = "kill -9, started again"
	Restart    Kind = "stopped in order, started again"
	Freeze     Kind = "broker frozen"
	CloseConns Kind = "connections closed by the broker"
	Crash      Kind = "queue's or stream's process killed"
	Delete     Kind = "queue or stream deleted"
	Alarm      Kind = "alarm"
	Reset      Kind = "connections reset"
	Cut        Kind = "connections cut in mid-frame"
	BlackHole  Kind = "black hole"
	HalfOpen   Kind = "half-open"
	Latency    Kind = "latency"
	Throttle   Kind = "throttled"
	Slice      Kind = "sliced"

	Cancel         Kind = "consumer cancelled by the broker"
	CloseChannels  Kind = "AMQP channels closed by the broker (404, 406)"
	TimeOut        Kind = "consumer time-out"
	DeleteExchange Kind = "exchange deleted"
	Refuse         Kind = "connections refused"
	Revoke         Kind = "credentials revoked, given back"
	Poison         Kind = "poison records and statuses"
	Stall          Kind = "readers stall"
	Burst          Kind = "burst"

	KillOne    Kind = "one node of three killed"
	FreezeOne  Kind = "one node of three frozen"
	KillTwo    Kind = "two nodes of three killed"
	MoveLeader Kind = "leader moved"
)

// clusterKinds are those of three nodes.
func clusterKinds() []Kind { return []Kind{KillOne, FreezeOne, KillTwo, MoveLeader} }

// kinds are all of one node, in the order of the table.
func kinds() []Kind {
	return []Kind{
		Kill, Restart, Freeze, CloseConns, CloseChannels, Cancel, TimeOut, Crash, Delete, DeleteExchange, Alarm, Refuse, Revoke,
		Reset, Cut, BlackHole, HalfOpen, Latency, Throttle, Slice, Poison, Stall, Burst,
	}
}

// alone says that the fault is the only one of its schedule: it is about settings that a node forgets when it starts, or ends the endpoints.
func (k Kind) alone() bool { return k == TimeOut || k == Revoke }

// ofQueues are for queues only: a stream has no exchange, and nobody times out who reads it.
func (k Kind) ofQueues() bool { return k == TimeOut || k == DeleteExchange }

// ofNetwork are brought about by the proxies, beside whatever befalls the node.
func (k Kind) ofNetwork() bool {
	return slices.Contains([]Kind{Reset, Cut, BlackHole, HalfOpen, Latency, Throttle, Slice}, k)
}

// lasts says that the fault has an end, from which recovery counts; otherwise it counts from its strike, also where a cluster must go on without one of its nodes.
func (k Kind) lasts() bool {
	return slices.Contains([]Kind{Kill, Restart, Freeze, KillTwo, TimeOut, Alarm, Refuse, Revoke, Cut, BlackHole, Latency, Throttle, Slice, Stall, Burst}, k)
}

// Ports are those that a fault of the network is about.
type Ports string

// Which connections a fault of the network is about.
const (
	AMQP   Ports = "amqp"
	Stream Ports = "stream"
	Both   Ports = "amqp and stream"
)

// Fault is one of a schedule.
type Fault struct {
	Kind Kind
	// At is when it strikes, from the beginning of the traffic; For is how long it goes on, where it lasts.
	At, For time.Duration
	// Of the network: which connections, and what the weather is.
	Ports   Ports
	Weather Weather
	// Which is for what there may be several of, and Limit has connections refused by a limit, not by a port that is shut.
	Which int
	Limit bool
}

func (f *Fault) String() string {
	text := fmt.Sprintf("%v: %s", f.At, f.Kind)
	if f.Kind.lasts() {
		text += fmt.Sprintf(", for %v", f.For)
	}
	switch {
	case f.Kind.ofNetwork():
		text += fmt.Sprintf(", %s %+v", f.Ports, f.Weather)
	case f.Kind == Refuse && f.Limit:
		text += ", by a limit"
	}
	return text
}

// earliest is when the first fault may strike: what was declared must be on the broker's disk (see rabbit.Node.Sync).
const earliest = 2500 * time.Millisecond

// drawKinds says what befalls the plan. Of an odd seed it is one fault, each kind in its turn, so that its recovery shows; of others several.
func drawKinds(rng *rand.Rand, p *Plan) (all []Kind) {
	if p.Cluster {
		all = []Kind{clusterKinds()[p.Seed%uint64(len(clusterKinds()))]}
		if rng.IntN(2) == 0 {
			all = append(all, pick(rng, clusterKinds()...))
		}
		return all
	}
	if p.Seed%2 == 1 {
		return []Kind{kinds()[p.Seed/2%uint64(len(kinds()))]}
	}
	possible := slices.DeleteFunc(kinds(), func(k Kind) bool { return k.alone() || p.Stream && k.ofQueues() })
	for range p.storm(rng) {
		all = append(all, pick(rng, possible...))
	}
	return all
}

// drawFaults gives the faults of a schedule, by time. A queue is deleted last, so that the one that is made anew is not killed before it is on the disk.
func drawFaults(rng *rand.Rand, p *Plan, of []Kind) []Fault {
	var all []Fault
	var deletion *Fault
	for _, kind := range of {
		f := drawFault(rng, p, kind)
		if f.Kind == Delete {
			deletion = &f
			continue
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return int(a.At - b.At) })
	if deletion != nil {
		for i := range all {
			deletion.At = max(deletion.At, all[i].At)
		}
		all = append(all, *deletion)
	}
	return all
}

func drawFault(rng *rand.Rand, p *Plan, kind Kind) Fault {
	f := Fault{Kind: kind, Ports: AMQP, Which: rng.IntN(1000)}
	f.At = (earliest + upTo(rng, p.For-earliest)).Truncate(time.Millisecond)
	f.For = (500*time.Millisecond + upTo(rng, 2500*time.Millisecond)).Truncate(time.Millisecond)
	if p.Stream {
		f.Ports = pick(rng, Both, AMQP, Stream, Stream)
	}
	switch f.Kind {
	case Freeze, BlackHole:
		f.For *= 2
	case Cut:
		f.Weather.CutAfter = 200 + rng.IntN(20_000)
	case Latency:
		f.Weather.Delay = (10*time.Millisecond + upTo(rng, 200*time.Millisecond)).Truncate(time.Millisecond)
	case Throttle:
		f.Weather.Rate = 5_000 + rng.IntN(50_000)
	case Slice:
		f.Weather.Slice = 1 + rng.IntN(40)
	case Refuse:
		f.For *= 2
		f.Limit = rng.IntN(2) == 0
	}
	switch f.Kind {
	case BlackHole, HalfOpen:
		f.Weather.Silent = pick(rng, ToBroker|FromBroker, ToBroker|FromBroker, ToBroker, FromBroker)
	}
	return f
}

// storm is how many there are: sometimes more than anything has time to recover from.
func (p *Plan) storm(rng *rand.Rand) int {
	if rng.IntN(5) > 0 {
		return 2 + rng.IntN(3)
	}
	return 6 + rng.IntN(3)
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
