package brokertest

import (
	"sync"

	"github.com/d2e2d648/weir/broker"
)

var leaseCases = []Case{
	{"abort gives back what was unsettled", []int{5, 13}, abortGivesBack},
	{"abort while opening", []int{5}, abortWhileOpening},
	{"abort of a lease ends all of it", []int{5}, abortOfLease},
	{"abort of a lease is idempotent and concurrent", []int{1, 5}, abortIsIdempotent},
	{"opening on an aborted lease never opens", []int{5}, openingOnAbortedLease},
	{"late events after abort are in order", []int{3, 5}, lateEventsAfterAbort},
}

func abortGivesBack(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 5)...)
	c := e.of(q)
	c.takes(numbers(1, 5)...)
	method(c.port.Abort)
	next := e.of(q)
	next.redelivered(next.takes(numbers(1, 5)...), true)
}

// Wherever the abort catches the opening, nothing stays at the broker.
func abortWhileOpening(e *env) {
	q := e.queue(broker.QueueOptions{})
	for i := range 20 {
		p := e.openPublisher(e.lease, broker.PublisherConfig{RoutingKey: q})
		c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Exclusive: i == 0})
		if i%2 == 1 {
			e.must(broker.Probe{})
		}
		method(p.port.Abort)
		method(c.port.Abort)
	}
	e.consumers(q, 0)
	e.to(q).put("marker")
	e.of(q).takes("marker")
}

func abortOfLease(e *env) {
	q := e.queue(broker.QueueOptions{})
	l := e.newLease()
	p := e.openPublisher(l, broker.PublisherConfig{RoutingKey: q})
	c := e.openConsumer(l, broker.ConsumerConfig{Queue: q, Prefetch: 2})
	expectNext[*broker.Opened](p.recorder)
	expectNext[*broker.Opened](c.recorder)
	p.put(numbers(1, 4)...)
	c.takes(numbers(1, 2)...)
	method(l.Abort)
	e.consumers(q, 0)
	method(func() { p.port.Publish(broker.Batch{First: 5, Records: []broker.Record{{Body: []byte("after")}}}) })
	e.to(q).put("marker")
	last := e.of(q)
	last.takes(append(numbers(1, 4), "marker")...)
}

func abortIsIdempotent(e *env) {
	q := e.queue(broker.QueueOptions{})
	l := e.newLease()
	for range 3 {
		e.openConsumer(l, broker.ConsumerConfig{Queue: q})
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			method(l.Abort)
			method(l.Abort)
		})
	}
	all.Wait()
	e.consumers(q, 0)
	method(l.Abort)
	e.must(broker.Probe{})
}

func openingOnAbortedLease(e *env) {
	q := e.queue(broker.QueueOptions{})
	l := e.newLease()
	method(l.Abort)
	p := e.openPublisher(l, broker.PublisherConfig{RoutingKey: q})
	c := e.openConsumer(l, broker.ConsumerConfig{Queue: q})
	for range 5 { // openings that were asked for later
		e.to(q).close()
		e.of(q).close()
	}
	for _, r := range []*recorder{p.recorder, c.recorder} {
		for _, event := range r.all() {
			if !isEnded(event) {
				e.Errorf("rule 5: %s: told %s", r.name, show(event))
			}
		}
	}
	e.consumers(q, 0)
}

// The recorders watch what still comes.
func lateEventsAfterAbort(e *env) {
	q := e.queue(broker.QueueOptions{})
	for round := range 10 {
		l := e.newLease()
		p := e.openPublisher(l, broker.PublisherConfig{RoutingKey: q})
		c := e.openConsumer(l, broker.ConsumerConfig{Queue: q})
		expectNext[*broker.Opened](p.recorder)
		expectNext[*broker.Opened](c.recorder)
		for range 5 {
			p.send(numbers(1, 10)...)
		}
		c.take(1 + round)
		switch round % 3 {
		case 0:
			method(l.Abort)
		case 1:
			method(c.port.Abort)
			method(p.port.Abort)
		case 2:
			method(c.port.Close)
			method(p.port.Close)
			method(l.Abort)
		}
	}
	e.consumers(q, 0)
	e.must(broker.Probe{})
}
