package brokertest_test

import (
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// tweak is how a wrapped port differs from the port within. What is nil does not.
type tweak struct {
	publisherConfig func(*broker.PublisherConfig)
	consumerConfig  func(*broker.ConsumerConfig)
	event           func(s *session, e broker.Event)
	publish         func(s *session, b broker.Batch)
	ack             func(s *session, tag uint64, multiple bool)
	inspect         func(s *session)
	close, abort    func(s *session)
	abortLease      func(l *lease)
	do              func(l *lease, r broker.Request, done func(broker.Result))
}

// wrapped is a port with a tweak.
type wrapped struct {
	broker.Port
	tweak

	mu        sync.Mutex
	bodies    map[string][]byte // for the tweaks that need them
	tags      uint64
	sequences map[string]uint64
}

type lease struct {
	w     *wrapped
	owner string

	mu    sync.Mutex
	inner broker.Lease
	calls int
}

// session is a publisher or a consumer.
type session struct {
	w    *wrapped
	l    *lease
	sink broker.Sink

	mu       sync.Mutex
	p        broker.Publisher
	c        broker.Consumer
	window   broker.PublisherConfig
	consumes broker.ConsumerConfig
	// What tweaks remember.
	opened, flag bool
	first, last  uint64
	settled      map[uint64]bool
	kept         []broker.Event
	batches      []broker.Batch
}

func (w *wrapped) Lease(owner string) broker.Lease {
	return &lease{inner: w.Port.Lease(owner), w: w, owner: owner}
}

func (l *lease) now() broker.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner
}

func (l *lease) OpenPublisher(c broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	s := &session{w: l.w, l: l, sink: sink, window: c, settled: map[uint64]bool{}}
	if l.w.publisherConfig != nil {
		l.w.publisherConfig(&c)
	}
	s.mu.Lock() // an event may come before there is a session
	defer s.mu.Unlock()
	s.p = l.now().OpenPublisher(c, s.told)
	return s
}

func (l *lease) OpenConsumer(c broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	s := &session{w: l.w, l: l, sink: sink, consumes: c, settled: map[uint64]bool{}}
	if l.w.consumerConfig != nil {
		l.w.consumerConfig(&c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c = l.now().OpenConsumer(c, s.told)
	return consumer{s}
}

func (l *lease) Do(r broker.Request, done func(broker.Result)) {
	if l.w.do != nil {
		l.w.do(l, r, done)
		return
	}
	l.now().Do(r, done)
}

func (l *lease) Abort() {
	if l.w.abortLease != nil {
		l.w.abortLease(l)
		return
	}
	l.now().Abort()
}

// later runs f on the port's own goroutine, serially with its events and after a round trip.
func (s *session) later(f func()) {
	s.l.now().Do(broker.Probe{}, func(broker.Result) { f() })
}

func (s *session) told(e broker.Event) {
	if s.w.event != nil {
		s.w.event(s, e)
		return
	}
	s.sink(e)
}

func (s *session) inner() (broker.Publisher, broker.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.p, s.c
}

func (s *session) Publish(b broker.Batch) {
	if s.w.publish != nil {
		s.w.publish(s, b)
		return
	}
	s.innerPublish(b)
}

func (s *session) innerPublish(b broker.Batch) {
	p, _ := s.inner()
	p.Publish(b)
}

func (s *session) innerAck(tag uint64, multiple bool) {
	_, c := s.inner()
	c.Ack(tag, multiple)
}

func (s *session) innerInspect() {
	_, c := s.inner()
	c.Inspect()
}

func (s *session) Close() {
	if s.w.close != nil {
		s.w.close(s)
		return
	}
	s.innerClose()
}

func (s *session) innerClose() {
	if p, c := s.inner(); p != nil {
		p.Close()
	} else {
		c.Close()
	}
}

func (s *session) Abort() {
	if s.w.abort != nil {
		s.w.abort(s)
		return
	}
	s.innerAbort()
}

func (s *session) innerAbort() {
	if p, c := s.inner(); p != nil {
		p.Abort()
	} else {
		c.Abort()
	}
}

type consumer struct{ *session }

func (c consumer) Ack(tag uint64, multiple bool) {
	if c.w.ack != nil {
		c.w.ack(c.session, tag, multiple)
		return
	}
	c.innerAck(tag, multiple)
}

func (c consumer) Inspect() {
	if c.w.inspect != nil {
		c.w.inspect(c.session)
		return
	}
	c.innerInspect()
}

func (c consumer) Reject(tag uint64, requeue bool) {
	_, inner := c.inner()
	inner.Reject(tag, requeue)
}

// gather makes events Pendings, as rule 19 allows.
func gather(s *session, e broker.Event) {
	s.mu.Lock()
	s.kept = append(s.kept, e)
	told := s.flag
	s.flag = true
	s.mu.Unlock()
	if !told {
		s.sink(&broker.Pending{Take: s.take})
	}
}

func (s *session) take() []broker.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.kept
	s.kept, s.flag = nil, false
	return events
}
