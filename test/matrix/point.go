package matrix

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Kind is a way to fail.
type Kind int

// The ways to fail.
const (
	Panic  Kind = iota
	Error       // a panic with the product's own typed error: how a child fails that has found out that it cannot go on
	Hang        // the handler never returns
	Goexit      // the handler ends its goroutine
	Again       // Error, each time that the point is passed, for longer than the grace window
	kinds
)

// String gives the kind's name.
func (k Kind) String() string {
	return [...]string{"panic", "error", "hang", "goexit", "error for 40 s"}[k]
}

// Supervisor is the channel supervisor as an actor.
const Supervisor messages.Child = "supervisor"

// Point is where a fault can strike.
type Point struct {
	Stream  bool           // on a stream; else on a queue
	End     string         // writer or reader
	Actor   messages.Child // of that end
	Phase   messages.State // of the channel, as the end saw it when the message's turn came
	Message string
	After   bool // it was handled; else it is about to be
}

// String names the point.
func (p Point) String() string {
	return fmt.Sprintf("%s %s %s, %s, %s %s", p.plane(), p.End, p.Actor, p.Phase, p.when(), p.Message)
}

func (p Point) plane() string {
	if p.Stream {
		return "stream"
	}
	return "queue"
}

func (p Point) when() string {
	if p.After {
		return "after"
	}
	return "before"
}

// Cell is a fault at a point.
type Cell struct {
	Point
	Kind Kind
}

// String names the cell.
func (c Cell) String() string { return c.Kind.String() + ": " + c.Point.String() }

var (
	errPanic = errors.New("injected: panic")
	errTyped = fmt.Errorf("injected: %w", broker.ErrUnavailable)
)

// middleware stands within the guard, around the actor.
func (r *run) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		end, child := r.whose(ctx.Self().Id)
		if end == nil || r.passed == nil && (!r.armed() || end.side != r.cell.End || child != r.cell.Actor || end.state != r.cell.Phase) {
			next(ctx, envelope)
			return
		}
		p := Point{Stream: r.cell.Stream, End: end.side, Actor: child, Phase: end.state, Message: nameOf(envelope.Message)}
		r.pass(p, ctx.Self().Id)
		next(ctx, envelope)
		p.After = true
		r.pass(p, ctx.Self().Id)
	}
}

// againFor is how long a fault strikes again and again.
const againFor = 40 * time.Second

// armed says that the fault is yet to strike, or may strike again.
func (r *run) armed() bool {
	return r.struck == nil || r.cell.Kind == Again && r.w.Now() < r.struck.at+againFor
}

// whose says of which end an actor is, and which one: "writer-2/data-producer-7".
func (r *run) whose(id string) (*end, messages.Child) {
	root, name, isChild := strings.Cut(id, "/")
	for _, e := range []*end{r.writer, r.reader} {
		switch {
		case e.actorName() != root:
		case isChild:
			return e, messages.Child(name[:strings.LastIndexByte(name, '-')])
		default:
			return e, Supervisor
		}
	}
	return nil, ""
}

// pass: an actor is at that point.
func (r *run) pass(p Point, id string) {
	if r.passed != nil {
		r.passed(p)
		return
	}
	if !r.armed() || p != r.cell.Point {
		return
	}
	if r.struck == nil {
		r.strikes(id)
	}
	switch r.cell.Kind {
	case Panic:
		panic(errPanic)
	case Error, Again:
		panic(&actors.Failure{Err: errTyped})
	case Goexit:
		runtime.Goexit()
	case Hang:
		r.w.Hang()
	}
}

// nameOf names a message's type; where that says little, with what it is about: the child that it comes from, the event in it, the step or the status.
func nameOf(message any) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", message), "*")
	if m, ok := message.(*messages.SendStatus); ok {
		return name + " " + string(m.Status.Kind)
	}
	v := reflect.ValueOf(message)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return name
	}
	v = v.Elem()
	if child := v.FieldByName("Child"); child.IsValid() && child.Kind() == reflect.String {
		return name + " " + child.String()
	}
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Interface && v.Type().Field(i).Type == reflect.TypeFor[broker.Event]():
			return name + " " + strings.TrimPrefix(f.Elem().Type().String(), "*")
		case v.Type().Field(i).Name == "at" && f.Kind() == reflect.Int:
			return fmt.Sprintf("%s %d", name, f.Int())
		}
	}
	return name
}
