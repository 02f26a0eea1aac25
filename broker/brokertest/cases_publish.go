package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var publishCases = []Case{
	{"confirmed says all records and only own ones", []int{7}, confirmedSaysOwn},
	{"two publishers are confirmed apart", []int{7}, confirmedApart},
	{"sequences go on over sessions", []int{6}, sequencesGoOn},
	{"window exceeded by one batch", []int{8}, windowExceeded},
	{"window exceeded by the sum", []int{8}, windowExceededBySum},
	{"a full window is no misuse", []int{8}, fullWindow},
	{"records arrive in the order published", []int{7, 11}, orderPublished},
	{"close sends what was published before", []int{15}, closeSends},
}

func confirmedSaysOwn(e *env) {
	p := e.to(e.queue(broker.QueueOptions{}))
	for i := range 10 {
		p.send(numbers(10*i, 10)...)
	}
	p.awaitAll(confirmed, 1, 100)
	p.close()
}

func confirmedApart(e *env) {
	q := e.queue(broker.QueueOptions{})
	a, b := e.to(q), e.to(q)
	b.nextAt = 1000
	for i := range 10 {
		a.send(numbers(i, 1)...)
		b.send(numbers(i, 3)...)
	}
	a.awaitAll(confirmed, 1, 10)
	b.awaitAll(confirmed, 1000, 1029)
}

func sequencesGoOn(e *env) {
	q := e.queue(broker.QueueOptions{})
	for _, first := range []uint64{1000, 1010, 1 << 40} {
		p := e.to(q)
		p.nextAt = first
		p.put(numbers(1, 10)...)
		p.close()
	}
}

func windowExceeded(e *env) {
	p := e.publisher(broker.PublisherConfig{RoutingKey: e.queue(broker.QueueOptions{}), Window: 3})
	p.send(numbers(1, 4)...)
	err := p.ended()
	e.isError("Ended", err, broker.ErrWindow)
	e.isError("Ended", err, broker.ErrMisuse)
}

// The alarm keeps what is published from being confirmed.
func windowExceededBySum(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 3})
	p.put("before")
	off := e.block()
	defer off()
	p.trigger(1)
	p.send(numbers(1, 2)...)
	p.send(numbers(3, 2)...)
	e.isError("Ended", p.ended(), broker.ErrWindow)
}

func fullWindow(e *env) {
	p := e.publisher(broker.PublisherConfig{RoutingKey: e.queue(broker.QueueOptions{}), Window: 3})
	for range 20 {
		p.put(numbers(1, 3)...)
		p.send("one")
		p.send("two", "three")
		p.awaitAll(confirmed, p.nextAt-3, p.nextAt-1)
	}
	p.close()
}

func orderPublished(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 1000})
	c := e.consumer(broker.ConsumerConfig{Queue: q, MaxBatch: 50})
	for i := 0; i < 500; i += 25 {
		p.send(numbers(i, 25)...)
	}
	c.takes(numbers(0, 500)...)
	p.awaitAll(confirmed, 1, 500)
}

func closeSends(e *env) {
	q := e.queue(broker.QueueOptions{})
	for range 5 {
		p := e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 1000})
		for i := range 20 {
			p.send(numbers(10*i, 10)...)
		}
		p.close()
		c := e.of(q)
		c.takes(numbers(0, 200)...)
		c.ack(200, true)
		c.close()
	}
}
