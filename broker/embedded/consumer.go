package embedded

import (
	"errors"
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

// consumer is a consuming session, both ends of it.
type consumer struct {
	session
	config broker.ConsumerConfig

	consuming int // its place in the broker's list

	told uint64 // the client's: the last tag it was told

	// The broker's.
	queue     *queue
	lastTag   uint64
	fresh     int            // the last so many were assigned and not told yet
	unsettled unsettled      // tags up to lastTag
	offset    uint64         // in a stream: the next to deliver
	offsets   broker.Offsets // of a named one's tags
	stored    uint64         // the tag whose offset was stored last
}

// check says what of the configuration is impossible.
func (c *consumer) check() error {
	switch n := &c.config; {
	case n.MaxBatch < 1:
		return fmt.Errorf("MaxBatch is %d: use at least 1", n.MaxBatch)
	case n.Prefetch < 1 || n.Prefetch > 65535:
		return fmt.Errorf("the prefetch is %d: use 1 to 65535", n.Prefetch)
	case n.Name != "" && n.Stream == nil:
		return errors.New("a name is for a stream")
	case n.Own && n.Stream != nil:
		return errors.New("a session's own queue is no stream")
	}
	return nil
}

// Ack is broker.Consumer's.
func (c *consumer) Ack(tag uint64, multiple bool) {
	c.settle(packet{kind: ack, tag: tag, flag: multiple})
}

// Reject is broker.Consumer's.
func (c *consumer) Reject(tag uint64, requeue bool) {
	c.settle(packet{kind: reject, tag: tag, flag: requeue})
}

// Inspect is broker.Consumer's. The answer travels behind the deliveries.
func (c *consumer) Inspect() {
	if !c.opened.Load() {
		return
	}
	c.b.loop.Post(func() {
		if c.usable() {
			c.send(packet{kind: inspect})
		}
	})
}

func (c *consumer) settle(p packet) {
	if !c.opened.Load() {
		return
	}
	c.b.loop.Post(func() {
		switch {
		case !c.usable():
		case p.tag == 0 || p.tag > c.told:
			c.misuse(c.error(fmt.Errorf("settle tag %d of %d: %w", p.tag, c.told, broker.ErrTag)))
		default:
			c.send(p)
		}
	})
}

func (c *consumer) handOver(a arrival) {
	if d, ok := a.event.(*broker.Delivered); ok {
		c.told = d.Last()
	}
	c.session.handOver(a)
}

func (c *consumer) receive(p packet) {
	switch p.kind {
	case openSession:
		if c.admit() {
			c.register()
		}
	case closeSession:
		c.end(nil)
	case ack:
		if p.flag {
			c.unsettled.dropUpTo(p.tag)
			c.store(p.tag)
		} else {
			c.unsettled.take(p.tag)
		}
		c.queue.wake()
	case reject:
		if m, ok := c.unsettled.take(p.tag); ok {
			c.queue.giveBack(m, p.flag)
		}
		c.queue.wake()
	case inspect: // what is assigned was told: dispatch flushes before it returns
		c.count()
	}
}

// count answers Inspect.
func (c *consumer) count() {
	if c.b.queues[c.config.Queue] != c.queue { // a consumer that was forgotten was not told
		c.end(c.error(broker.ErrNotFound))
		return
	}
	c.say(&broker.Inspected{Ready: c.queue.ahead(c), Consumers: len(c.queue.consumers)})
}

// store keeps the tag's offset under the consumer's name.
func (c *consumer) store(tag uint64) {
	if c.config.Name != "" && tag > c.stored {
		c.stored = tag
		c.queue.log.store(c.config.Name, c.offsets.Of(tag))
	}
}

func (c *consumer) register() {
	q := c.b.queues[c.config.Queue]
	if c.config.Own && q == nil {
		q = newQueue(c.b, c.config.Queue, broker.QueueOptions{Type: broker.Classic})
		q.owned = true
		c.b.queues[c.config.Queue] = q
	}
	if err := q.admits(&c.config); err != nil {
		c.end(c.error(err))
		return
	}
	c.queue = q
	opened := &broker.Opened{}
	if q.log != nil {
		c.offset, opened.Stored = q.log.begin(c)
		opened.Next, opened.End = c.offset, q.log.end
	}
	c.b.consumers.add(c)
	q.consumers = append(q.consumers, c)
	c.say(opened)
	q.wake()
}

func (c *consumer) forgotten() {
	if c.queue == nil {
		return
	}
	c.b.consumers.remove(c)
	c.queue.consumers = without(c.queue.consumers, c)
	c.queue.giveAllBack(&c.unsettled)
	if c.queue.owned {
		c.b.remove(c.queue)
	}
}

// credit is how many more may be assigned to it.
func (c *consumer) credit() int { return c.config.Prefetch - c.unsettled.n }

// assign gives it a record, which is told with the next flush.
func (c *consumer) assign(m message) {
	c.lastTag++
	c.unsettled.add(c.lastTag, m)
	if c.fresh++; c.fresh == c.config.MaxBatch {
		c.flush()
	}
}

// flush tells what was assigned since the last.
func (c *consumer) flush() {
	if c.fresh == 0 {
		return
	}
	records := make([]broker.Record, c.fresh)
	for i, held := range c.unsettled.last(c.fresh) {
		records[i] = held.message.record(c.config.Properties)
	}
	c.tellDelivered(records)
	c.fresh = 0
}

func (c *consumer) tellDelivered(records []broker.Record) {
	ownBodies(records)
	c.say(&broker.Delivered{First: c.lastTag - uint64(len(records)) + 1, Records: records})
}

func (c *consumer) error(err error) error {
	return fmt.Errorf("consume queue %q: %w", c.config.Queue, err)
}
