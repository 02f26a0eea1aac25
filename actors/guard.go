package actors

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// ErrGoexit: an actor's goroutine was ended by runtime.Goexit.
var ErrGoexit = errors.New("the goroutine exited (runtime.Goexit)")

// Failure is how an incarnation ended: what its supervisor gets as the reason.
type Failure struct {
	Err error
	// Stack is where it panicked; nil for failures that the actor found itself.
	Stack []byte
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the error.
func (f *Failure) Unwrap() error { return f.Err }

// fail ends the incarnation with a typed error.
func fail(format string, args ...any) { panic(&Failure{Err: fmt.Errorf(format, args...)}) }

// AsFailure makes any reason of a panic a Failure.
func AsFailure(reason any) *Failure {
	switch r := reason.(type) {
	case *Failure:
		return r
	case error:
		return &Failure{Err: fmt.Errorf("panic: %w", r), Stack: debug.Stack()}
	}
	return &Failure{Err: fmt.Errorf("panic: %v", reason), Stack: debug.Stack()}
}

// Crasher is a supervisor: its guard calls Crashed when it has failed, again when that is not its last failure. The actor is stopped then.
// Last says that it was its own Stopped that it failed to handle: nothing comes behind it.
type Crasher interface {
	Crashed(ctx actor.ReceiverContext, failure *Failure, last bool)
}

// guardChild stands around every child, outside all other middleware. A panic escalates with its stack. A Goexit, which protoactor would lose in silence,
// escalates too. What fails in a stop hook is told and goes no further: escalated, it would leave a parent that never stops.
func guardChild(next actor.ReceiverFunc) actor.ReceiverFunc {
	return guard(next, func(ctx actor.ReceiverContext, message any, failure *Failure) {
		switch message.(type) {
		case *actor.Stopping, *actor.Stopped, *actor.Terminated:
			if parent := ctx.Parent(); parent != nil {
				lost := errors.Is(failure, ErrGoexit)
				ctx.ActorSystem().Root.Send(parent, &messages.StopFailed{Who: ctx.Self().Id, Err: failure, Lost: lost})
			}
		default:
			ctx.(actor.Supervisor).EscalateFailure(failure, message)
		}
	})
}

// guardSupervisor stands around a supervisor. Its parent is the user's, whose strategy may well be to restart: that would bring back a supervisor
// without its accounts. So nothing escalates; whoever waits is told and the actor stops.
func guardSupervisor(next actor.ReceiverFunc) actor.ReceiverFunc {
	return guard(next, func(ctx actor.ReceiverContext, message any, failure *Failure) {
		defer stopAll(ctx)
		if c, ok := ctx.Actor().(Crasher); ok {
			_, last := message.(*actor.Stopped)
			c.Crashed(ctx, failure, last)
		}
	})
}

// stopAll stops an actor and its children. A Goexit takes along what protoactor does behind the handler of Stopping or of a child's Terminated: it stops the children, and ends the actor when the last has.
// So what ends it is sent again: to one that is not stopping, or has children yet, it means nothing.
func stopAll(ctx actor.ReceiverContext) {
	root := ctx.ActorSystem().Root
	root.Stop(ctx.Self())
	for _, child := range ctx.(actor.Context).Children() {
		root.Stop(child)
	}
	if self, alive := ctx.ActorSystem().ProcessRegistry.Get(ctx.Self()); alive {
		self.SendSystemMessage(ctx.Self(), &actor.Terminated{Who: ctx.Self()})
	}
}

func guard(next actor.ReceiverFunc, failed func(actor.ReceiverContext, any, *Failure)) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		returned := false
		defer func() {
			if returned {
				return
			}
			failure := &Failure{Err: ErrGoexit}
			if r := recover(); r != nil {
				failure = AsFailure(r)
			}
			failed(ctx, envelope.Message, failure)
		}()
		next(ctx, envelope)
		returned = true
	}
}
