package brokertest

import (
	"slices"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

var sessionCases = []Case{
	{"opened comes first", []int{3}, openedComesFirst},
	{"opening on a missing queue ends", []int{3}, openingOnMissingQueue},
	{"methods before opened do nothing", []int{18, 20}, beforeOpened},
	{"methods after the end do nothing", []int{4, 20}, afterTheEnd},
	{"close of an idle session ends it", []int{3, 15, 16}, closeOfIdle},
	{"close before opened", []int{3}, closeBeforeOpened},
	{"sinks are serial and outside of methods", []int{2}, sinksAreSerial},
	{"methods from many goroutines", []int{1, 2}, fromManyGoroutines},
	{"pending says once", []int{19}, pendingSaysOnce},
}

func openedComesFirst(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q) // which expects Opened first
	p.put(numbers(1, 3)...)
	c := e.of(q)
	c.takes(numbers(1, 3)...)
	if n := len(p.all()) + len(c.all()); n < 4 {
		e.Errorf("%d events", n)
	}
}

func openingOnMissingQueue(e *env) {
	c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: e.name("missing")})
	e.isError("Ended", expectNext[*broker.Ended](c.recorder).Err, broker.ErrNotFound)
	e.must(broker.Probe{})
}

// The freeze keeps Opened from coming before the calls. What they published would come before the marker.
func beforeOpened(e *env) {
	q := e.queue(broker.QueueOptions{})
	thaw := e.freeze()
	defer thaw()
	p := e.openPublisher(e.lease, broker.PublisherConfig{RoutingKey: q, Window: 1})
	c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q})
	method(func() {
		p.port.Publish(broker.Batch{First: 100, Records: []broker.Record{{Body: []byte("too early")}}})
	})
	c.ack(0, true)
	c.reject(0, false)
	method(c.port.Inspect)
	thaw()
	expectNext[*broker.Opened](p.recorder)
	expectNext[*broker.Opened](c.recorder)
	p.put("marker")
	c.takes("marker")
	c.ack(1, false)
	c.inspect()
	c.close()
}

func afterTheEnd(e *env) {
	q := e.queue(broker.QueueOptions{})
	p, marker := e.to(q), e.to(q)
	p.put("before")
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 1})
	c.takes("before")
	c.close()
	p.close()
	for range 3 {
		method(func() { p.port.Publish(broker.Batch{First: 2, Records: []broker.Record{{Body: []byte("after")}}}) })
		c.ack(1, true)
		c.ack(0, false)
		c.reject(1, true)
		method(c.port.Inspect)
	}
	for _, m := range []func(){p.port.Close, p.port.Abort, c.port.Close, c.port.Abort} {
		method(m)
	}
	marker.put("marker")
	last := e.of(q)
	last.redelivered(last.takes("before"), true)
	last.takes("marker")
	last.none()
}

func closeOfIdle(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).close()
	e.of(q).close()
	e.consumers(q, 0)
}

func closeBeforeOpened(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.openPublisher(e.lease, broker.PublisherConfig{RoutingKey: q})
	method(p.port.Close)
	method(p.port.Close)
	c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q})
	method(c.port.Close)
	e.isError("publisher's Ended", p.ended(), nil)
	e.isError("consumer's Ended", c.ended(), nil)
	e.consumers(q, 0)
}

// A sink that itself calls methods, with much traffic. The recorder watches.
func sinksAreSerial(e *env) {
	q := e.queue(broker.QueueOptions{})
	c := e.consumer(broker.ConsumerConfig{Queue: q, Prefetch: 5, MaxBatch: 3})
	c.mu.Lock()
	check := c.watch
	c.watch = func(event broker.Event) string {
		wrong := check(event)
		if d, ok := event.(*broker.Delivered); ok {
			c.settled.Add(1, d.Last())
			c.count = int(d.Last())
			c.port.Ack(d.Last(), true)
		}
		return wrong
	}
	c.mu.Unlock()
	p := e.to(q)
	for i := range 20 {
		p.put(numbers(10*i, 10)...)
	}
	c.takes(numbers(0, 200)...)
}

func fromManyGoroutines(e *env) {
	const writers, each = 8, 20
	q := e.queue(broker.QueueOptions{})
	c := e.of(q)
	var all sync.WaitGroup
	unconfirmed := make([]bool, writers)
	for w := range writers {
		all.Go(func() {
			l := e.newLease()
			p := e.openPublisher(l, broker.PublisherConfig{RoutingKey: q})
			p.wait(func() bool { return len(p.events) > 0 })
			for i := range each {
				p.publish(uint64(i+1), broker.Record{Body: []byte{byte(w)}})
			}
			unconfirmed[w] = !p.wait(func() bool { return p.count(1, each, confirmed) == each })
			method(p.port.Close)
			method(l.Abort)
			method(p.port.Abort)
		})
	}
	all.Wait()
	if slices.Contains(unconfirmed, true) {
		e.Fatalf("not all was confirmed: %v late", unconfirmed)
	}
	for range c.take(writers * each) {
		all.Go(func() { method(func() { c.port.Ack(1, true) }) })
	}
	all.Wait()
}

// The receiver lets Pendings wait, while records and confirms come. A port that tells no Pending passes at once.
func pendingSaysOnce(e *env) {
	q := e.queue(broker.QueueOptions{})
	p, c, other := e.to(q), e.of(q), e.to(q)
	for _, r := range []*recorder{p.recorder, c.recorder} {
		r.mu.Lock()
		r.lazy = true
		r.mu.Unlock()
	}
	for i := range 10 {
		p.send(numbers(5*i, 5)...)
	}
	for range 5 {
		other.put("other") // gives the events above the time to gather
	}
	c.drain()
	p.drain()
	p.awaitAll(confirmed, 1, 50)
	c.take(55)
	c.none()
}
