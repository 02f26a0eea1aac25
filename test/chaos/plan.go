package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
)

// Plan is what a seed says.
type Plan struct {
	Seed                   uint64
	Cluster                bool // on three nodes
	Stream                 bool // in place of a queue
	Compat, Ordered        bool // of a queue: a classic one; in order over incidents
	SubEntries             int
	Avro                   bool // records have a format, so that others are poison
	NoStatus               bool
	WritersCreate          bool // too
	Together               bool // all endpoints are of one runtime, and share connections
	Writers, Readers       int
	Rate, Size             int // records a second of each writer, and bytes of each
	Window, Poll, Prefetch int // 0: the default
	Withdraw               int // one of so many writes has a context that ends soon; 0: none
	Hold                   int // batches that a reader commits late, the last one first
	Heartbeat, Health      time.Duration
	For                    time.Duration // the traffic, at least
	Faults                 []Fault
}

// Draw gives the seed's plan for one node.
func Draw(seed uint64) *Plan { return draw(seed, false) }

// DrawCluster gives the seed's plan for a cluster of three.
func DrawCluster(seed uint64) *Plan { return draw(seed, true) }

func draw(seed uint64, cluster bool) *Plan {
	rng := rand.New(rand.NewPCG(seed, 0x77656972))
	p := &Plan{
		Seed: seed, Cluster: cluster, Stream: rng.IntN(2) == 0, Compat: rng.IntN(3) == 0, Ordered: rng.IntN(2) == 0, NoStatus: rng.IntN(4) == 0, WritersCreate: rng.IntN(2) == 0, Together: rng.IntN(2) == 0,
		Writers: 1 + rng.IntN(2), Readers: 1 + rng.IntN(2),
		Rate: pick(rng, 200, 1000, 3000), Size: pick(rng, 32, 100, 1000),
		Window: pick(rng, 0, 20, 300), Poll: pick(rng, 0, 7, 50), Prefetch: pick(rng, 0, 10, 500),
		Withdraw: pick(rng, 0, 0, 20), Hold: pick(rng, 0, 0, 4),
		Heartbeat: pick(rng, 2*time.Second, 3*time.Second), Health: pick(rng, 500*time.Millisecond, 2*time.Second),
		For: 5*time.Second + upTo(rng, 3*time.Second).Truncate(time.Millisecond),
	}
	of := drawKinds(rng, p)
	for _, kind := range of {
		p.fit(kind)
	}
	if len(of) == 1 || p.Cluster { // what shows then is recovery, not how long a backlog lasts that readers have who cannot keep up
		p.For, p.Rate, p.Prefetch, p.Hold = 3500*time.Millisecond, min(p.Rate, 1000), pick(rng, 0, 500), 0
	}
	p.Compat = p.Compat && !p.Cluster // a classic queue is on one node
	switch {
	case p.Stream:
		p.Compat, p.Ordered, p.SubEntries = false, false, pick(rng, 0, 0, 0, 10)
	case p.Ordered && p.Readers == 2:
		p.Compat = false // else each would want the queue for itself alone
	}
	p.Faults = drawFaults(rng, p, of)
	return p
}

// fit makes the plan one that the fault can befall.
func (p *Plan) fit(kind Kind) {
	p.Stream = p.Stream && !kind.ofQueues()
	switch kind {
	case CloseChannels:
		p.NoStatus = p.NoStatus && !p.Stream // of a stream's channel that has none, nothing may go by AMQP
	case DeleteExchange:
		p.WritersCreate = true // nobody else notices
	case Poison:
		p.Avro, p.Compat = true, false // pypz's channels have no queue for dead letters
	}
}

// has says whether the plan has a fault of the kind.
func (p *Plan) has(kind Kind) bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == kind })
}

// format is that of the records.
func (p *Plan) format() weir.Format[[]byte] {
	if p.Avro {
		return weir.Avro[[]byte](`"bytes"`)
	}
	return weir.Raw()
}

func (p *Plan) String() string {
	var b strings.Builder
	plane := "a quorum queue"
	switch {
	case p.Stream:
		plane = "a stream"
	case p.Compat:
		plane = "a classic queue"
	}
	fmt.Fprintf(&b, "seed %d: %s, %d writers, %d readers, %d records/s of %d B, window %d, poll %d, prefetch %d", p.Seed, plane, p.Writers, p.Readers, p.Rate, p.Size, p.Window, p.Poll, p.Prefetch)
	for _, o := range []struct {
		is   bool
		text string
	}{{p.Cluster, "on three nodes"}, {p.Ordered, "ordered"}, {p.SubEntries > 0, "sub-entries"}, {p.Avro, "Avro"}, {p.NoStatus, "no status"}, {p.WritersCreate, "writers create"}, {p.Together, "one runtime"}, {p.Withdraw > 0, "withdrawals"}, {p.Hold > 0, "late commits"}} {
		if o.is {
			b.WriteString(", " + o.text)
		}
	}
	for i := range p.Faults {
		b.WriteString("\n  " + p.Faults[i].String())
	}
	return b.String()
}

// options are those of both sides.
func (p *Plan) options(name string) []weir.Option {
	all := []weir.Option{weir.Name(name), weir.HealthInterval(p.Health)}
	for _, o := range []struct {
		is     bool
		option weir.Option
	}{
		{p.Stream, weir.Stream()}, {p.SubEntries > 0, weir.SubEntries(p.SubEntries)}, {p.Compat, weir.Compat()}, {p.Ordered, weir.Ordered()}, {p.NoStatus, weir.WithoutStatus()},
		{p.Window > 0, weir.Window(p.Window, 0)}, {p.Poll > 0, weir.Poll(p.Poll)}, {p.Prefetch > 0, weir.Prefetch(p.Prefetch)},
	} {
		if o.is {
			all = append(all, o.option)
		}
	}
	return all
}

// ofReader and ofWriter are those of either side.
func (p *Plan) ofReader(name string) []weir.Option {
	all := p.options(name)
	if p.Avro {
		all = append(all, weir.OnUndecodable(weir.DeadLetter))
	}
	return all
}

func (p *Plan) ofWriter(name string) []weir.Option {
	all := p.options(name)
	if p.WritersCreate {
		all = append(all, weir.Create())
	}
	return all
}

// window, poll and prefetch are what they are in effect.
func (p *Plan) window() int { return p.orElse(p.Window, 1_000, 10_000) }

func (p *Plan) prefetch() int {
	if p.Prefetch > 0 {
		return p.Prefetch
	}
	return 2 * p.orElse(p.Poll, 100, 1_000)
}

func (p *Plan) orElse(value, queue, stream int) int {
	switch {
	case value > 0:
		return value
	case p.Stream:
		return stream
	}
	return queue
}
