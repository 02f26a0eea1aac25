package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var sharingCases = []Case{
	{"two consumers share", nil, twoShare},
	{"exclusive while another consumes", nil, exclusiveRefused},
	{"another while one consumes exclusively", nil, refusedByExclusive},
	{"single active consumer", nil, singleActive},
}

// Neither has room for all: each gets its part, and every record goes to one of them.
func twoShare(e *env) {
	q := e.queue(broker.QueueOptions{})
	a := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 5})
	b := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 5})
	e.to(q).put(numbers(1, 10)...)
	seen := map[string]bool{}
	for _, d := range append(a.take(5), b.take(5)...) {
		seen[string(d.Body)] = true
	}
	if len(seen) != 10 {
		e.Errorf("10 records, and %d different ones were delivered", len(seen))
	}
}

func exclusiveRefused(e *env) {
	q := e.queue(broker.QueueOptions{})
	a := e.of(q)
	b := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Exclusive: true})
	e.isError("Ended", expectNext[*broker.Ended](b.recorder).Err, broker.ErrRefused)
	a.close()
	e.consumers(q, 0)
	e.consumer(broker.ConsumerConfig{Queue: q, Exclusive: true})
}

func refusedByExclusive(e *env) {
	q := e.queue(broker.QueueOptions{})
	a := e.consumer(broker.ConsumerConfig{Queue: q, Exclusive: true})
	for _, exclusive := range []bool{false, true} {
		b := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Exclusive: exclusive})
		e.isError("Ended", expectNext[*broker.Ended](b.recorder).Err, broker.ErrRefused)
	}
	e.to(q).put("marker")
	a.takes("marker")
	a.ack(1, false)
	a.close()
	e.consumers(q, 0)
	e.of(q)
}

func singleActive(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum} {
		q := e.queue(broker.QueueOptions{Type: typ, SingleActiveConsumer: true})
		a, b := e.of(q), e.of(q)
		p := e.to(q)
		p.put(numbers(1, 10)...)
		a.takes(numbers(1, 10)...)
		b.none()
		a.ack(8, true)
		a.close()
		b.redelivered(b.takes(numbers(9, 2)...), true)
		p.put("marker")
		b.takes("marker")
	}
}
