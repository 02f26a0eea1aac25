package brokertest

import (
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

// publisher is a publishing session that is watched: rule 7.
type publisher struct {
	*recorder
	port   broker.Publisher
	states map[uint64]state // by sequence; under the recorder's lock
	nextAt uint64           // the sequence that send gives
}

type state int

const (
	_ state = iota
	open
	confirmed
	refused
)

// openPublisher does not wait for Opened. Window is 100 where it is 0.
func (e *env) openPublisher(l broker.Lease, c broker.PublisherConfig) *publisher {
	if c.Window == 0 {
		c.Window = 100
	}
	p := &publisher{recorder: e.record("publisher to " + c.Exchange + "/" + c.RoutingKey), states: map[uint64]state{}, nextAt: 1}
	p.watch = p.check
	method(func() { p.port = l.OpenPublisher(c, p.sink) })
	return p
}

// publisher opens one on the case's lease, and waits.
func (e *env) publisher(c broker.PublisherConfig) *publisher {
	e.Helper()
	p := e.openPublisher(e.lease, c)
	expectNext[*broker.Opened](p.recorder)
	return p
}

// to opens a publisher to a queue by the default exchange.
func (e *env) to(queue string) *publisher {
	e.Helper()
	return e.publisher(broker.PublisherConfig{RoutingKey: queue})
}

func (p *publisher) check(e broker.Event) string {
	switch e := e.(type) {
	case *broker.Confirmed:
		return p.resolve(e, e.First, e.Last, confirmed)
	case *broker.Refused:
		return p.resolve(e, e.First, e.Last, refused)
	case *broker.Delivered, *broker.Inspected:
		return "a publisher is told " + show(e)
	}
	return ""
}

func (p *publisher) resolve(e broker.Event, first, last uint64, to state) string {
	if last < first || last-first > 1<<20 {
		return fmt.Sprintf("rule 7: %s is no range of records", show(e))
	}
	for s := first; s <= last; s++ {
		switch now := p.states[s]; {
		case now == 0:
			return fmt.Sprintf("rule 7: %s says record %d, which this session did not publish", show(e), s)
		case now == refused && to == confirmed:
			return fmt.Sprintf("rule 7: %s confirms record %d, which was refused", show(e), s)
		case now == confirmed && to == refused:
			return fmt.Sprintf("rule 7: %s refuses record %d, which was confirmed", show(e), s)
		}
		p.states[s] = to
	}
	return ""
}

// publish hands records over. One that is published again is open again.
func (p *publisher) publish(first uint64, records ...broker.Record) {
	p.mu.Lock()
	for i := range records {
		p.states[first+uint64(i)] = open
	}
	p.mu.Unlock()
	method(func() { p.port.Publish(broker.Batch{First: first, Records: records}) })
}

// send publishes bodies with the next sequences and gives the last.
func (p *publisher) send(bodies ...string) uint64 {
	records := make([]broker.Record, len(bodies))
	for i, b := range bodies {
		records[i].Body = []byte(b)
	}
	p.publish(p.nextAt, records...)
	p.nextAt += uint64(len(bodies))
	return p.nextAt - 1
}

// put is send, and waits until it is confirmed.
func (p *publisher) put(bodies ...string) {
	p.env.Helper()
	first := p.nextAt
	p.awaitAll(confirmed, first, p.send(bodies...))
}

// awaitAll waits until all the records are so.
func (p *publisher) awaitAll(want state, first, last uint64) {
	p.env.Helper()
	p.await(fmt.Sprintf("records %d-%d to be %v", first, last, want), func() bool { return p.count(first, last, want) == int(last-first+1) })
}

// awaitResolved waits until each is confirmed or refused, and says how many are refused.
func (p *publisher) awaitResolved(first, last uint64) (n int) {
	p.env.Helper()
	p.await(fmt.Sprintf("what came of records %d-%d", first, last), func() bool { return p.count(first, last, open) == 0 })
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count(first, last, refused)
}

// count is called with the recorder locked.
func (p *publisher) count(first, last uint64, s state) (n int) {
	for i := first; i <= last; i++ {
		if p.states[i] == s {
			n++
		}
	}
	return n
}

// isNow counts the records that are in that state.
func (p *publisher) isNow(s state) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, is := range p.states {
		if is == s {
			n++
		}
	}
	return n
}

// refusals are the errors of all Refused, in order.
func (p *publisher) refusals() (errs []error) {
	for _, e := range p.all() {
		if e, ok := e.(*broker.Refused); ok {
			errs = append(errs, e.Err)
		}
	}
	return errs
}

// close closes and waits for the end.
func (p *publisher) close() {
	p.env.Helper()
	method(p.port.Close)
	p.env.isError(p.name+": Ended after Close", p.ended(), nil)
}

func (s state) String() string { return [...]string{"unknown", "open", "confirmed", "refused"}[s] }
