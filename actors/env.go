package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Clock is the only time that actors and supervisors know. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
	// After calls f once, not before d has passed. f must not block.
	After(d time.Duration, f func()) Timer
}

// Timer is what Clock.After gives. Stop is best effort: f may be running already, so what it sends says whom it is for.
type Timer interface{ Stop() bool }

// Env is everything of the outside that differs between production and simulation. It may be shared by any number of channels.
type Env struct {
	Clock Clock
	// Jitter draws a duration from [0, max).
	Jitter func(max time.Duration) time.Duration
	// Options are spawn options for every actor of a channel: a dispatcher in production, a mailbox in simulation, receiver middleware for fault
	// injection (which runs inside the guard).
	Options []actor.PropsOption
}

// ChildProps gives the props of one incarnation of a child, guarded.
func (e *Env) ChildProps(producer actor.Producer) *actor.Props {
	return e.props(producer, guardChild)
}

// SupervisorProps gives the props of a channel supervisor, guarded: a supervisor that fails is told by Crashed and stopped, never restarted.
func (e *Env) SupervisorProps(producer actor.Producer) *actor.Props {
	return e.props(producer, guardSupervisor)
}

func (e *Env) props(producer actor.Producer, guard actor.ReceiverMiddleware) *actor.Props {
	options := append([]actor.PropsOption{actor.WithReceiverMiddleware(guard)}, e.Options...) // the first is the outermost
	return actor.PropsFromProducer(producer, options...)
}

// After sends msg to pid when d has passed.
func (e *Env) After(system *actor.ActorSystem, d time.Duration, pid *actor.PID, msg any) Timer {
	return e.Clock.After(d, func() { system.Root.Send(pid, msg) })
}
