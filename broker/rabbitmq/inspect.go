package rabbitmq

import (
	"errors"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// recountPause is how long the next count waits when the broker could not count.
const recountPause = 100 * time.Millisecond

// inspection is how Consumer.Inspect is answered (rule 20): by two questions on the session's own channel, the second when the first is answered.
//
// The first, a passive queue.declare (50,10), has the queue count. Its answer alone proves nothing: while the broker's channel process waits for the queue's
// figure, deliveries that the queue handed to it before gather in its mailbox, and the figure goes out ahead of them. The second,
// basic.qos (60,10) with what it has, gets into that mailbox behind them, and so its answer comes behind them all.
//
// The Inspects that were called before a count began share it. No goroutine waits: the reader brings the answers.
type inspection struct {
	step     inspectStep
	waiting  int // Inspects for the next count
	asked    int // Inspects for this one
	count    broker.Inspected
	patience time.Duration
	until    time.Time   // then this one is given up
	watch    *time.Timer // calls overdue
}

type inspectStep int

const (
	resting  inspectStep = iota
	counting             // queue.declare waits for its answer
	pausing              // the broker could not count
	again                // queue.declare is to be said again
	toFence              // basic.qos is to be said
	fencing              // basic.qos waits for its answer
)

var errNotCounted = errors.New("the broker has not counted the records of the queue in time: the queue has no leader, or does not know this consumer any more")

// Inspect is the port's.
func (c *consumer) Inspect() {
	c.mu.Lock()
	if c.state != open {
		c.mu.Unlock()
		return
	}
	c.waiting++
	begin := c.step == resting
	c.mu.Unlock()
	if begin {
		c.link.wire.say(c)
	}
}

// inquire appends the question whose turn it is. The lock is held.
func (c *consumer) inquire(out []byte) []byte {
	if c.step == resting && c.waiting > 0 {
		c.asked, c.waiting = c.waiting, 0
		c.until = time.Now().Add(c.patience)
		c.step = again
	}
	switch c.step {
	case again:
		c.step = counting
		c.watchFor(time.Until(c.until))
		return appendCount(out, c.channel, c.config.Queue)
	case toFence:
		c.step = fencing
		return appendQos(out, c.channel, c.config.Prefetch)
	}
	return out
}

// watchFor has overdue called. The lock is held.
func (c *consumer) watchFor(d time.Duration) {
	if c.watch == nil {
		c.watch = time.AfterFunc(d, c.overdue)
		return
	}
	c.watch.Reset(d)
}

// overdue follows a pause, or the end of the patience.
func (c *consumer) overdue() {
	c.mu.Lock()
	under := c.state == open && c.step != resting
	late := under && !time.Now().Before(c.until)
	if under && c.step == pausing {
		c.step = again
	}
	say := under && c.step == again
	c.mu.Unlock()
	switch {
	case late:
		c.end(failure(c.what, broker.ErrUnavailable, errNotCounted))
	case say:
		c.link.wire.say(c)
	}
}

// counted follows queue.declare-ok. False: it answers nothing of the session's. The reader calls it.
//
// Of a quorum queue whose leader does not answer it within 250 ms RabbitMQ says that it has no records and no consumers: but this session is one.
func (c *consumer) counted(payload []byte) bool {
	ready, consumers, ok := decodeCount(payload)
	c.mu.Lock()
	if c.step != counting {
		c.mu.Unlock()
		return false
	}
	sure := ok && (ready+consumers > 0 || c.stream)
	if sure {
		c.step, c.count = toFence, broker.Inspected{Ready: ready, Consumers: consumers}
	} else if c.step = pausing; c.state == open {
		c.watchFor(recountPause)
	}
	c.mu.Unlock()
	if sure {
		c.link.wire.say(c)
	}
	return true
}

// fenced follows basic.qos-ok: every delivery from before the count has come. False: it is the answer to the opening's. The reader calls it.
func (c *consumer) fenced() bool {
	c.mu.Lock()
	if c.step != fencing {
		c.mu.Unlock()
		return false
	}
	c.step = resting
	c.watch.Stop()
	answers := make([]broker.Event, c.asked)
	for i := range answers {
		count := c.count
		answers[i] = &count
	}
	more := c.waiting > 0
	c.mu.Unlock()
	c.gathered()
	if c.now() == open { // once Close was called deliveries are not told, so neither is this
		c.Tell(answers...)
	}
	if more {
		c.link.wire.say(c)
	}
	return true
}
