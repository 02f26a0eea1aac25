package brokertest

import (
	"fmt"
	"slices"

	"github.com/d2e2d648/weir/broker"
)

// consumer is a consuming session that is watched: rules 6, 11, 12 and 20.
type consumer struct {
	*recorder
	port   broker.Consumer
	config broker.ConsumerConfig

	// Under the recorder's lock.
	records []delivery   // told
	taken   int          // given out by take
	settled broker.Marks // tags
	count   int          // of settled
	asked   int          // Inspects
	answers []answer     // to them
}

// answer is an Inspected, and how many records had been delivered before it.
type answer struct{ ready, delivered int }

type delivery struct {
	tag uint64
	broker.Record
}

// openConsumer does not wait for Opened. Prefetch and MaxBatch are 1000 where they are 0.
func (e *env) openConsumer(l broker.Lease, c broker.ConsumerConfig) *consumer {
	if c.Prefetch == 0 {
		c.Prefetch = 1000
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = 1000
	}
	if slices.Contains(e.instead, c.Queue) {
		c.Stream = &broker.StreamOffset{}
	}
	s := &consumer{recorder: e.record("consumer of " + c.Queue), config: c, settled: broker.NewMarks(1)}
	s.watch = s.check
	method(func() { s.port = l.OpenConsumer(c, s.sink) })
	return s
}

// consumer opens one on the case's lease, and waits.
func (e *env) consumer(c broker.ConsumerConfig) *consumer {
	e.Helper()
	s := e.openConsumer(e.lease, c)
	expectNext[*broker.Opened](s.recorder)
	return s
}

// of opens a consumer of a queue.
func (e *env) of(queue string) *consumer {
	e.Helper()
	return e.consumer(broker.ConsumerConfig{Queue: queue})
}

func (c *consumer) check(e broker.Event) string {
	switch e := e.(type) {
	case *broker.Delivered:
		return c.delivered(e)
	case *broker.Inspected:
		c.answers = append(c.answers, answer{e.Ready, len(c.records)})
		if len(c.answers) > c.asked || e.Ready < 0 {
			return fmt.Sprintf("rule 20: %s, answer %d to %d questions", show(e), len(c.answers), c.asked)
		}
	}
	return ""
}

func (c *consumer) delivered(d *broker.Delivered) string {
	if want := uint64(len(c.records)) + 1; d.First != want {
		return fmt.Sprintf("rule 6: %s after tag %d", show(d), want-1)
	}
	for i, r := range d.Records {
		c.records = append(c.records, delivery{d.First + uint64(i), r})
	}
	switch n := len(d.Records); {
	case n == 0 || n > c.config.MaxBatch:
		return fmt.Sprintf("rule 11: %s, MaxBatch is %d", show(d), c.config.MaxBatch)
	case len(c.records)-c.count > c.config.Prefetch:
		return fmt.Sprintf("rule 12: %d are unsettled, Prefetch is %d", len(c.records)-c.count, c.config.Prefetch)
	}
	return ""
}

// take waits for the next n records that were not taken yet.
func (c *consumer) take(n int) (records []delivery) {
	c.env.Helper()
	c.await(fmt.Sprintf("%d records", n), func() bool {
		if len(c.records)-c.taken < n {
			return false
		}
		records = c.records[c.taken : c.taken+n : c.taken+n]
		c.taken += n
		return true
	})
	return records
}

// takes waits for records and checks their bodies.
func (c *consumer) takes(bodies ...string) []delivery {
	c.env.Helper()
	got := c.take(len(bodies))
	for i, want := range bodies {
		if string(got[i].Body) != want {
			c.env.Fatalf("%s: tag %d is %q, want %q", c.name, got[i].tag, clip(got[i].Body), clip([]byte(want)))
		}
	}
	return got
}

func clip(b []byte) []byte { return b[:min(len(b), 40)] }

// none checks that nothing was told beyond what was taken: to be asked when something has come that would have come later.
func (c *consumer) none() {
	c.env.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if more := c.records[c.taken:]; len(more) > 0 {
		c.env.Errorf("%s: %d more records, the first is tag %d, %q", c.name, len(more), more[0].tag, clip(more[0].Body))
	}
}

func (c *consumer) settle(first, last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled.Missing(first, last, func(first, last uint64) { c.count += int(last - first + 1) })
	c.settled.Add(first, last)
}

func (c *consumer) ack(tag uint64, multiple bool) {
	if tag > 0 && multiple {
		c.settle(1, tag)
	} else if tag > 0 {
		c.settle(tag, tag)
	}
	method(func() { c.port.Ack(tag, multiple) })
}

func (c *consumer) reject(tag uint64, requeue bool) {
	if tag > 0 {
		c.settle(tag, tag)
	}
	method(func() { c.port.Reject(tag, requeue) })
}

// ask asks how many records are ready, and waits for nothing.
func (c *consumer) ask() {
	c.mu.Lock()
	c.asked++
	c.mu.Unlock()
	method(c.port.Inspect)
}

// inspect asks, and waits for the answer.
func (c *consumer) inspect() (a answer) {
	c.env.Helper()
	c.ask()
	c.await("Inspected", func() bool {
		if len(c.answers) < c.asked {
			return false
		}
		a = c.answers[c.asked-1]
		return true
	})
	return a
}

// close closes and waits for the end.
func (c *consumer) close() {
	c.env.Helper()
	method(c.port.Close)
	c.env.isError(c.name+": Ended after Close", c.ended(), nil)
}

// redelivered checks the flag of all.
func (c *consumer) redelivered(all []delivery, want bool) {
	c.env.Helper()
	for _, d := range all {
		if d.Redelivered != want {
			c.env.Errorf("rule 13: %s: tag %d, %q: Redelivered is %v", c.name, d.tag, clip(d.Body), d.Redelivered)
		}
	}
}

// numbers are n bodies, counted from first.
func numbers(first, n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("record %d", first+i))
	}
	return bodies
}
