package sim

import (
	"fmt"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// port stands between the channels of a run and the embedded broker. It knows what each lease has under way, and does to events and openings what the broker itself does not do.
type port struct {
	r      *run
	w      *World
	leases map[string]*lease // the last of each owner
	open   []*lease          // those that are not aborted

	refusal  error // of every opening and request, until refuseTo
	refuseTo time.Duration
	hang     int // so many requests get no answer
	armed    []armed
}

// armed is a fault that waits for its event: the next one of the lease, or of any.
type armed struct {
	kind FaultKind
	of   *lease
}

// Lease implements broker.Port.
func (p *port) Lease(owner string) broker.Lease {
	l := &lease{Lease: p.w.broker.Lease(owner), p: p, owner: owner}
	l.e, l.part = p.r.ownerOf(owner)
	p.leases[owner] = l
	p.open = append(p.open, l)
	return l
}

// refuse refuses openings and requests for that long.
func (p *port) refuse(err error, d time.Duration) { p.refusal, p.refuseTo = err, p.w.now+d }

func (p *port) refusing(what string) error {
	if p.refusal == nil || p.w.now >= p.refuseTo {
		return nil
	}
	return fmt.Errorf("%s: %w (injected)", what, p.refusal)
}

// arm has the fault strike the next event that it is for, of the lease or of any.
func (p *port) arm(kind FaultKind, of *lease, n int) {
	for range n {
		p.armed = append(p.armed, armed{kind, of})
	}
}

// calm ends every fault.
func (p *port) calm() { p.refuseTo, p.hang, p.armed = 0, 0, nil }

// later runs f when a packet would have come back.
func (p *port) later(f func()) { p.w.Post(func() { p.w.at(p.w.now+p.w.Latency(), f) }) }

// lease is what one incarnation has at the broker, as the simulation sees it.
type lease struct {
	broker.Lease
	p       *port
	owner   string
	e       *endpoint
	part    part
	aborted bool
	was     phase // what the incarnation was at when it was cut off
	known   bool  // that is known

	publishers []*publishing
	consumers  []*consuming
}

// armed gives the fault that this event is for, if any.
func (l *lease) armed(kinds ...FaultKind) (FaultKind, bool) {
	p := l.p
	if l.aborted {
		return 0, false
	}
	for i, a := range p.armed {
		if a.of != nil && a.of != l {
			continue
		}
		for _, k := range kinds {
			if a.kind == k && catalogue[k].reach[l.part] != none {
				p.armed = append(p.armed[:i:i], p.armed[i+1:]...)
				return k, true
			}
		}
	}
	return 0, false
}

// Abort implements broker.Lease.
func (l *lease) Abort() {
	l.Lease.Abort()
	l.end()
}

// end takes in that the incarnation is cut off, or its process dead.
func (l *lease) end() {
	if l.aborted {
		return
	}
	l.was, l.known = l.e.phase(l.part)
	l.aborted = true
	for i, k := range l.p.open {
		if k == l {
			l.p.open = append(l.p.open[:i], l.p.open[i+1:]...)
			return
		}
	}
}

// opened says whether the incarnation could work, as far as the broker goes. When its session has ended, too: it is about to fail.
func (l *lease) opened() bool {
	for _, s := range l.publishers {
		if s.opened {
			return true
		}
	}
	for _, s := range l.consumers {
		if s.opened && l.part != dataProducer && !s.background {
			return true
		}
	}
	return false
}

// over says whether all its sessions have ended or been closed by it.
func (l *lease) over() bool {
	for _, s := range l.publishers {
		if !s.ended {
			return false
		}
	}
	for _, s := range l.consumers {
		if !s.ended {
			return false
		}
	}
	return len(l.publishers)+len(l.consumers) > 0
}

// busy says whether something waits: for a confirm, for a commit, or for the end of history.
func (l *lease) busy() bool {
	for _, s := range l.publishers {
		if !s.ended && s.unconfirmed() {
			return true
		}
	}
	for _, s := range l.consumers {
		switch {
		case s.ended || s.aborted:
		case l.part == dataConsumer && s.told > s.acknowledged, s.background:
			return true
		}
	}
	return false
}

// Do implements broker.Lease.
func (l *lease) Do(request broker.Request, done func(broker.Result)) {
	p := l.p
	if p.hang > 0 && !l.aborted {
		p.hang--
		p.r.hitEvent(requestsHang, l)
		return
	}
	if err := p.refusing(request.String()); err != nil {
		p.later(func() {
			if !l.aborted {
				done(broker.Result{Err: err})
			}
		})
		return
	}
	l.Lease.Do(request, done)
}

// session is what both kinds of sessions have in common.
type session struct {
	l             *lease
	sink          broker.Sink
	opened, ended bool
	aborted       bool
}

// refuse ends a session that was not opened.
func (s *session) refuse(err error) {
	s.l.p.later(func() {
		s.ended = true
		if !s.l.aborted {
			s.sink(&broker.Ended{Err: err})
		}
	})
}

// publishing is a publisher.
type publishing struct {
	session
	inner   broker.Publisher // nil: it was refused
	named   bool
	last    uint64 // sequence that was published; 0: none
	settled broker.Marks
}

// OpenPublisher implements broker.Lease.
func (l *lease) OpenPublisher(config broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	s := &publishing{session: session{l: l, sink: sink}, named: config.Name != ""}
	l.publishers = append(l.publishers, s)
	if err := l.p.refusing("publish to " + config.RoutingKey + config.Exchange); err != nil {
		s.refuse(err)
		return s
	}
	s.inner = l.Lease.OpenPublisher(config, s.event)
	return s
}

func (s *publishing) unconfirmed() bool { return s.last > 0 && s.settled.Low() <= s.last }

// Publish implements broker.Publisher. A batch that the broker is to refuse does not get there.
func (s *publishing) Publish(b broker.Batch) {
	if s.inner == nil || s.ended || len(b.Records) == 0 {
		return
	}
	switch {
	case s.last == 0:
		s.settled = broker.NewMarks(b.First)
	case b.First > s.last+1: // what is between was settled before
		s.settled.Add(s.last+1, b.First-1)
	}
	s.last = b.Last()
	if s.nacked(b) {
		return
	}
	s.inner.Publish(b)
	s.l.p.r.changed(s.l.e, s.l.part)
}

// nacked says whether the broker is to refuse the batch. Of a named publisher a stream refuses all or nothing: what it took later says that it has what came before (rule 21).
func (s *publishing) nacked(b broker.Batch) bool {
	if s.named {
		return false
	}
	_, struck := s.l.armed(nacked)
	if struck {
		s.l.p.r.hitEvent(nacked, s.l)
		err := fmt.Errorf("%w (injected)", broker.ErrNacked)
		s.l.p.later(func() {
			if !s.ended {
				s.event(&broker.Refused{First: b.First, Last: b.Last(), Err: err})
			}
		})
	}
	return struck
}

// Close implements broker.Publisher.
func (s *publishing) Close() {
	if s.inner != nil {
		s.inner.Close()
	}
}

// Abort implements broker.Publisher.
func (s *publishing) Abort() {
	s.aborted = true
	if s.inner != nil {
		s.inner.Abort()
	}
}

func (s *publishing) event(e broker.Event) {
	r := s.l.p.r
	switch m := e.(type) {
	case *broker.Opened:
		s.opened = true
	case *broker.Ended:
		s.ended = true
	case *broker.Refused:
		s.settled.Add(m.First, m.Last)
	case *broker.Confirmed:
		k, struck := s.l.armed(confirmLost, confirmTwice, confirmOrder)
		if struck {
			r.hitEvent(k, s.l)
		}
		switch {
		case !struck:
			s.settled.Add(m.First, m.Last)
		case k == confirmLost:
			return
		case k == confirmTwice:
			s.settled.Add(m.First, m.Last)
			s.sink(&broker.Confirmed{First: m.First, Last: m.Last})
		default:
			s.outOfOrder(m)
			return
		}
	}
	s.sink(e)
	r.changed(s.l.e, s.l.part)
}

// outOfOrder tells the second half first. A confirm of one record comes behind those of the next milliseconds.
func (s *publishing) outOfOrder(m *broker.Confirmed) {
	middle := m.First + (m.Last-m.First+1)/2
	if middle > m.First {
		s.sink(&broker.Confirmed{First: middle, Last: m.Last})
		s.sink(&broker.Confirmed{First: m.First, Last: middle - 1})
		s.settled.Add(m.First, m.Last)
		return
	}
	s.l.p.w.at(s.l.p.w.now+2*time.Millisecond, func() {
		if !s.ended {
			s.settled.Add(m.First, m.Last)
			s.sink(m)
		}
	})
}

// consuming is a consumer.
type consuming struct {
	session
	inner              broker.Consumer // nil: it was refused
	background         bool
	told, acknowledged uint64 // last tags
}

// OpenConsumer implements broker.Lease.
func (l *lease) OpenConsumer(config broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	s := &consuming{session: session{l: l, sink: sink}, background: config.Background}
	l.consumers = append(l.consumers, s)
	if err := l.p.refusing("consume " + config.Queue); err != nil {
		s.refuse(err)
		return s
	}
	s.inner = l.Lease.OpenConsumer(config, s.event)
	return s
}

// Ack implements broker.Consumer.
func (s *consuming) Ack(tag uint64, multiple bool) {
	if s.inner == nil {
		return
	}
	s.inner.Ack(tag, multiple)
	s.acknowledged = max(s.acknowledged, tag)
	s.l.p.r.changed(s.l.e, s.l.part)
}

// Reject implements broker.Consumer.
func (s *consuming) Reject(tag uint64, requeue bool) {
	if s.inner != nil {
		s.inner.Reject(tag, requeue)
	}
}

// Inspect implements broker.Consumer.
func (s *consuming) Inspect() {
	if s.inner != nil {
		s.inner.Inspect()
	}
}

// Close implements broker.Consumer.
func (s *consuming) Close() {
	if s.inner != nil {
		s.inner.Close()
	}
}

// Abort implements broker.Consumer.
func (s *consuming) Abort() {
	s.aborted = true
	if s.inner != nil {
		s.inner.Abort()
	}
}

func (s *consuming) event(e broker.Event) {
	r := s.l.p.r
	switch m := e.(type) {
	case *broker.Opened:
		s.opened = true
	case *broker.Ended:
		s.ended = true
	case *broker.Delivered:
		if s.l.part == dataConsumer {
			if k, struck := s.l.armed(deliveryLost); struck {
				r.hitEvent(k, s.l)
				s.timeOut()
				return
			}
		}
		s.told = m.Last()
	}
	s.sink(e)
	r.changed(s.l.e, s.l.part)
}

// consumerTimeout is how long the broker waits for an acknowledgement, at most: what got lost on its way to the consumer is never acknowledged.
const consumerTimeout = 40 * time.Second

// timeOut has the broker end the session of a consumer that does not acknowledge.
func (s *consuming) timeOut() {
	w := s.l.p.w
	w.at(w.now+consumerTimeout/2+w.Jitter(consumerTimeout/2), func() {
		if !s.l.aborted && !s.ended {
			w.Logf("fault: consumer time-out of %s", s.l.owner)
			w.broker.CutOwner(s.l.owner)
		}
	})
}
