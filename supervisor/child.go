package supervisor

import (
	"errors"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

const (
	// lookEvery is how often the supervisor looks at its children. Whatever a child has said since the last look proves that it handles messages; one that was
	// silent is asked, and cut off and replaced when it has said nothing for patience looks after that. So a child that hangs is cut off 4 to 8 s later, and one that
	// has something to say is never asked.
	lookEvery = 2 * time.Second
	patience  = 2
	// reapAfter is how long a stopped child has to end by itself.
	reapAfter = 2 * time.Second
)

// child keeps one part of a channel alive: one incarnation at a time, each a fresh actor with a name that carries its epoch and a lease of its own. An
// incarnation that fails, hangs or is replaced is cut off first (lease aborted, PID forgotten), then stopped; nobody waits for it.
type child struct {
	part     messages.Child
	owner    *channel
	spawn    func(in actors.Incarnation) actor.Actor
	grace    grace
	epoch    uint64
	failures uint64
	nameless uint64 // failures because the name was in use
	cause    error  // of the last failure

	// of the current incarnation; pid is nil while there is none
	pid     *actor.PID
	lease   broker.Lease
	began   time.Time
	ready   bool
	pings   uint64
	heard   bool         // since the last look
	looks   int          // since it was asked whether it answers; 0 while it is not asked
	spoke   time.Time    // one that reads statuses: when it was ready, or heard some live
	proof   actors.Timer // due when it has been ready for long enough
	retry   actors.Timer // due when the next one may start
	waiting bool         // for the topology actor, before the next one may start
}

type (
	// respawn ends a back-off.
	respawn struct{ messages.From }
	// watchdog is due when the supervisor is to look at its children.
	watchdog struct{}
	// proven is due when a child has been ready for long enough.
	proven struct{ messages.From }
	// reap gives a stopped child up whose mailbox never runs again.
	reap struct{ pid *actor.PID }
)

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*watchdog) IgnoreDeadLetterLogging() {}

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*reap) IgnoreDeadLetterLogging() {}

func (c *child) from() messages.From { return messages.From{Child: c.part, Epoch: c.epoch} }

// is says whether a message comes from, or is for, the current incarnation. Everything stale is dropped by it.
func (c *child) is(f messages.From) bool { return c.pid != nil && f.Epoch == c.epoch }

// start spawns the next incarnation.
func (c *child) start(ctx actor.Context) {
	c.epoch++
	name := string(c.part) + "-" + strconv.FormatUint(c.epoch, 10)
	c.lease = c.owner.portOf(c).Lease(c.owner.cfg.Channel + "/" + c.owner.cfg.Name + "/" + name)
	in := actors.Incarnation{Env: c.owner.env, Parent: ctx.Self(), From: c.from(), Lease: c.lease}
	pid, err := ctx.SpawnNamed(c.owner.env.ChildProps(func() actor.Actor { return c.spawn(in) }), name)
	if err != nil {
		c.lease.Abort()
		panic(err) // the name is in use: two supervisors of one name
	}
	c.pid, c.ready, c.pings, c.heard, c.looks, c.waiting, c.retry = pid, false, 0, false, 0, false, nil
	c.began = c.owner.now()
	c.owner.emit(&messages.ChildStarted{Head: c.owner.head(), From: c.from()})
}

func (c *child) after(ctx actor.Context, d time.Duration, msg any) actors.Timer {
	return c.owner.env.After(ctx.ActorSystem(), d, ctx.Self(), msg)
}

// becameReady stops the grace window's clock.
func (c *child) becameReady(ctx actor.Context) {
	c.ready, c.spoke = true, c.owner.now()
	c.works(ctx)
	c.owner.emit(&messages.ChildReady{Head: c.owner.head(), From: c.from(), Took: c.owner.now().Sub(c.began)})
}

// works stops the grace window's clock: the child is ready, or waits for what is not its to bring about.
func (c *child) works(ctx actor.Context) {
	c.grace.ready(c.owner.now())
	if c.grace.open && c.proof == nil {
		c.proof = c.after(ctx, provenAfter, &proven{c.from()})
	}
}

// proved closes the grace window: the child has done its work, or has been ready for long enough.
func (c *child) proved() {
	if !c.grace.open {
		return
	}
	c.owner.emit(&messages.GraceClosed{Head: c.owner.head(), Child: c.part, Used: c.grace.total(c.owner.now()), Failures: c.grace.failures})
	c.grace.proved()
	stop(&c.proof)
}

// cutOff ends the incarnation without its help. The order matters: first the lease, so that nothing it does reaches the broker any more.
func (c *child) cutOff(ctx actor.Context) {
	if c.pid == nil {
		return
	}
	c.lease.Abort()
	stop(&c.proof)
	ctx.Stop(c.pid)
	c.after(ctx, reapAfter, &reap{c.pid})
	c.pid, c.lease, c.ready = nil, nil, false
}

// end cuts the incarnation off for good.
func (c *child) end(ctx actor.Context) {
	stop(&c.retry)
	c.waiting = false
	c.cutOff(ctx)
}

// failed cuts the incarnation off and says when the next one starts, or why the channel fails instead.
func (c *child) failed(ctx actor.Context, failure *actors.Failure) *ChannelError {
	now := c.owner.now()
	wasOpen, wasReady := c.grace.open, c.ready
	c.failures++
	if errors.Is(failure.Err, actors.ErrNameInUse) {
		c.nameless++
	}
	c.cause = failure.Err
	c.cutOff(ctx)
	delay, ranOut := c.grace.failed(now, now.Sub(c.began))
	permanent := !c.owner.mayMend(c, failure.Err)
	if !ranOut && !permanent {
		if delay = c.owner.env.Jitter(delay); !wasReady {
			delay = max(0, delay-now.Sub(c.began)) // it has waited already: it is starts that must not come too often
		}
		c.retry = c.after(ctx, delay, &respawn{c.from()})
	}
	if !wasOpen {
		c.owner.emit(&messages.GraceOpened{Head: c.owner.head(), Child: c.part})
	}
	used := c.grace.total(now)
	c.owner.emit(&messages.ChildFailed{Head: c.owner.head(), From: c.from(), Err: failure.Err, Stack: failure.Stack, WasReady: wasReady,
		Retry: delay, Used: used, Window: c.grace.window})
	if !ranOut && !permanent {
		return nil
	}
	if ranOut {
		c.owner.emit(&messages.GraceRanOut{Head: c.owner.head(), Child: c.part, Failures: c.grace.failures})
	}
	return &ChannelError{Channel: c.owner.cfg.Channel, Name: c.owner.cfg.Name, Child: c.part, Failures: c.grace.failures,
		Since: c.grace.opened, Used: used, Permanent: permanent && !ranOut, Cause: failure.Err}
}

// look asks a child that has said nothing since the last look whether it answers; it says whether the child has been silent for too long.
func (c *child) look(ctx actor.Context) (hung bool) {
	switch {
	case c.pid == nil:
	case c.heard:
		c.heard, c.looks = false, 0
	case c.looks == patience:
		return true
	default:
		if c.looks++; c.looks == 1 {
			c.pings++
			ctx.Send(c.pid, &messages.Ping{Epoch: c.epoch, N: c.pings})
		}
	}
	return false
}

func (c *child) snapshot(now time.Time) messages.ChildSnapshot {
	s := messages.ChildSnapshot{Child: c.part, Epoch: c.epoch, Ready: c.ready, Failures: c.failures, LastError: c.cause}
	if c.grace.open {
		s.GraceUsed = c.grace.total(now)
	}
	return s
}

// stop stops a timer, if it is set, and forgets it.
func stop(t *actors.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

// giveUp makes protoactor give up a child whose mailbox will never run again: its own stop would wait for the child for ever.
func giveUp(ctx actor.Context, pid *actor.PID) (wasThere bool) {
	for _, p := range ctx.Children() {
		if p.Id != pid.Id {
			continue
		}
		registry := ctx.ActorSystem().ProcessRegistry
		registry.Remove(pid)
		if self, ok := registry.Get(ctx.Self()); ok {
			self.SendSystemMessage(ctx.Self(), &actor.Terminated{Who: pid})
		}
		return true
	}
	return false
}
