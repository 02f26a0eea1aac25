package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var deleteCases = []Case{
	{"deleting what is missing", nil, deletingMissing},
	{"if-unused on a classic queue", nil, ifUnused(broker.Classic)},
	{"if-unused on a quorum queue", nil, ifUnused(broker.Quorum)},
	{"if-unused on a queue of no type", nil, ifUnused(broker.UnspecifiedType)},
	{"if-unused on a stream deletes under its consumers", []int{14}, ifUnusedStream},
	{"if-unused on an exchange", nil, ifUnusedExchange},
	{"deleting a queue drops its bindings", nil, deletingDropsBindings},
	{"a queue declared again is empty", nil, declaredAgainIsEmpty},
}

func deletingMissing(e *env) {
	for _, unused := range []bool{false, true} {
		e.must(broker.DeleteQueue{Name: e.name("missing"), IfUnused: unused})
		e.must(broker.DeleteExchange{Name: e.name("missing"), IfUnused: unused})
	}
}

func ifUnused(typ broker.QueueType) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{Type: typ})
		c := e.of(q)
		e.consumers(q, 1)
		e.fails(broker.DeleteQueue{Name: q, IfUnused: true}, broker.ErrInUse)
		e.to(q).put("marker") // the queue and its consumer are still there
		c.takes("marker")
		c.close()
		e.consumers(q, 0)
		e.must(broker.DeleteQueue{Name: q, IfUnused: true})
		e.fails(broker.InspectQueue{Name: q}, broker.ErrNotFound)
	}
}

func ifUnusedStream(e *env) {
	q := e.queue(broker.QueueOptions{Type: broker.Stream})
	c := e.of(q)
	e.must(broker.DeleteQueue{Name: q, IfUnused: true})
	e.isError("Ended", c.ended(), broker.ErrNotFound)
	e.fails(broker.InspectQueue{Name: q}, broker.ErrNotFound)
}

func ifUnusedExchange(e *env) {
	x, q := e.exchange(broker.Direct), e.queue(broker.QueueOptions{})
	e.must(broker.BindQueue{Queue: q, Exchange: x, RoutingKey: "key"})
	e.fails(broker.DeleteExchange{Name: x, IfUnused: true}, broker.ErrInUse)
	e.must(broker.InspectExchange{Name: x})
	e.must(broker.DeleteExchange{Name: x})
	e.fails(broker.InspectExchange{Name: x}, broker.ErrNotFound)
	e.must(broker.InspectQueue{Name: q})
}

func deletingDropsBindings(e *env) {
	x, q := e.exchange(broker.Direct), e.queue(broker.QueueOptions{})
	e.must(broker.BindQueue{Queue: q, Exchange: x, RoutingKey: "key"})
	p := e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "key", AppID: "suite"})
	p.put("before")
	e.must(broker.DeleteQueue{Name: q})
	last := p.send("after")
	p.awaitAll(refused, last, last)
	e.must(broker.DeleteExchange{Name: x, IfUnused: true})
}

func declaredAgainIsEmpty(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put("before")
	e.must(broker.DeleteQueue{Name: q})
	e.must(broker.DeclareQueue{Name: q, QueueOptions: broker.QueueOptions{MaxLength: 100}})
	p.put("after")
	c := e.of(q)
	c.takes("after")
	c.none()
}
