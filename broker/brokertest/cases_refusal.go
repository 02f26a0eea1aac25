package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var refusalCases = []Case{
	{"return before confirm", []int{7}, returnBeforeConfirm},
	{"a returned record frees the window", []int{7, 8}, returnedFreesWindow},
	{"return without an app id ends", nil, returnWithoutAppID},
	{"return to a missing queue", []int{7}, returnToMissingQueue},
	{"publishing to a missing exchange ends", nil, publishingToMissingExchange},
	{"nack then confirm", []int{7}, nackThenConfirm},
	{"nacks within a batch", []int{7}, nacksWithinBatch},
	{"a full queue drops its oldest", nil, fullQueueDropsOldest},
}

// A broker confirms what it returned, too: the port must not.
func returnBeforeConfirm(e *env) {
	x, q := e.exchange(broker.Direct), e.queue(broker.QueueOptions{})
	p := e.publisher(broker.PublisherConfig{Exchange: x, RoutingKey: "key", AppID: "suite"})
	p.send(numbers(1, 3)...)
	p.awaitAll(refused, 1, 3)
	e.must(broker.BindQueue{Queue: q, Exchange: x, RoutingKey: "key"})
	p.put(numbers(4, 2)...)
	e.of(q).takes(numbers(4, 2)...)
	p.close()
	for _, err := range p.refusals() {
		e.isError("Refused", err, broker.ErrReturned)
		e.isError("Refused", err, broker.ErrNotFound)
	}
}

func returnedFreesWindow(e *env) {
	p := e.publisher(broker.PublisherConfig{Exchange: e.exchange(broker.Fanout), Window: 4, AppID: "suite"})
	for range 5 {
		last := p.send(numbers(1, 4)...)
		p.awaitAll(refused, last-3, last)
	}
	p.close()
}

func returnWithoutAppID(e *env) {
	p := e.publisher(broker.PublisherConfig{Exchange: e.exchange(broker.Direct), RoutingKey: "key"})
	p.send("nowhere")
	e.isError("Ended", p.ended(), broker.ErrReturned)
	if n := p.isNow(confirmed); n > 0 {
		e.Errorf("rule 7: the returned record was confirmed")
	}
}

func returnToMissingQueue(e *env) {
	p := e.publisher(broker.PublisherConfig{RoutingKey: e.name("missing"), AppID: "suite"})
	p.send(numbers(1, 10)...)
	p.awaitAll(refused, 1, 10)
	p.close()
}

func publishingToMissingExchange(e *env) {
	p := e.publisher(broker.PublisherConfig{Exchange: e.name("missing"), RoutingKey: "key", AppID: "suite"})
	p.send("nowhere")
	e.isError("Ended", p.ended(), broker.ErrNotFound)
	if n := p.isNow(confirmed); n > 0 {
		e.Errorf("rule 7: the record was confirmed")
	}
}

// refusing makes a queue that refuses when it holds a few records.
func (e *env) refusing() string {
	return e.queue(broker.QueueOptions{Type: broker.Quorum, MaxLength: 3, DeadLetterTo: e.queue(broker.QueueOptions{})})
}

// fill publishes one by one until one is refused, and gives its sequence. Brokers take a few more than the limit.
func (e *env) fill(p *publisher) uint64 {
	e.Helper()
	for range 1000 {
		last := p.send("filling")
		if p.awaitResolved(last, last) > 0 {
			return last
		}
	}
	e.Fatalf("1000 records, and the queue is not full")
	return 0
}

func nackThenConfirm(e *env) {
	q := e.refusing()
	p := e.to(q)
	last := e.fill(p)
	for _, err := range p.refusals() {
		e.isError("Refused", err, broker.ErrNacked)
		e.isError("Refused", err, broker.ErrRefused)
	}
	c := e.of(q)
	c.take(int(last) - 1)
	c.ack(last-1, true)
	e.eventually("the queue takes records again", func() bool {
		p.publish(last, broker.Record{Body: []byte("again")})
		return p.awaitResolved(last, last) == 0
	})
	p.put("marker")
	p.close()
}

// A broker may say nack(2), ack(3, multiple): the second must not confirm what the first refused. The recorder watches.
func nacksWithinBatch(e *env) {
	p := e.to(e.refusing())
	e.fill(p)
	for range 20 {
		for range 5 {
			p.send(numbers(1, 10)...)
		}
		p.awaitResolved(p.nextAt-50, p.nextAt-1)
	}
	if p.isNow(refused) < 2 {
		e.Errorf("the full queue took all")
	}
	p.close()
}

func fullQueueDropsOldest(e *env) {
	q := e.queue(broker.QueueOptions{Type: broker.Classic, MaxLength: 3})
	p := e.to(q)
	p.put(numbers(1, 10)...)
	e.ready(q, 3)
	e.of(q).takes(numbers(8, 3)...)
}
