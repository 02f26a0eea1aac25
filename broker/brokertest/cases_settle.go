package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var settleCases = []Case{
	{"acknowledging tag 0", []int{9}, poison(func(c *consumer) { c.ack(0, false) })},
	{"acknowledging up to tag 0", []int{9}, poison(func(c *consumer) { c.ack(0, true) })},
	{"rejecting tag 0", []int{9}, poison(func(c *consumer) { c.reject(0, true) })},
	{"acknowledging what was not delivered", []int{9}, poison(func(c *consumer) { c.ack(3, false) })},
	{"acknowledging up to what was not delivered", []int{9}, poison(func(c *consumer) { c.ack(1000, true) })},
	{"rejecting what was not delivered", []int{9}, poison(func(c *consumer) { c.reject(3, false) })},
	{"stale acknowledgement", []int{9}, staleAcknowledgement},
	{"acknowledging out of order", []int{9, 13}, acknowledgingOutOfOrder},
	{"requeue keeps the order", []int{13}, requeueKeepsOrder},
	{"reject gives back", []int{13}, rejectGivesBack},
	{"reject drops", nil, rejectDrops},
	{"reject dead-letters on classic", nil, rejectDeadLetters(broker.Classic)},
	{"reject dead-letters on quorum", nil, rejectDeadLetters(broker.Quorum)},
	{"delivery limit", nil, deliveryLimit},
}

// poison: two records are delivered, then something is settled that was not. What was delivered comes again.
func poison(settle func(*consumer)) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{})
		e.to(q).put(numbers(1, 2)...)
		c := e.of(q)
		c.takes(numbers(1, 2)...)
		settle(c)
		err := c.ended()
		e.isError("Ended", err, broker.ErrTag)
		e.isError("Ended", err, broker.ErrMisuse)
		next := e.of(q)
		next.redelivered(next.takes(numbers(1, 2)...), true)
	}
}

func staleAcknowledgement(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put(numbers(1, 4)...)
	c := e.of(q)
	c.takes(numbers(1, 4)...)
	c.ack(2, true)
	for range 2 {
		c.ack(1, false)
		c.ack(2, false)
		c.ack(2, true)
		c.reject(1, true)
		c.reject(2, false)
		c.ack(4, false)
		c.reject(4, true)
	}
	p.put("marker")
	c.takes("marker")
	c.close()
	last := e.of(q)
	last.takes("record 3", "marker")
	last.none()
}

func acknowledgingOutOfOrder(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put(numbers(1, 5)...)
	c := e.of(q)
	c.takes(numbers(1, 5)...)
	for _, tag := range []uint64{5, 3, 1} {
		c.ack(tag, false)
	}
	c.close()
	p.put("marker")
	last := e.of(q)
	last.redelivered(last.takes("record 2", "record 4"), true)
	last.takes("marker")
}

func requeueKeepsOrder(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum} {
		q := e.queue(broker.QueueOptions{Type: typ})
		e.to(q).put(numbers(1, 10)...)
		c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 6})
		c.takes(numbers(1, 6)...)
		c.ack(2, false)
		method(c.port.Abort)
		e.consumers(q, 0)
		last := e.of(q)
		last.takes("record 1")
		got := last.takes(numbers(3, 8)...)
		last.redelivered(got[:4], true)
		last.redelivered(got[5:], false) // the one between may have come for the acknowledged one
	}
}

func rejectGivesBack(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 3)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 1})
	c.redelivered(c.takes("record 1"), false)
	c.reject(1, true)
	c.redelivered(c.takes("record 1"), true)
	c.ack(2, false)
	c.redelivered(c.takes("record 2"), false)
}

func rejectDrops(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 2)...)
	c := e.of(q)
	c.takes(numbers(1, 2)...)
	c.reject(1, false)
	c.close()
	last := e.of(q)
	last.takes("record 2")
	last.none()
}

func rejectDeadLetters(typ broker.QueueType) func(*env) {
	return func(e *env) {
		dead := e.queue(broker.QueueOptions{})
		q := e.queue(broker.QueueOptions{Type: typ, DeadLetterTo: dead})
		e.to(q).put(numbers(1, 3)...)
		c := e.of(q)
		c.takes(numbers(1, 3)...)
		c.reject(2, false)
		e.of(dead).takes("record 2")
		c.ack(3, true)
		c.close()
		e.ready(q, 0)
	}
}

func deliveryLimit(e *env) {
	const limit = 2
	dead := e.queue(broker.QueueOptions{})
	q := e.queue(broker.QueueOptions{Type: broker.Quorum, DeliveryLimit: limit, DeadLetterTo: dead})
	p := e.to(q)
	p.put("poison")
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 1})
	for i := range limit + 1 {
		c.redelivered(c.takes("poison"), i > 0)
		c.reject(uint64(i+1), true)
	}
	e.of(dead).takes("poison")
	p.put("marker")
	c.takes("marker")
}
