package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// crashKind is a way for an actor to fail.
type crashKind string

const (
	crashPanic  crashKind = "panic"  // a raw panic, as of a bug
	crashError  crashKind = "error"  // a typed failure, as the actors have for what goes wrong at the broker
	crashGoexit crashKind = "goexit" // runtime.Goexit
	crashHang   crashKind = "hang"   // a handler that never returns
)

// crashable are the actors that can be crashed, in the order of reports.
func crashable() []messages.Child {
	return []messages.Child{messages.DataConsumer, messages.DataProducer, messages.StatusConsumer, messages.StatusProducer, messages.HealthTicker, messages.MetricsAggregator}
}

func crashKinds() []crashKind {
	return []crashKind{crashPanic, crashError, crashGoexit, crashHang}
}

// crashSpec is one --crash flag.
type crashSpec struct {
	Actor messages.Child
	Kind  crashKind
	Every time.Duration
}

// UnmarshalText reads ACTOR=KIND@EVERY.
func (s *crashSpec) UnmarshalText(text []byte) error {
	name, rest, _ := strings.Cut(string(text), "=")
	kind, every, ok := strings.Cut(rest, "@")
	if !ok {
		return fmt.Errorf("%q is not ACTOR=KIND@EVERY, such as data-consumer=panic@200ms", text)
	}
	s.Actor, s.Kind = messages.Child(name), crashKind(kind)
	err := s.check()
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if s.Every, err = time.ParseDuration(every); err != nil || s.Every <= 0 {
		return fmt.Errorf("%q: %q is not a duration above 0, such as 200ms or 2s", text, every)
	}
	return nil
}

// check says whether there is such an actor and such a crash.
func (s *crashSpec) check() error {
	if !contains(crashable(), s.Actor) {
		return fmt.Errorf("there is no actor %q; there are %s", s.Actor, list(crashable()))
	}
	if kinds := crashKinds(); !contains(kinds, s.Kind) {
		return fmt.Errorf("an actor cannot crash by %q; it can by %s", s.Kind, list(kinds))
	}
	return nil
}

func contains[T comparable](all []T, one T) bool {
	for _, is := range all {
		if is == one {
			return true
		}
	}
	return false
}

func list[T ~string](all []T) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	return strings.Join(names, ", ")
}

// needRecords is how many records must have been delivered between two strikes, so that crashes slow the flow but never starve it.
const needRecords = 100

// errInjected marks a failure that the command line asked for.
var errInjected = errors.New("injected on purpose")

// injector crashes actors. They know nothing of it: it is middleware, inside the guard that stands around each of them.
type injector struct {
	deliveries func() uint64 // first deliveries so far

	mu     sync.Mutex
	on     bool
	points []crashPoint
	leave  chan struct{} // closed when hung handlers may go
}

// crashPoint is where a spec stands.
type crashPoint struct {
	crashSpec
	limit   int       // strikes; 0: no limit
	need    uint64    // records that must be delivered between two strikes
	struck  func()    // is told of each; may be nil
	at      time.Time // of the last strike
	records uint64    // delivered at the last strike
	strikes int
}

func newInjector(specs []crashSpec, limit int, deliveries func() uint64) *injector {
	in := &injector{deliveries: deliveries, leave: make(chan struct{})}
	for _, spec := range specs {
		in.points = append(in.points, crashPoint{crashSpec: spec, limit: limit, need: needRecords})
	}
	return in
}

// arm has the next message that an actor of that name handles be its last. struck is called just before it fails, by its own goroutine.
func (in *injector) arm(child messages.Child, kind crashKind, struck func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.points = append(in.points, crashPoint{crashSpec: crashSpec{Actor: child, Kind: kind}, limit: 1, struck: struck})
}

// start begins to crash actors.
func (in *injector) start() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.on = true
	for i := range in.points {
		in.points[i].at = time.Now()
	}
}

// stop ends it.
func (in *injector) stop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.on = false
}

// release lets the goroutines go that were made to hang: they have been counted, and need not outlive the run.
func (in *injector) release() { close(in.leave) }

// owed says whether strikes that were demanded with --crashes are still to come.
func (in *injector) owed() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.points {
		if p := &in.points[i]; in.on && p.limit > 0 && p.strikes < p.limit {
			return true
		}
	}
	return false
}

// strikes counts them, by actor and kind.
func (in *injector) strikes() map[messages.Child]map[crashKind]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := map[messages.Child]map[crashKind]int{}
	for _, p := range in.points {
		if all[p.Actor] == nil {
			all[p.Actor] = map[crashKind]int{}
		}
		all[p.Actor][p.Kind] += p.strikes
	}
	return all
}

// due decides whether this message is the one at which an actor of that name fails, and how.
func (in *injector) due(child messages.Child) (kind crashKind, strike bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.on {
		return "", false
	}
	for i := range in.points {
		p := &in.points[i]
		if p.Actor != child || p.limit > 0 && p.strikes >= p.limit || time.Since(p.at) < p.Every {
			continue
		}
		if records := in.deliveries(); records >= p.records+p.need {
			p.at, p.records = time.Now(), records
			p.strikes++
			if p.struck != nil {
				p.struck()
			}
			return p.Kind, true
		}
	}
	return "", false
}

// middleware is what every actor of a channel is spawned with.
func (in *injector) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		switch envelope.Message.(type) {
		case *actor.Stopping, *actor.Stopped, *actor.Terminated: // it is being replaced already
		default:
			if kind, strike := in.due(childOf(ctx.Self().Id)); strike {
				in.strike(kind)
				return
			}
		}
		next(ctx, envelope)
	}
}

func (in *injector) strike(kind crashKind) {
	switch kind {
	case crashPanic:
		panic("injected on purpose")
	case crashError:
		panic(&actors.Failure{Err: errInjected})
	case crashGoexit:
		runtime.Goexit()
	case crashHang:
		<-in.leave
	}
}

// childOf gives the child's name from an actor's id, which ends in the name and the epoch: …/data-consumer-7.
func childOf(id string) messages.Child {
	name := id[strings.LastIndexByte(id, '/')+1:]
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		return messages.Child(name[:i])
	}
	return ""
}
