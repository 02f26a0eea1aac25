package brokertest

import (
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

var consumeCases = []Case{
	{"tags begin at 1 in each session", []int{6}, tagsBeginAtOne},
	{"a batch is never larger than MaxBatch", []int{11}, maxBatch},
	{"a batch never waits to be filled", []int{11}, neverWaits},
	{"bodies are the receiver's", []int{11}, bodiesAreOwn},
	{"no more than Prefetch are unsettled", []int{12}, prefetch},
	{"first deliveries are not redelivered", []int{13}, notRedelivered},
	{"what a closed consumer had comes again", []int{13, 16}, closedComesAgain},
	{"what a cut consumer had comes again", []int{13}, cutComesAgain},
	{"close makes acks certain", []int{16}, closeMakesAcksCertain},
	{"close loses no delivery", []int{16}, closeLosesNothing},
	{"deleting a classic queue ends its consumers", []int{14}, endsOnDelete(broker.Classic)},
	{"deleting a quorum queue ends its consumers", []int{14}, endsOnDelete(broker.Quorum)},
	{"deleting a stream ends its consumers", []int{14}, endsOnDelete(broker.Stream)},
}

func tagsBeginAtOne(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	for i := range 3 {
		c := e.of(q)
		p.put(numbers(10*i, 10)...)
		if first := c.takes(numbers(10*i, 10)...)[0]; first.tag != 1 {
			e.Errorf("rule 6: the first tag is %d", first.tag)
		}
		c.ack(10, true)
		c.close()
	}
}

func maxBatch(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 100)...)
	for _, n := range []int{1, 7} {
		c := e.consumer(broker.ConsumerConfig{Queue: q, MaxBatch: n})
		c.takes(numbers(1, 100)...)
		method(c.port.Abort)
		e.consumers(q, 0)
	}
}

func neverWaits(e *env) {
	q := e.queue(broker.QueueOptions{})
	c := e.consumer(broker.ConsumerConfig{Queue: q, MaxBatch: 100})
	p := e.to(q)
	for i := range 5 {
		body := fmt.Sprint("alone ", i)
		p.put(body)
		c.takes(body)
	}
}

// What the receiver does with its bodies must not reach whoever gets the record next, nor the publisher.
func bodiesAreOwn(e *env) {
	x, q, r := e.exchange(broker.Fanout), e.queue(broker.QueueOptions{}), e.queue(broker.QueueOptions{})
	e.must(broker.BindQueue{Queue: q, Exchange: x})
	e.must(broker.BindQueue{Queue: r, Exchange: x})
	e.publisher(broker.PublisherConfig{Exchange: x}).put(numbers(1, 3)...)
	c := e.of(q)
	for _, d := range c.takes(numbers(1, 3)...) {
		for i := range d.Body {
			d.Body[i] = 'x'
		}
		_ = append(d.Body, "behind the body may lie another"...)
	}
	method(c.port.Abort)
	e.of(q).takes(numbers(1, 3)...)
	e.of(r).takes(numbers(1, 3)...)
}

func prefetch(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum} {
		q := e.queue(broker.QueueOptions{Type: typ})
		e.to(q).put(numbers(1, 10)...)
		c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 3})
		c.takes(numbers(1, 3)...)
		e.ready(q, 7)
		c.ack(2, true)
		c.takes(numbers(4, 2)...)
		e.ready(q, 5)
		c.reject(4, false)
		c.takes(numbers(6, 1)...)
		c.none()
	}
}

func notRedelivered(e *env) {
	q := e.queue(broker.QueueOptions{})
	c := e.of(q)
	e.to(q).put(numbers(1, 5)...)
	c.redelivered(c.takes(numbers(1, 5)...), false)
}

func closedComesAgain(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 5)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 3})
	c.takes(numbers(1, 3)...)
	c.ack(1, false)
	c.close()
	next := e.of(q)
	got := next.takes(numbers(2, 4)...)
	next.redelivered(got[:2], true)
	next.redelivered(got[3:], false) // the one between may have come for the acknowledged one
}

func cutComesAgain(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put(numbers(1, 5)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 3})
	c.takes(numbers(1, 3)...)
	e.provoke("cut", e.h.Cut())
	e.isError("Ended", c.ended(), broker.ErrUnavailable)
	next := e.reopenConsumer(broker.ConsumerConfig{Queue: q})
	got := next.takes(numbers(1, 5)...)
	next.redelivered(got[:3], true)
	next.redelivered(got[3:], false)
}

func closeMakesAcksCertain(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	for range 10 {
		c := e.of(q)
		p.put(numbers(1, 20)...)
		c.takes(numbers(1, 20)...)
		for tag := range uint64(20) {
			c.ack(tag+1, false)
		}
		c.close()
	}
	p.put("marker")
	last := e.of(q)
	last.takes("marker")
	last.none()
}

// What was told and not acknowledged, and what was not told, is all still there.
func closeLosesNothing(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 300}).put(numbers(1, 300)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 50, MaxBatch: 10})
	c.take(10)
	c.ack(10, true)
	c.close()
	e.of(q).takes(numbers(11, 290)...)
}

func endsOnDelete(typ broker.QueueType) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{Type: typ})
		open := e.of
		if typ == broker.Stream {
			open = func(q string) *consumer { return e.from(q, broker.StreamOffset{}) }
		}
		a, b := open(q), open(q)
		e.must(broker.DeleteQueue{Name: q})
		e.isError("Ended", a.ended(), broker.ErrNotFound)
		e.isError("Ended", b.ended(), broker.ErrNotFound)
		a.ack(1, true) // nothing, after Ended
		e.fails(broker.InspectQueue{Name: q}, broker.ErrNotFound)
	}
}
