package brokertest

import (
	"errors"

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
	{"a session's own queue goes with it", nil, ownGoes},
	{"a session's own queue goes with its connection", nil, ownGoesWithConnection},
	{"a session's own queue is nobody else's", nil, ownIsAlone},
	{"what is everybody's is no session's own", nil, ownIsNew},
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
	c := e.from(q, broker.StreamOffset{})
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

func (e *env) gone(queue string) {
	e.Helper()
	e.eventually("the queue is gone", func() bool {
		err := e.do(broker.InspectQueue{Name: queue}).Err
		if err != nil && !errors.Is(err, broker.ErrUnavailable) && !errors.Is(err, broker.ErrRefused) { // a cut of its own, or it is still somebody's
			e.isError("inspect", err, broker.ErrNotFound)
		}
		return errors.Is(err, broker.ErrNotFound)
	})
}

// own opens a session that has its own queue.
func (e *env) own(queue string) *consumer {
	e.Helper()
	return e.consumer(broker.ConsumerConfig{Queue: queue, Own: true})
}

func ownGoes(e *env) {
	for _, leave := range []func(*consumer){
		func(c *consumer) { c.close() }, func(c *consumer) { method(c.port.Abort) },
		func(c *consumer) { c.ack(0, false); e.isError("Ended", c.ended(), broker.ErrTag) },
	} {
		q := e.name("queue")
		c := e.own(q)
		e.to(q).put("marker")
		c.takes("marker")
		leave(c)
		e.gone(q)
		e.own(q).none() // what was there is not
	}
}

func ownGoesWithConnection(e *env) {
	q, stays := e.name("queue"), e.queue(broker.QueueOptions{Type: broker.Classic})
	c, other := e.own(q), e.of(stays)
	e.provoke("cut", e.h.Cut())
	e.isError("Ended", c.ended(), broker.ErrUnavailable)
	e.isError("Ended", other.ended(), broker.ErrUnavailable)
	e.gone(q)
	e.must(broker.InspectQueue{Name: stays})
}

func ownIsAlone(e *env) {
	q := e.name("queue")
	c := e.own(q)
	for _, own := range []bool{true, false} {
		other := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Own: own})
		e.isError("Ended", expectNext[*broker.Ended](other.recorder).Err, broker.ErrInUse)
	}
	for _, request := range []broker.Request{broker.InspectQueue{Name: q}, broker.DeleteQueue{Name: q}, broker.DeclareQueue{Name: q, QueueOptions: broker.QueueOptions{Type: broker.Classic}}} {
		e.fails(request, broker.ErrRefused)
	}
	e.to(q).put("marker")
	c.takes("marker")
}

func ownIsNew(e *env) {
	q := e.queue(broker.QueueOptions{Type: broker.Classic})
	e.isError("Ended", e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Own: true}).ended(), broker.ErrRefused)
	e.must(broker.InspectQueue{Name: q})
}
