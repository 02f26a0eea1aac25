package brokertest

import (
	"strings"
	"time"

	"github.com/d2e2d648/weir/broker"
)

var streamCases = []Case{
	{"a stream from its first record", nil, streamFirst},
	{"a stream from its last chunk", nil, streamLast},
	{"a stream from the next record", nil, streamNext},
	{"a stream is not consumed as a queue", nil, streamAsQueue},
	{"a stream from an offset", nil, streamOffset},
	{"a stream from a time", nil, streamTime},
	{"a stream offset on what is no stream", nil, streamWrongType},
	{"a stream is read by many and keeps its records", nil, streamKeeps},
	{"acknowledging a stream gives credit", []int{12}, streamCredit},
	{"no more than Prefetch of a stream are unsettled", []int{12}, streamPrefetch},
	{"settling what was not delivered of a stream", []int{9}, streamPoison},
	{"what a stream's consumer had is not marked", []int{13}, streamUnmarked},
	{"a record's offset is where a session from it begins", nil, streamExact},
	{"properties in a stream", nil, streamProperties},
	{"a stream with all its bounds", nil, streamBounds},
	{"a stream is bounded by bytes", nil, streamBoundedByBytes},
}

func (e *env) stream() string {
	e.Helper()
	return e.queue(broker.QueueOptions{Type: broker.Stream})
}

func (e *env) from(q string, o broker.StreamOffset) *consumer {
	e.Helper()
	return e.consumer(broker.ConsumerConfig{Queue: q, Stream: &o})
}

// offsets checks that the records' offsets count from first.
func (c *consumer) offsets(all []delivery, first uint64) {
	c.env.Helper()
	for i, d := range all {
		if d.Offset != first+uint64(i) {
			c.env.Fatalf("%s: tag %d has offset %d, want %d", c.name, d.tag, d.Offset, first+uint64(i))
		}
	}
}

func streamFirst(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	c := e.from(q, broker.StreamOffset{From: broker.FromFirst})
	p.put(numbers(10, 5)...)
	c.offsets(c.takes(numbers(0, 15)...), 0)
}

// Earlier records may come with the last chunk.
func streamLast(e *env) {
	q := e.stream()
	p := e.to(q)
	for i := range 5 {
		p.put(numbers(i, 1)...)
	}
	c := e.from(q, broker.StreamOffset{From: broker.FromLast})
	first := c.take(1)[0].Offset
	if first > 4 {
		e.Fatalf("began at offset %d, behind the last record", first)
	}
	c.takes(numbers(int(first)+1, 4-int(first))...)
}

func streamNext(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 5)...)
	c := e.from(q, broker.StreamOffset{From: broker.FromNext})
	p.put(numbers(5, 5)...)
	c.offsets(c.takes(numbers(5, 5)...), 5)
}

// Some ports see what it is only by a record.
func streamAsQueue(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 5)...)
	c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q})
	if first := c.next(); !isEnded(first) {
		p.put("one more")
	}
	e.isError("Ended", c.ended(), broker.ErrWrongType)
}

// Offset 7 is in the middle of a batch.
func streamOffset(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 5)...)
	p.put(numbers(5, 5)...)
	c := e.from(q, broker.StreamOffset{From: broker.FromOffset, Offset: 7})
	c.offsets(c.takes(numbers(7, 3)...), 7)
	p.put("marker")
	c.takes("marker")
}

func streamTime(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 5)...)
	past := e.from(q, broker.StreamOffset{From: broker.FromTime, Time: time.Now().Add(-time.Hour)})
	past.offsets(past.takes(numbers(0, 5)...), 0)
	future := e.from(q, broker.StreamOffset{From: broker.FromTime, Time: time.Now().Add(time.Hour)})
	p.put(numbers(5, 1)...)
	if first := future.take(1)[0].Offset; first < 5 {
		future.takes(numbers(int(first)+1, 5-int(first))...) // the chunk that was the last one comes with it
	}
	past.takes(numbers(5, 1)...)
}

func streamWrongType(e *env) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum} {
		q := e.queue(broker.QueueOptions{Type: typ})
		c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}})
		e.isError("Ended", expectNext[*broker.Ended](c.recorder).Err, broker.ErrWrongType)
	}
}

func streamKeeps(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 20)...)
	for range 2 {
		a := e.from(q, broker.StreamOffset{})
		b := e.from(q, broker.StreamOffset{})
		a.offsets(a.takes(numbers(0, 20)...), 0)
		b.offsets(b.takes(numbers(0, 20)...), 0)
		a.ack(20, true)
		a.close()
		method(b.port.Abort)
	}
}

// The recorder watches that no more than Prefetch are unsettled. A reject is a credit, too.
func streamCredit(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 30)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, Prefetch: 5, MaxBatch: 2})
	for i := 0; i < 30; i += 5 {
		c.takes(numbers(i, 5)...)
		c.ack(uint64(i+4), true)
		if i == 10 {
			c.reject(uint64(i+5), true)
		} else {
			c.ack(uint64(i+5), false)
		}
	}
	c.close()
}

// One chunk holds more than Prefetch.
func streamPrefetch(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 50)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, Prefetch: 3})
	for i := range 5 {
		c.takes(numbers(3*i, 3)...)
		c.inspect()
		c.none()
		c.ack(uint64(3*i+3), true)
	}
	c.takes(numbers(15, 3)...)
}

func streamPoison(e *env) {
	for _, settle := range []func(*consumer){
		func(c *consumer) { c.ack(0, false) }, func(c *consumer) { c.ack(0, true) }, func(c *consumer) { c.reject(0, true) },
		func(c *consumer) { c.ack(3, false) }, func(c *consumer) { c.ack(1000, true) }, func(c *consumer) { c.reject(3, false) },
	} {
		q := e.stream()
		e.to(q).put(numbers(0, 2)...)
		c := e.from(q, broker.StreamOffset{})
		c.takes(numbers(0, 2)...)
		settle(c)
		e.isError("Ended", c.ended(), broker.ErrTag)
	}
}

func streamUnmarked(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 5)...)
	for i := range 3 {
		c := e.from(q, broker.StreamOffset{})
		c.redelivered(c.takes(numbers(0, 5)...), false)
		if i == 1 {
			c.reject(1, true)
		}
		method(c.port.Abort)
	}
}

func streamExact(e *env) {
	q := e.stream()
	p := e.to(q)
	for i := range 10 {
		p.put(numbers(3*i, 3)...)
	}
	all := e.from(q, broker.StreamOffset{}).takes(numbers(0, 30)...)
	for i := 0; i < 30; i += 7 {
		c := e.from(q, broker.StreamOffset{From: broker.FromOffset, Offset: all[i].Offset})
		for k, d := range c.takes(numbers(i, 30-i)...) {
			if d.Offset != all[i+k].Offset {
				e.Fatalf("%s: record %d has offset %d, and had %d", c.name, i+k, d.Offset, all[i+k].Offset)
			}
		}
	}
}

func streamBounds(e *env) {
	o := broker.QueueOptions{Type: broker.Stream, MaxAge: 90 * time.Minute, MaxBytes: 5 << 20, SegmentBytes: 1 << 20}
	q := e.queue(o)
	e.must(broker.DeclareQueue{Name: q, QueueOptions: o})
	e.to(q).put("body")
	for _, change := range []func(*broker.QueueOptions){
		func(o *broker.QueueOptions) { o.MaxAge *= 2 }, func(o *broker.QueueOptions) { o.MaxBytes *= 2 }, func(o *broker.QueueOptions) { o.SegmentBytes *= 2 },
	} {
		other := o
		change(&other)
		e.fails(broker.DeclareQueue{Name: q, QueueOptions: other}, broker.ErrWrongType)
	}
}

// A broker may take its time, and keeps a segment more.
func streamBoundedByBytes(e *env) {
	const n = 100
	q := e.queue(broker.QueueOptions{Type: broker.Stream, MaxBytes: 200_000, SegmentBytes: 50_000})
	p := e.to(q)
	for range n {
		p.put(strings.Repeat("x", 10_000))
	}
	e.eventually("the first records are dropped", func() bool {
		first, ok := e.firstOffset(q)
		return ok && first > n/2
	})
}

// firstOffset looks for the first record that is kept. False: the session ended; RabbitMQ 3.10 closes the connection of who opens at a segment that is
// being dropped.
func (e *env) firstOffset(stream string) (offset uint64, ok bool) {
	e.Helper()
	c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{}, Prefetch: 1})
	defer method(c.port.Abort)
	c.await("a record or the end", func() bool {
		if ok = len(c.records) > 0; ok {
			offset = c.records[0].Offset
		}
		return ok || len(c.events) > 0 && isEnded(c.events[len(c.events)-1])
	})
	return offset, ok
}

func streamProperties(e *env) {
	q := e.stream()
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, AppID: "app", ContentEncoding: "avro"})
	p.put("first", "second")
	c := e.consumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, Properties: true})
	for _, d := range c.takes("first", "second") {
		want := broker.Properties{AppID: "app", ContentEncoding: "avro", MessageID: []string{"1", "2"}[d.Offset]}
		if d.Properties == nil {
			e.Fatalf("no properties at offset %d", d.Offset)
		}
		e.same(*d.Properties, want)
	}
}
