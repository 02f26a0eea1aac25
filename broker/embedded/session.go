package embedded

import (
	"fmt"
	"sync/atomic"

	"github.com/d2e2d648/weir/broker"
)

// session is what publishers and consumers have in common.
type session struct {
	link
	sink broker.Sink
	// opened is set before Opened is told, and is the one thing that callers' goroutines read: whether a call came before it (rule 18) is
	// decided where it is made. On the loop, where the call arrives later, that could not be known any more.
	opened  atomic.Bool
	closing bool // the client called Close
}

func (l *lease) session(sink broker.Sink) session {
	return session{link: link{b: l.b, lease: l}, sink: sink}
}

func (s *session) open(station station, wrong error) {
	if !s.lease.use() {
		s.deaf, s.gone = true, true
		return
	}
	s.connect(station)
	if wrong != nil {
		s.misuse(fmt.Errorf("open: %w: %w", broker.ErrMisuse, wrong))
		return
	}
	s.send(packet{kind: openSession})
}

// usable says whether the client may still send.
func (s *session) usable() bool { return !s.deaf && !s.closing }

// Close is broker.Publisher's and broker.Consumer's: it arrives behind what was sent before.
func (s *session) Close() {
	s.b.loop.Post(func() {
		if s.usable() {
			s.closing = true
			s.send(packet{kind: closeSession})
		}
	})
}

// Abort is broker.Publisher's and broker.Consumer's.
func (s *session) Abort() { s.b.loop.Post(s.hangUp) }

// misuse is a rule broken by the client, which its own end of the session notices.
func (s *session) misuse(err error) {
	s.tellEnd(err)
	s.hangUp()
}

func (s *session) say(e broker.Event) { s.tell(arrival{event: e}) }

func (s *session) tellEnd(err error) { s.say(&broker.Ended{Err: err}) }

func (s *session) handOver(a arrival) {
	if _, ok := a.event.(*broker.Opened); ok {
		s.opened.Store(true)
	}
	s.sink(a.event)
}

// admit is the broker's decision on an opening that is the same for all sessions. False: it has been answered, or never will be.
func (s *session) admit() bool {
	switch f := &s.b.faults; {
	case f.hangOpens > 0:
		f.hangOpens--
		s.hanging = true
		return false
	case s.b.refusing():
		s.end(refused(s.lease.owner))
		return false
	}
	return true
}
