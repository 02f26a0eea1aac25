package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var inspectCases = []Case{
	{"a consumer inspects a classic queue", []int{20}, inspectReady(broker.Classic)},
	{"a consumer inspects a quorum queue", []int{20}, inspectReady(broker.Quorum)},
	{"a consumer inspects a stream", []int{20}, inspectStream},
	{"inspected comes behind first deliveries on classic", []int{20}, inspectAtOnce(broker.Classic)},
	{"inspected comes behind first deliveries on quorum", []int{20}, inspectAtOnce(broker.Quorum)},
	{"inspected comes behind what acks make room for on classic", []int{20}, inspectBehindAcks(broker.Classic)},
	{"inspected comes behind what acks make room for on quorum", []int{20}, inspectBehindAcks(broker.Quorum)},
	{"every inspect is answered in order", []int{20}, inspectInOrder},
	{"inspect crossing close", []int{20}, inspectCrossingClose},
	{"inspect crossing a deletion", []int{14, 20}, inspectCrossingDelete},
	{"inspect crossing a cut", []int{3, 20}, inspectCrossingCut},
	{"inspect through a freeze", []int{1, 20}, inspectThroughFreeze},
}

// is checks an answer.
func (c *consumer) is(got, want answer) {
	c.env.Helper()
	if got != want {
		c.env.Fatalf("rule 20: %s: %d ready behind %d delivered, want %d behind %d", c.name, got.ready, got.delivered, want.ready, want.delivered)
	}
}

// complete checks that each of n records was delivered before the answer or counted by it.
func (c *consumer) complete(a answer, n int) {
	c.env.Helper()
	if a.delivered+a.ready < n {
		c.env.Fatalf("rule 20: %s: %d ready behind %d delivered, %d were there", c.name, a.ready, a.delivered, n)
	}
}

func inspectReady(typ broker.QueueType) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{Type: typ})
		e.to(q).put(numbers(1, 10)...)
		c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 3})
		c.take(3)
		c.is(c.inspect(), answer{7, 3})
		c.ack(2, true)
		c.take(2)
		c.is(c.inspect(), answer{5, 5})
		other := e.of(q)
		other.take(5)
		c.is(c.inspect(), answer{0, 5})
		method(other.port.Abort)
		e.eventually("what the other had is ready", func() bool { return c.inspect() == answer{5, 5} })
		c.none()
	}
}

// What Ready says of a stream is the broker's own affair.
func inspectStream(e *env) {
	q := e.stream()
	p := e.to(q)
	c := e.from(q, broker.StreamOffset{})
	c.inspect()
	p.put(numbers(0, 5)...)
	c.takes(numbers(0, 5)...)
	c.inspect()
}

func inspectAtOnce(typ broker.QueueType) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{Type: typ})
		p := e.to(q)
		for range 20 {
			p.put(numbers(1, 3)...)
			c := e.of(q)
			c.complete(c.inspect(), 3)
			c.take(3)
			c.ack(3, true)
			c.close()
		}
	}
}

// An acknowledgement makes the queue deliver while it is asked to count.
func inspectBehindAcks(typ broker.QueueType) func(*env) {
	return func(e *env) {
		const n = 300
		q := e.queue(broker.QueueOptions{Type: typ})
		e.publisher(broker.PublisherConfig{RoutingKey: q, Window: n}).put(numbers(1, n)...)
		c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 4})
		for acked := 0; acked < n; {
			all := c.take(1)
			acked = int(all[0].tag)
			c.ack(all[0].tag, false)
			c.complete(c.inspect(), n)
		}
		c.is(c.inspect(), answer{0, n})
	}
}

// Nobody publishes: so the counts go down only.
func inspectInOrder(e *env) {
	const n = 20
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, n)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 1})
	for i := range n {
		c.take(1)
		c.ask()
		c.ask()
		c.ack(uint64(i+1), false)
		c.ask()
	}
	c.is(c.inspect(), answer{0, n})
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range c.answers[1:] {
		if a.ready > c.answers[i].ready {
			e.Fatalf("rule 20: %s: %d ready after %d, answer %d", c.name, a.ready, c.answers[i].ready, i+1)
		}
	}
}

// The recorder watches that what is asked after Close is not answered.
func inspectCrossingClose(e *env) {
	q := e.queue(broker.QueueOptions{})
	for range 10 {
		c := e.of(q)
		c.ask()
		method(c.port.Close)
		method(c.port.Inspect)
		method(c.port.Inspect)
		e.isError("Ended", c.ended(), nil)
	}
}

func inspectCrossingDelete(e *env) {
	for range 5 {
		q := e.queue(broker.QueueOptions{})
		c := e.of(q)
		method(func() { e.lease.Do(broker.DeleteQueue{Name: q}, func(broker.Result) {}) })
		for range 10 {
			c.ask()
		}
		e.isError("Ended", c.ended(), broker.ErrNotFound)
	}
}

func inspectCrossingCut(e *env) {
	q := e.queue(broker.QueueOptions{})
	c := e.of(q)
	c.ask()
	e.provoke("cut", e.h.Cut())
	c.ask()
	e.isError("Ended", c.ended(), broker.ErrUnavailable)
	c = e.reopenConsumer(broker.ConsumerConfig{Queue: q})
	c.is(c.inspect(), answer{0, 0})
}

// Whatever was asked is answered, or the session ends.
func inspectThroughFreeze(e *env) {
	q := e.queue(broker.QueueOptions{})
	c := e.of(q)
	thaw := e.freeze()
	defer thaw()
	c.ask()
	c.ask()
	thaw()
	c.await("the answers or the end", func() bool { return len(c.answers) == 2 || isEnded(c.events[len(c.events)-1]) })
}
