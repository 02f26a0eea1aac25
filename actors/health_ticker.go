package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// HealthTicker says when a health check is due. The first is due at once; each later one an interval after the last was due, so that the time that the
// work takes is taken off the pause. The first pause is drawn from half an interval to one and a half: many channels that open together are spread over the whole interval, and stay so, whatever happens to the
// broker, of which the ticker knows nothing.
//
// From its supervisor it receives Ping. It sends Ready, Tick, Pong. It has nothing open at the broker.
type HealthTicker struct {
	Incarnation
	interval time.Duration
	due      time.Time
	timer    Timer
}

// healthDue is the ticker's own timer.
type healthDue struct{}

// NewHealthTicker makes one incarnation.
func NewHealthTicker(in Incarnation, interval time.Duration) *HealthTicker {
	return &HealthTicker{Incarnation: in, interval: interval}
}

// Receive implements actor.Actor.
func (t *HealthTicker) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *healthDue:
		t.tick(ctx)
	case *actor.Started:
		t.start(ctx)
	case *actor.Stopping:
		stopTimer(t.timer)
	default:
		t.common(ctx, ctx.Message())
	}
}

func (t *HealthTicker) tick(ctx actor.Context) {
	ctx.Send(t.Parent, &messages.Tick{From: t.From})
	now := t.Env.Clock.Now()
	for t.due = t.due.Add(t.interval); !t.due.After(now); t.due = t.due.Add(t.interval) {
		continue // what was missed is not made up for
	}
	t.timer = t.after(ctx, t.due.Sub(now), &healthDue{})
}

func (t *HealthTicker) start(ctx actor.Context) {
	t.ready(ctx)
	ctx.Send(t.Parent, &messages.Tick{From: t.From})
	pause := t.interval/2 + t.Env.Jitter(t.interval)
	t.due = t.Env.Clock.Now().Add(pause)
	t.timer = t.after(ctx, pause, &healthDue{})
}
