package brokertest

import (
	"errors"
	"time"

	"github.com/d2e2d648/weir/broker"
)

var faultCases = []Case{
	{"a cut ends every session once", []int{3, 4}, cutEndsAll},
	{"close crossing a cut ends once", []int{3}, closeCrossingCut},
	{"methods do not block while the broker is frozen", []int{1}, doNotBlock},
	{"a freeze loses nothing in silence", []int{3, 7}, freezeLosesNothing},
}

// reopen opens until the broker can be reached again.
func (e *env) reopen(open func() *recorder) {
	e.Helper()
	e.eventually("a session opens again", func() bool {
		ended, ok := open().next().(*broker.Ended)
		if ok && !errors.Is(ended.Err, broker.ErrUnavailable) {
			e.Fatalf("opening after a cut: %v", ended.Err)
		}
		return !ok
	})
}

func (e *env) reopenConsumer(config broker.ConsumerConfig) (c *consumer) {
	e.Helper()
	e.reopen(func() *recorder {
		c = e.openConsumer(e.lease, config)
		return c.recorder
	})
	return c
}

func (e *env) reopenPublisher(config broker.PublisherConfig) (p *publisher) {
	e.Helper()
	e.reopen(func() *recorder {
		p = e.openPublisher(e.lease, config)
		return p.recorder
	})
	return p
}

// Sessions that ended stay so: the old publisher's record would come before the marker, the old consumer would take it.
func cutEndsAll(e *env) {
	q := e.queue(broker.QueueOptions{})
	publishers, consumers := []*publisher{e.to(q), e.to(q)}, []*consumer{e.of(q), e.of(q)}
	e.provoke("cut", e.h.Cut())
	for _, p := range publishers {
		e.isError("publisher's Ended", p.ended(), broker.ErrUnavailable)
	}
	for _, c := range consumers {
		e.isError("consumer's Ended", c.ended(), broker.ErrUnavailable)
	}
	p := e.reopenPublisher(broker.PublisherConfig{RoutingKey: q})
	c := e.reopenConsumer(broker.ConsumerConfig{Queue: q})
	for _, old := range publishers {
		method(func() {
			old.port.Publish(broker.Batch{First: 1, Records: []broker.Record{{Body: []byte("from the old one")}}})
		})
	}
	p.put("marker")
	c.takes("marker")
	e.consumers(q, 1)
}

func closeCrossingCut(e *env) {
	q := e.queue(broker.QueueOptions{})
	p, c := e.to(q), e.of(q)
	method(p.port.Close)
	method(c.port.Close)
	e.provoke("cut", e.h.Cut())
	for _, err := range []error{p.ended(), c.ended()} {
		if err != nil && !errors.Is(err, broker.ErrUnavailable) {
			e.Errorf("Ended: %v", err)
		}
	}
	e.reopenConsumer(broker.ConsumerConfig{Queue: q})
}

// All methods, with more to publish than any buffer on the way holds, which is why there is nearly a megabyte in each record.
func doNotBlock(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 40})
	p.put("before")
	c := e.of(q)
	c.takes("before")
	other := e.newLease()
	thaw := e.freeze()
	defer thaw()
	done := make(chan struct{})
	go func() {
		defer close(done)
		big := make([]byte, 1_000_000)
		for i := range 30 {
			p.publish(uint64(i+2), broker.Record{Body: big})
		}
		c.ack(1, true)
		c.reject(1, true)
		c.ask()
		e.newLease()
		second := e.openPublisher(other, broker.PublisherConfig{RoutingKey: q})
		e.openConsumer(other, broker.ConsumerConfig{Queue: q})
		method(func() { other.Do(broker.Probe{}, func(broker.Result) {}) })
		method(second.port.Close)
		method(second.port.Abort)
		method(other.Abort)
		method(c.port.Close)
		method(p.port.Close)
		method(c.port.Abort)
	}()
	late := time.NewTimer(e.patience)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		e.Errorf("rule 1: the methods have not returned for %v", e.patience)
	}
	thaw()
	<-done
	_ = p.ended() // by Close, or because the connection did not survive
	e.eventually("the broker answers again", func() bool { return e.do(broker.Probe{}).Err == nil })
}

// Whatever was published is confirmed, or the session ends.
func freezeLosesNothing(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put("before")
	thaw := e.freeze()
	defer thaw()
	p.send(numbers(1, 10)...)
	thaw()
	p.await("the confirms or the end", func() bool {
		return p.count(2, 11, confirmed) == 10 || isEnded(p.events[len(p.events)-1])
	})
	e.reopenConsumer(broker.ConsumerConfig{Queue: q}).take(1 + p.isNow(confirmed) - 1)
}
