package embedded

import (
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Broker is the broker, and the port to it. Its Lease and the methods of leases and sessions are safe from any goroutine. Everything else
// (faults, introspection) is for the loop only: a simulation calls it there, production within Sync.
type Broker struct {
	loop      Loop
	way       Latency
	epoch     time.Time // the wall time at the loop's 0; only streams' FromTime asks
	heartbeat time.Duration

	exchanges map[string]*exchange
	queues    map[string]*queue

	// In order of their making, so that a fault can pick one by index.
	leases     roster[*lease]
	links      roster[*link] // every session and every lease's way for requests
	publishers roster[*publisher]
	consumers  roster[*consumer]

	faults       faults
	counts       counters
	targets      []*queue // what route gives; reused
	transferring bool     // a record is being dead-lettered
	stopped      bool     // nothing begins any more
}

var _ broker.Port = (*Broker)(nil)

// New makes a broker on a loop that somebody else runs. A nil latency is none.
func New(loop Loop, latency Latency) *Broker {
	if latency == nil {
		latency = Fixed(0)
	}
	return &Broker{
		loop: loop, way: latency, epoch: time.Unix(0, 0), heartbeat: 10 * time.Second,
		exchanges: map[string]*exchange{}, queues: map[string]*queue{},
		leases:     roster[*lease]{seat: func(l *lease) *int { return &l.place }},
		links:      roster[*link]{seat: func(l *link) *int { return &l.place }},
		publishers: roster[*publisher]{seat: func(p *publisher) *int { return &p.publishing }},
		consumers:  roster[*consumer]{seat: func(c *consumer) *int { return &c.consuming }},
	}
}

// SetEpoch says which wall time the loop's 0 is. Only the stream offset FromTime depends on it; Start sets it to its own time, New to
// Unix 0. Before the first use, or on the loop.
func (b *Broker) SetEpoch(t time.Time) { b.epoch = t }

// SetHeartbeat sets how long a session that is frozen from now on stays silent before it ends with ErrUnavailable; 10 s by default.
// Before the first use, or on the loop.
func (b *Broker) SetHeartbeat(d time.Duration) { b.heartbeat = d }

// Lease makes a lease. It costs one small allocation and reaches the loop only with its first session or request.
func (b *Broker) Lease(owner string) broker.Lease { return &lease{b: b, owner: owner} }

func (b *Broker) latency() time.Duration { return b.way.Latency() + b.faults.delay }

func (b *Broker) refusing() bool { return b.loop.Now() < b.faults.refuseUntil }

// shutDown ends everything at once, whatever the latency.
func (b *Broker) shutDown() {
	b.way, b.faults, b.stopped = Fixed(0), faults{}, true
	for _, l := range slices.Clone(b.links.list()) {
		l.cut(broker.ErrClosed)
		for range l.down.n {
			b.loop.At(0, l.onDown) // what was to come later comes now; what is left of its own calls finds nothing
		}
	}
}

// without takes x out of s, in place.
func without[T comparable](s []T, x T) []T {
	if i := slices.Index(s, x); i >= 0 {
		return slices.Delete(s, i, i+1)
	}
	return s
}
