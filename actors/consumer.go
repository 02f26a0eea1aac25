package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// ErrDeliveryLost: the tags of what was delivered have a gap.
var ErrDeliveryLost = errors.New("a delivery was lost")

// DataConsumer takes deliveries for one incarnation.
//
// From its supervisor it receives Acknowledge, Look, Finish and Ping; from its session the events of a consumer.
// It sends Ready once, Delivered, Looked, Finished, Pong. What waits in mailboxes is bounded by the session's prefetch.
// It fails when the session does not open in time or ends, and when a delivery is missing (ErrDeliveryLost).
type DataConsumer struct {
	Incarnation
	config    broker.ConsumerConfig
	consumer  broker.Consumer
	opened    bool
	finishing bool
	last      uint64 // tag that was delivered
	timer     Timer  // open deadline
}

// NewDataConsumer makes one incarnation.
func NewDataConsumer(in Incarnation, config broker.ConsumerConfig) *DataConsumer {
	return &DataConsumer{Incarnation: in, config: config}
}

// Receive implements actor.Actor.
func (c *DataConsumer) Receive(ctx actor.Context) { c.handle(ctx, ctx.Message()) }

func (c *DataConsumer) handle(ctx actor.Context, msg any) {
	switch m := msg.(type) {
	case *broker.Pending:
		for _, e := range m.Take() {
			c.handle(ctx, e)
		}
	case *broker.Delivered:
		c.delivered(ctx, m)
	case *messages.Acknowledge:
		c.consumer.Ack(m.Tag, !m.Alone)
	case *messages.Look:
		c.consumer.Inspect()
	case *broker.Inspected:
		ctx.Send(c.Parent, &messages.Looked{From: c.From, Ready: m.Ready, Consumers: m.Consumers})
	case *broker.Opened:
		c.open(ctx, m)
	case *broker.Ended:
		c.ended(ctx, m)
	case *openTimeout:
		c.tooLate()
	case *messages.Finish:
		c.finish()
	case *actor.Started:
		c.start(ctx)
	case *actor.Stopping:
		stopTimer(c.timer)
	default:
		c.common(ctx, msg)
	}
}

// delivered: a gap in the tags is a delivery that was lost. To acknowledge what came behind it would acknowledge it, too; the next session is delivered all of it again.
func (c *DataConsumer) delivered(ctx actor.Context, m *broker.Delivered) {
	if m.First != c.last+1 {
		fail("consume %s: %w: tag %d follows %d", c.config.Queue, ErrDeliveryLost, m.First, c.last)
	}
	c.last = m.Last()
	ctx.Send(c.Parent, &messages.Delivered{From: c.From, First: m.First, Records: m.Records})
}

func (c *DataConsumer) open(ctx actor.Context, m *broker.Opened) {
	c.opened = true
	c.timer.Stop()
	c.readyAt(ctx, m)
}

func (c *DataConsumer) ended(ctx actor.Context, m *broker.Ended) {
	switch {
	case m.Err == nil && c.finishing:
		ctx.Send(c.Parent, &messages.Finished{From: c.From})
	case m.Err == nil:
		fail("consume %s: session ended unasked", c.config.Queue)
	default:
		fail("consume %s: %w", c.config.Queue, m.Err)
	}
}

func (c *DataConsumer) tooLate() {
	if !c.opened {
		fail("consume %s: %w (%s)", c.config.Queue, ErrNotOpened, OpenDeadline)
	}
}

func (c *DataConsumer) finish() {
	c.finishing = true
	c.consumer.Close()
}

func (c *DataConsumer) start(ctx actor.Context) {
	c.timer = c.after(ctx, OpenDeadline, &openTimeout{})
	c.consumer = c.Lease.OpenConsumer(c.config, c.sink(ctx))
}
