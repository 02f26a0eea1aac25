package ledger_test

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/d2e2d648/weir/broker"
)

// bug is how a port, or the client above it, misbehaves. Hooks stand in place of the call or event; those that are nil do nothing. They are called for the sessions that carry the channel's records only.
type bug struct {
	name   string
	want   string // the verdict; "": none
	also   string // a second one that cannot be but there, too
	stream bool

	publisherConfig func(*broker.PublisherConfig)
	consumerConfig  func(p *buggy, c *broker.ConsumerConfig)
	publish         func(s *session, b broker.Batch)
	told            func(s *session, e broker.Event) // to a publisher
	delivered       func(s *session, d *broker.Delivered)
	ack             func(s *session, tag uint64, multiple bool)
	outcome         func(err error) error // of a write that was withdrawn
	deletes         bool                  // the queue is deleted on the way
	calm            bool                  // no reader fails, so that fewer duplicates may come
}

// buggy is the embedded port with a bug.
type buggy struct {
	broker.Port
	bug
	moved chan struct{}

	mu sync.Mutex
	// What was seen, and what hooks remember.
	delivered, acked, published int
	returned                    int
	gate                        chan struct{} // what the declaration of the queue waits for, if set
	sessions                    int
	batches                     []broker.Batch
	tag                         uint64
	done                        bool
}

// once says yes the first time that the condition holds.
func (p *buggy) once(holds bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.done
	p.done = p.done || holds
	return holds && !was
}

func (p *buggy) note(f func()) {
	p.mu.Lock()
	f()
	p.mu.Unlock()
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// until waits until what was seen is so.
func (p *buggy) until(holds func() bool, over <-chan struct{}) bool {
	for {
		p.mu.Lock()
		done := holds()
		p.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-p.moved:
		case <-over:
			return false
		}
	}
}

// Lease implements broker.Port.
func (p *buggy) Lease(owner string) broker.Lease { return &lease{p.Port.Lease(owner), p} }

type lease struct {
	broker.Lease
	p *buggy
}

func (l *lease) Do(request broker.Request, done func(broker.Result)) {
	l.p.mu.Lock()
	gate := l.p.gate
	l.p.mu.Unlock()
	if declares, ok := request.(broker.DeclareQueue); !ok || declares.Name != channel || gate == nil {
		l.Lease.Do(request, done)
		return
	}
	go func() {
		<-gate
		l.Lease.Do(request, done)
	}()
}

// drop keeps the last n records of a delivery from its receiver, and acknowledges all when they are all.
func (s *session) drop(d *broker.Delivered, n int) {
	first, kept := d.First-s.dropped.Load(), d.Records[:len(d.Records)-n]
	s.dropped.Add(uint64(n))
	if len(kept) == 0 {
		s.Consumer.Ack(d.Last(), true)
		return
	}
	s.sink(&broker.Delivered{First: first, Records: kept})
}

// session is one that carries the channel's records.
type session struct {
	p    *buggy
	sink broker.Sink
	broker.Publisher
	broker.Consumer
	acked uint64 // tag that was acknowledged
	// What the broker's goroutine writes and the actor's reads.
	last    atomic.Uint64 // tag that was delivered
	dropped atomic.Uint64 // deliveries that its receiver does not hear of: tags close up over them
}

func (l *lease) OpenPublisher(c broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	if c.Exchange != channel && c.RoutingKey != channel {
		return l.Lease.OpenPublisher(c, sink)
	}
	if l.p.publisherConfig != nil {
		l.p.publisherConfig(&c)
	}
	s := &session{p: l.p, sink: sink}
	s.Publisher = l.Lease.OpenPublisher(c, func(e broker.Event) {
		if r, ok := e.(*broker.Refused); ok && errors.Is(r.Err, broker.ErrReturned) {
			l.p.note(func() { l.p.returned++ })
		}
		if l.p.told != nil {
			l.p.told(s, e)
			return
		}
		sink(e)
	})
	return publisher{s}
}

func (l *lease) OpenConsumer(c broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	if c.Queue != channel {
		return l.Lease.OpenConsumer(c, sink)
	}
	l.p.note(func() { l.p.sessions++ })
	if l.p.consumerConfig != nil {
		l.p.consumerConfig(l.p, &c)
	}
	s := &session{p: l.p, sink: sink}
	ready := make(chan struct{})
	s.Consumer = l.Lease.OpenConsumer(c, func(e broker.Event) {
		<-ready
		s.consumed(e)
	})
	close(ready)
	return consumer{s}
}

func (s *session) consumed(e broker.Event) {
	d, ok := e.(*broker.Delivered)
	if !ok {
		s.sink(e)
		return
	}
	s.last.Store(d.Last())
	n := len(d.Records) // before the receiver has it
	if s.p.bug.delivered != nil {
		s.p.bug.delivered(s, d)
	} else {
		s.sink(d)
	}
	s.p.note(func() { s.p.delivered += n })
}

type publisher struct{ *session }

func (p publisher) Publish(b broker.Batch) {
	p.p.note(func() { p.p.published++ })
	if p.p.publish != nil {
		p.p.publish(p.session, b)
		return
	}
	p.Publisher.Publish(b)
}
func (p publisher) Close() { p.Publisher.Close() }
func (p publisher) Abort() { p.Publisher.Abort() }

type consumer struct{ *session }

func (c consumer) Ack(tag uint64, multiple bool) {
	if c.p.ack != nil {
		c.p.ack(c.session, tag, multiple)
	} else {
		c.Consumer.Ack(tag+c.dropped.Load(), multiple)
	}
	c.p.note(func() { c.p.acked++ })
}
func (c consumer) Close() { c.Consumer.Close() }
func (c consumer) Abort() { c.Consumer.Abort() }

// aside publishes something that no writer of the channel's has published.
func (p *buggy) aside(bodies ...[]byte) {
	lease := p.Port.Lease("aside")
	batch := broker.Batch{First: 1}
	for _, body := range bodies {
		batch.Records = append(batch.Records, broker.Record{Body: body})
	}
	var to broker.Publisher
	ready := make(chan struct{})
	to = lease.OpenPublisher(broker.PublisherConfig{RoutingKey: channel, Window: 100}, func(e broker.Event) {
		<-ready
		switch e.(type) {
		case *broker.Opened:
			to.Publish(batch)
		case *broker.Confirmed:
			lease.Abort()
		}
	})
	close(ready)
}
