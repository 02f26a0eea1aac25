package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var topologyCases = []Case{
	{"declaring again", nil, declaringAgain},
	{"declaring again with other arguments", nil, declaringOtherwise},
	{"declaring an exchange of another kind", nil, declaringOtherKind},
	{"inspect", nil, inspect},
	{"inspect counts", nil, inspectCounts},
	{"binding what is missing", nil, bindingMissing},
	{"fanout to two queues", nil, fanout},
	{"direct by routing key", nil, direct},
	{"binding twice delivers once", nil, bindingTwice},
}

func declaringAgain(e *env) {
	for _, o := range []broker.QueueOptions{
		{}, {Type: broker.Classic, MaxLength: 5}, {Type: broker.Quorum, DeliveryLimit: 3}, {Type: broker.Stream, MaxBytes: 1 << 20},
	} {
		q := e.queue(o)
		e.must(broker.DeclareQueue{Name: q, QueueOptions: o})
	}
	x := e.exchange(broker.Fanout)
	e.must(broker.DeclareExchange{Name: x, Kind: broker.Fanout})
}

func declaringOtherwise(e *env) {
	q := e.queue(broker.QueueOptions{Type: broker.Classic})
	for _, o := range []broker.QueueOptions{
		{Type: broker.Quorum}, {Type: broker.Stream}, {Type: broker.Classic, MaxLength: 5}, {Type: broker.Classic, DeadLetterTo: "x"},
		{Type: broker.Classic, SingleActiveConsumer: true},
	} {
		e.fails(broker.DeclareQueue{Name: q, QueueOptions: o}, broker.ErrWrongType)
	}
	e.must(broker.InspectQueue{Name: q})
}

func declaringOtherKind(e *env) {
	x := e.exchange(broker.Fanout)
	e.fails(broker.DeclareExchange{Name: x, Kind: broker.Direct}, broker.ErrWrongType)
	e.must(broker.InspectExchange{Name: x})
}

func inspect(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum, broker.Stream} {
		e.must(broker.InspectQueue{Name: e.queue(broker.QueueOptions{Type: typ})})
	}
	e.must(broker.InspectExchange{Name: e.exchange(broker.Direct)})
	e.fails(broker.InspectQueue{Name: e.name("missing")}, broker.ErrNotFound)
	e.fails(broker.InspectExchange{Name: e.name("missing")}, broker.ErrNotFound)
}

func inspectCounts(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum} {
		q := e.queue(broker.QueueOptions{Type: typ})
		p := e.to(q)
		p.put(numbers(1, 7)...)
		e.ready(q, 7)
		e.consumers(q, 0)
		c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 3})
		c.take(3)
		e.ready(q, 4)
		e.consumers(q, 1)
		c.ack(3, true)
		c.take(3)
		e.ready(q, 1)
		c.close()
		e.ready(q, 4)
		e.consumers(q, 0)
	}
}

func bindingMissing(e *env) {
	q, x := e.queue(broker.QueueOptions{}), e.exchange(broker.Direct)
	e.fails(broker.BindQueue{Queue: e.name("missing"), Exchange: x, RoutingKey: "key"}, broker.ErrNotFound)
	e.fails(broker.BindQueue{Queue: q, Exchange: e.name("missing"), RoutingKey: "key"}, broker.ErrNotFound)
	e.must(broker.Probe{})
}

func fanout(e *env) {
	x, a, b := e.exchange(broker.Fanout), e.queue(broker.QueueOptions{}), e.queue(broker.QueueOptions{Type: broker.Quorum})
	e.must(broker.BindQueue{Queue: a, Exchange: x})
	e.must(broker.BindQueue{Queue: b, Exchange: x, RoutingKey: "no matter"})
	e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "any"}).put(numbers(1, 5)...)
	e.of(a).takes(numbers(1, 5)...)
	e.of(b).takes(numbers(1, 5)...)
}

func direct(e *env) {
	x, a, b := e.exchange(broker.Direct), e.queue(broker.QueueOptions{}), e.queue(broker.QueueOptions{})
	e.must(broker.BindQueue{Queue: a, Exchange: x, RoutingKey: "a"})
	e.must(broker.BindQueue{Queue: b, Exchange: x, RoutingKey: "b"})
	e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "a"}).put("to a")
	e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "b"}).put("to b")
	for q, want := range map[string]string{a: "to a", b: "to b"} {
		c := e.of(q)
		c.takes(want)
		c.none()
	}
	p := e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "c", AppID: "suite"})
	p.send("to nobody")
	p.awaitAll(refused, 1, 1)
}

func bindingTwice(e *env) {
	x, q := e.exchange(broker.Fanout), e.queue(broker.QueueOptions{})
	for _, key := range []string{"one", "one", "two"} {
		e.must(broker.BindQueue{Queue: q, Exchange: x, RoutingKey: key})
	}
	p := e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "one"})
	p.put("first")
	p.put("second")
	e.of(q).takes("first", "second")
}
