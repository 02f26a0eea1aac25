package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// StatusWindow is the most statuses that may be unconfirmed.
const StatusWindow = 64

// StatusProducer publishes this endpoint's statuses for one incarnation.
//
// From its supervisor it receives SendStatus and Ping; from its session the events of a publisher.
// It sends Ready once, StatusSent, Pong.
// It fails when the session does not open in time or ends, when the broker would not take a status, and when the stream is missing (ErrNoQueue).
type StatusProducer struct {
	Incarnation
	session   broker.PublisherConfig
	publisher broker.Publisher
	opened    bool
	timer     Timer // open deadline
}

// NewStatusProducer makes one incarnation. appID names the endpoint in each message; "" for none.
func NewStatusProducer(in Incarnation, stream, appID string) *StatusProducer {
	return &StatusProducer{Incarnation: in, session: broker.PublisherConfig{RoutingKey: stream, Window: StatusWindow, ContentEncoding: "utf-8", AppID: appID}}
}

// Receive implements actor.Actor.
func (p *StatusProducer) Receive(ctx actor.Context) { p.handle(ctx, ctx.Message()) }

func (p *StatusProducer) handle(ctx actor.Context, msg any) {
	switch m := msg.(type) {
	case *broker.Pending:
		for _, e := range m.Take() {
			p.handle(ctx, e)
		}
	case *messages.SendStatus:
		p.publish(m)
	case *broker.Confirmed:
		ctx.Send(p.Parent, &messages.StatusSent{From: p.From, First: m.First, Last: m.Last})
	case *broker.Refused:
		p.refused(m.Err)
	case *broker.Blocked: // statuses wait, too; nothing is lost by it
	case *broker.Opened:
		p.opened = true
		p.timer.Stop()
		p.ready(ctx)
	case *broker.Ended:
		p.refused(m.Err)
	case *openTimeout:
		if !p.opened {
			fail("publish status to %s: %w (%s)", p.session.RoutingKey, ErrNotOpened, OpenDeadline)
		}
	case *actor.Started:
		p.timer = p.after(ctx, OpenDeadline, &openTimeout{})
		p.publisher = p.Lease.OpenPublisher(p.session, p.sink(ctx))
	case *actor.Stopping:
		stopTimer(p.timer)
	default:
		p.common(ctx, msg)
	}
}

func (p *StatusProducer) publish(m *messages.SendStatus) {
	body, err := messages.EncodeStatus(&m.Status)
	if err != nil {
		fail("encode status %s: %w", m.Status.Kind, err)
	}
	p.publisher.Publish(broker.Batch{First: m.Seq, Records: []broker.Record{{Body: body}}})
}

func (p *StatusProducer) refused(err error) {
	if errors.Is(err, broker.ErrReturned) {
		fail("publish status to %s: %w: %w", p.session.RoutingKey, ErrNoQueue, err)
	}
	fail("publish status to %s: %w", p.session.RoutingKey, err)
}
