package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// StatusWindow is the most statuses that may be unconfirmed.
const StatusWindow = 64

// StatusDeadline is how long the oldest status may be unconfirmed while the broker is not blocked. A confirm that was lost would else hold its status, and
// with it an orderly Close, for ever.
const StatusDeadline = 30 * time.Second

// StatusProducer publishes this endpoint's statuses for one incarnation.
//
// From its supervisor it receives SendStatus and Ping; from its session the events of a publisher.
// It sends Ready once, StatusSent, Pong.
// It fails when the session does not open in time or ends, when the broker would not take a status, when the stream is missing (ErrNoQueue), and when
// nothing is heard of the oldest status for StatusDeadline while the broker is not blocked (ErrNoConfirm).
type StatusProducer struct {
	Incarnation
	session   broker.PublisherConfig
	publisher broker.Publisher
	opened    bool
	blocked   bool
	pending   outstanding
	progress  time.Time // when the alarm last went off
	timer     Timer     // open deadline, then of the oldest status; nil when nothing is outstanding
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
		p.publish(ctx, m)
	case *broker.Confirmed:
		p.pending.settle(m.First, m.Last)
		ctx.Send(p.Parent, &messages.StatusSent{From: p.From, First: m.First, Last: m.Last})
	case *broker.Refused:
		p.refused(m.Err)
	case *broker.Blocked: // statuses wait, too; nothing is lost by it
		p.blocked, p.progress = m.On, p.Env.Clock.Now()
	case *broker.Opened:
		p.opened = true
		p.timer.Stop()
		p.timer = nil
		p.ready(ctx)
	case *broker.Ended:
		p.refused(m.Err)
	case *stallCheck:
		p.look(ctx)
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

func (p *StatusProducer) publish(ctx actor.Context, m *messages.SendStatus) {
	body, err := messages.EncodeStatus(&m.Status)
	if err != nil {
		fail("encode status %s: %w", m.Status.Kind, err)
	}
	p.pending.add(m.Seq, m.Seq, p.Env.Clock.Now())
	p.publisher.Publish(broker.Batch{First: m.Seq, Records: []broker.Record{{Body: body}}})
	if p.timer == nil {
		p.timer = p.after(ctx, StatusDeadline, &stallCheck{})
	}
}

// look looks at the oldest status, and when to look again.
func (p *StatusProducer) look(ctx actor.Context) {
	p.timer = nil
	oldest, any := p.pending.oldest()
	if !any {
		return
	}
	now := p.Env.Clock.Now()
	wait := later(oldest, p.progress).Add(StatusDeadline).Sub(now)
	switch {
	case p.blocked:
		wait = StatusDeadline
	case wait <= 0:
		fail("publish status to %s: %w: status %d waits since %s", p.session.RoutingKey, ErrNoConfirm, p.pending.runs[0].first, now.Sub(oldest))
	}
	p.timer = p.after(ctx, wait, &stallCheck{})
}

func (p *StatusProducer) refused(err error) {
	if errors.Is(err, broker.ErrReturned) {
		fail("publish status to %s: %w: %w", p.session.RoutingKey, ErrNoQueue, err)
	}
	fail("publish status to %s: %w", p.session.RoutingKey, err)
}
