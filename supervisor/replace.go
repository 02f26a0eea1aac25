package supervisor

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// How a channel replaces its children. One child's life is in child.go.

// childFailed is a child's failure, as protoactor told it. It comes as a message, so that what the child said before is heard first and one guard
// stands around everything that the supervisor does.
type childFailed struct {
	pid    *actor.PID
	reason any
}

// HandleFailure makes the supervisor its children's strategy. Never Restart: a restart keeps a dead incarnation's session through the back-off.
func (c *channel) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, pid *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	ctx := sup.(actor.Context)
	ctx.Send(ctx.Self(), &childFailed{pid, reason})
}

func (c *channel) onChildFailed(ctx actor.Context, m *childFailed) {
	for _, k := range c.all {
		if k.pid != nil && k.pid.Id == m.pid.Id {
			c.replace(ctx, k, actors.AsFailure(m.reason))
			return
		}
	}
	ctx.Stop(m.pid) // cut off already; reap sees to it
}

// replace cuts an incarnation off. The next one starts after the back-off, or the channel fails.
func (c *channel) replace(ctx actor.Context, k *child, failure *actors.Failure) {
	err := k.failed(ctx, failure)
	c.lost(k)
	if err != nil {
		c.fail(ctx, err)
		return
	}
	c.advance(ctx)
}

// lost takes in that a child's incarnation is gone.
func (c *channel) lost(k *child) {
	switch k {
	case c.data:
		c.half.dataLost()
		c.closing.dataLost = true
	case c.statusProducer:
		c.outbox.rewind()
	case c.statusConsumer:
		if errors.Is(k.cause, broker.ErrNotFound) {
			c.statusNext = 0 // a stream that is made anew has other offsets
		}
	case c.memberConsumer:
		if errors.Is(k.cause, broker.ErrNotFound) {
			c.memberNext = 0
		}
	case c.metrics:
		c.check.wantMetrics = false // the next tick sends what there is
	}
}

func (c *channel) onRespawn(ctx actor.Context, m *respawn) {
	k := c.find(m.Child)
	switch {
	case k == nil || k.pid != nil || k.epoch != m.Epoch || c.over() || c.closing.finishing(k, c):
	case k != c.topology && c.cfg.Create && errors.Is(k.cause, broker.ErrNotFound):
		k.waiting = true // what it needs was deleted: it is declared again first
		if c.topology.pid == nil && c.topology.retry == nil {
			c.topology.start(ctx)
		}
	default:
		k.start(ctx)
	}
}

func (c *channel) onReap(ctx actor.Context, m *reap) {
	if giveUp(ctx, m.pid) {
		c.abandoned++
		c.emit(&messages.Abandoned{Head: c.head(), Actor: m.pid.Id, Count: c.abandoned})
	}
}

func (c *channel) onStopFailed(ctx actor.Context, m *messages.StopFailed) {
	c.emit(&messages.StopHookFailed{Head: c.head(), Actor: m.Who, Err: m.Err})
	if m.Lost { // its goroutine has exited, so nothing is left behind; but it will never say that it stopped
		giveUp(ctx, actor.NewPID(ctx.Self().Address, m.Who))
	}
}
