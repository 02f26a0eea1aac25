package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Deadlines of what an incarnation does. A session that does not open, or a request that is not answered, is a failure of the child.
const (
	OpenDeadline    = 5 * time.Second
	RequestDeadline = 10 * time.Second
)

// Incarnation is what every child is made with.
type Incarnation struct {
	Env    *Env
	Parent *actor.PID
	messages.From
	// Lease is everything that this incarnation has open at the broker. The supervisor ends it; nobody else does.
	Lease broker.Lease
}

func (in *Incarnation) ready(ctx actor.Context) { in.readyAt(ctx, &broker.Opened{}) }

// readyAt is ready, with what a session's opening has told.
func (in *Incarnation) readyAt(ctx actor.Context, m *broker.Opened) {
	ctx.Send(in.Parent, &messages.Ready{From: in.From, LastSequence: m.LastSequence, Next: m.Next, End: m.End, Stored: m.Stored})
}

// after sends the incarnation a message later. It is addressed to this incarnation alone, so it needs no epoch.
func (in *Incarnation) after(ctx actor.Context, d time.Duration, msg any) Timer {
	return in.Env.After(ctx.ActorSystem(), d, ctx.Self(), msg)
}

// sink sends a session's events to the incarnation.
func (in *Incarnation) sink(ctx actor.Context) broker.Sink {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	return func(e broker.Event) { root.Send(self, e) }
}

// common handles what all children handle alike.
func (in *Incarnation) common(ctx actor.Context, msg any) {
	switch m := msg.(type) {
	case *messages.Ping:
		ctx.Send(in.Parent, &messages.Pong{From: in.From, N: m.N})
	case *actor.Started, *actor.Stopping, *actor.Stopped, *actor.Terminated:
	default:
		ctx.Send(in.Parent, &messages.Unhandled{From: in.From, Message: msg})
	}
}

// openTimeout is a session's open deadline.
type openTimeout struct{}

// stopTimer stops a timer that may not have been set.
func stopTimer(t Timer) {
	if t != nil {
		t.Stop()
	}
}
