package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Task is what a topology actor is there for.
type Task int

// The tasks of a topology actor.
const (
	// CreateResources declares everything. What exists with other arguments is accepted: a peer may have declared it without ours.
	CreateResources Task = iota
	// AwaitResources waits until everything that this endpoint needs exists.
	AwaitResources
	// DeleteResources deletes everything, in the order of the wire contract.
	DeleteResources
)

const (
	// retryFirst and retryMost bound the pause before something that is "not yet" is tried again.
	retryFirst = 100 * time.Millisecond
	retryMost  = time.Second
)

// TopologyActor creates, awaits or deletes a channel's resources, step by step, for one incarnation. It lives only while there is something to do.
//
// From its supervisor it receives Ping; from its lease the results of its requests.
// It sends Ready when all resources are there, NotYet with each reason why not, NotEmpty before it deletes a queue with records, Finished when all are deleted.
// It fails when a request fails, other than by "not yet", or is not answered within RequestDeadline.
type TopologyActor struct {
	Incarnation
	task  Task
	steps []step
	at    int // the step that is under way
	pause time.Duration
	timer Timer // request deadline, then the pause
}

// step is one request and what may come of it.
type step struct {
	request broker.Request
	// accept makes an error none.
	accept func(error) bool
	// wait says that an error means not yet.
	wait func(error) bool
	// counts says that the records of the queue, which is deleted next, are to be told.
	counts string
}

// answered is a request's result, with the step it is of.
type answered struct {
	at    int
	err   error
	ready int
}

// requestTimeout is the request deadline of a step.
type requestTimeout struct{ at int }

// tryAgain ends the pause after "not yet".
type tryAgain struct{}

// NewTopologyActor makes one incarnation.
func NewTopologyActor(in Incarnation, task Task, resources *Resources) *TopologyActor {
	return &TopologyActor{Incarnation: in, task: task, steps: steps(task, resources), pause: retryFirst}
}

func steps(task Task, r *Resources) []step {
	switch task {
	case CreateResources:
		return r.create()
	case AwaitResources:
		return r.await()
	}
	return r.delete()
}

// Receive implements actor.Actor.
func (t *TopologyActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *answered:
		t.answered(ctx, m)
	case *requestTimeout:
		if m.at == t.at {
			fail("%s: no answer from the broker within %s: %w", t.steps[t.at].request, RequestDeadline, broker.ErrUnavailable)
		}
	case *tryAgain:
		t.request(ctx)
	case *actor.Started:
		t.request(ctx)
	case *actor.Stopping:
		stopTimer(t.timer)
	default:
		t.common(ctx, m)
	}
}

func (t *TopologyActor) request(ctx actor.Context) {
	if t.at == len(t.steps) {
		t.done(ctx)
		return
	}
	root, self, at := ctx.ActorSystem().Root, ctx.Self(), t.at
	t.timer = t.after(ctx, RequestDeadline, &requestTimeout{at})
	t.Lease.Do(t.steps[at].request, func(r broker.Result) { root.Send(self, &answered{at, r.Err, r.Queue.Ready}) })
}

func (t *TopologyActor) answered(ctx actor.Context, m *answered) {
	t.timer.Stop()
	step := t.steps[t.at]
	switch {
	case m.err == nil, step.accept != nil && step.accept(m.err):
		if step.counts != "" && m.ready > 0 {
			ctx.Send(t.Parent, &messages.NotEmpty{From: t.From, Queue: step.counts, Ready: m.ready})
		}
		t.at++
		t.pause = retryFirst
		t.request(ctx)
	case step.wait != nil && step.wait(m.err):
		ctx.Send(t.Parent, &messages.NotYet{From: t.From, Reason: m.err})
		t.timer = t.after(ctx, t.pause, &tryAgain{})
		t.pause = min(2*t.pause, retryMost)
	default:
		fail("%w", m.err) // a port's error says what was asked of which resource
	}
}

func (t *TopologyActor) done(ctx actor.Context) {
	if t.task == DeleteResources {
		ctx.Send(t.Parent, &messages.Finished{From: t.From})
		return
	}
	t.ready(ctx)
}

func isWrongType(err error) bool { return errors.Is(err, broker.ErrWrongType) }
func isNotFound(err error) bool  { return errors.Is(err, broker.ErrNotFound) }
func isInUse(err error) bool     { return errors.Is(err, broker.ErrInUse) }
