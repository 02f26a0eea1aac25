package rabbitmq

import (
	"errors"
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

// delivery is what the reader knows of a consumer's deliveries.
type delivery struct {
	content bool // a basic.deliver came; its header and body follow
	next    broker.Record
	left    uint64 // of the body
	body    []byte // of several frames

	first   uint64          // the tag of batch[0]
	batch   []broker.Record // lent by the wire
	wrapped []broker.Event
	last    uint64 // the tag delivered last
	offsets bool   // a delivery had an offset
	invalid error
}

// frame takes what belongs to the data path and looks at what ends the session. The reader calls it.
func (c *consumer) frame(f frame) bool {
	switch f.kind {
	case frameMethod:
		return c.methodFrame(f)
	case frameHeader:
		return c.content && c.header(f.payload)
	case frameBody:
		return c.content && c.bodyFrame(f.payload)
	}
	return false
}

func (c *consumer) methodFrame(f frame) bool {
	switch f.method() {
	case basicDeliver:
		c.deliver(f.payload)
		return true
	case basicConsumeOK:
		c.opened()
	case queueDeclareOK:
		return c.counted(f.payload)
	case basicQosOK:
		return c.fenced()
	case basicCancel: // the queue was deleted (rule 14), or, on RabbitMQ 4.3, the consumer took too long
		c.gathered()
		c.end(failure(c.what, broker.ErrNotFound, errCancelled))
		return true // amqp091 may have forgotten the channel
	case channelClose:
		c.gathered()
		c.closed(decodeClose(f.payload))
	case channelCloseOK:
		c.closeOK()
	}
	return false
}

// errStream: nothing but a delivery tells that a queue is one.
var errStream = errors.New("it is a stream, and consumed as a queue it would be read from where it ends now")

var errCancelled = errors.New("the broker cancelled the consumer")

// closed follows channel.close. 403 to basic.consume is the opening's to explain.
func (c *consumer) closed(why *closeReason) {
	if why.code == codeAccessRefused && why.method == basicConsume {
		c.refused.Store(true)
		return
	}
	c.closedBy(why)
}

func (c *consumer) deliver(payload []byte) {
	tag, redelivered, ok := decodeDeliver(payload)
	if !ok || tag != c.last+1 {
		c.invalid = fmt.Errorf("%w: delivery tag %d after %d", errFrame, tag, c.last)
	}
	c.last = tag
	c.content = true
	c.next = broker.Record{Redelivered: redelivered}
}

func (c *consumer) header(payload []byte) bool {
	c.left, _ = decodeSize(payload)
	if c.config.Properties || hasHeaders(payload) {
		p := decodeProperties(payload)
		if offset, ok := p.streamOffset(); ok {
			c.next.Offset, c.offsets = offset, true
		}
		if c.config.Properties {
			c.next.Properties = p.decoded()
		}
	}
	if c.left == 0 {
		c.complete(nil)
	}
	return true
}

func (c *consumer) bodyFrame(payload []byte) bool {
	n := uint64(len(payload))
	switch {
	case c.body == nil && n == c.left: // nearly always: one frame
		c.complete(c.link.wire.keep(payload))
	case n >= c.left:
		c.complete(append(c.body, payload[:c.left]...))
	default:
		if c.body == nil {
			c.body = make([]byte, 0, min(c.left, 1<<20)) // what is announced need not come
		}
		c.body = append(c.body, payload...)
		c.left -= n
	}
	return true
}

func (c *consumer) complete(body []byte) {
	c.content, c.body = false, nil
	if len(c.batch) == 0 {
		c.first, c.batch = c.last, c.link.wire.lend()
	}
	c.next.Body = body
	c.batch = append(c.batch, c.next)
	c.next = broker.Record{}
	if len(c.batch) == c.config.MaxBatch {
		c.wrap()
	}
}

// wrap makes an event of the batch.
func (c *consumer) wrap() {
	c.wrapped = append(c.wrapped, &broker.Delivered{First: c.first, Records: c.link.wire.takeBack(c.batch)})
	c.batch = nil
}

// gathered tells the deliveries of one read, unless Close was called (rule 16).
func (c *consumer) gathered() {
	if c.offsets && c.config.Stream == nil {
		c.end(failure(c.what, broker.ErrWrongType, errStream))
		return
	}
	if len(c.batch) > 0 {
		c.wrap()
	}
	if len(c.wrapped) > 0 {
		c.hand(c.wrapped)
		clear(c.wrapped)
		c.wrapped = c.wrapped[:0]
	}
	if c.invalid != nil {
		c.end(failure(c.what, broker.ErrUnavailable, c.invalid))
	}
}

// hand tells deliveries in their order, as many as the prefetch allows. The rest stays with the session until some are settled: RabbitMQ 3.10 sends a
// stream's chunks whole, whatever the prefetch (rule 12). The reader calls it with what has come, the flusher with nothing.
func (c *consumer) hand(more []broker.Event) {
	c.handing.Lock()
	defer c.handing.Unlock()
	c.mu.Lock()
	if c.state != open {
		c.kept = nil
		c.mu.Unlock()
		return
	}
	c.stream = c.stream || more != nil && c.offsets
	now := more
	if room := c.config.Prefetch - c.account.open; len(c.kept) > 0 || records(more) > room {
		c.kept = append(c.kept, more...)
		now = c.within(room)
	}
	c.account.hand(records(now))
	c.mu.Unlock()
	if len(now) > 0 {
		c.Tell(now...)
	}
}

func records(deliveries []broker.Event) (n int) {
	for _, e := range deliveries {
		n += len(e.(*broker.Delivered).Records)
	}
	return n
}

// within takes deliveries of at most room records out of those that are kept. The session's lock is held.
func (c *consumer) within(room int) []broker.Event {
	for i, e := range c.kept {
		d := e.(*broker.Delivered)
		if room -= len(d.Records); room >= 0 {
			continue
		}
		now := c.kept[:i:i]
		if fits := len(d.Records) + room; fits > 0 {
			now = append(now, &broker.Delivered{First: d.First, Records: d.Records[:fits:fits]})
			d.First, d.Records = d.First+uint64(fits), d.Records[fits:]
		}
		c.kept = c.kept[i:]
		return now
	}
	now := c.kept
	c.kept = nil
	return now
}
