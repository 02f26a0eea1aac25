package brokertest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// recorder is a session's sink. It keeps the events, lets a case wait for them, and watches rules 2, 3, 11 and 19. What it finds it keeps
// until the case ends: events may come after that.
type recorder struct {
	env  *env
	name string
	// watch sees each event, with the recorder locked. It says what is wrong with it, or "".
	watch func(broker.Event) string

	inside atomic.Int32

	mu         sync.Mutex
	events     []broker.Event
	read       int           // so many were given out by next
	changed    chan struct{} // closed with the next event or violation
	violations []string

	lazy    bool            // Pendings are not taken until drain
	pending *broker.Pending // not taken yet

	draining sync.Mutex // held from taking to adding: as soon as something was taken, another goroutine may be in the sink
}

// sink is what the port is given.
func (r *recorder) sink(e broker.Event) {
	if r.inside.Add(1) > 1 {
		r.violate("rule 2: the sink is called by two goroutines at a time")
	}
	defer r.inside.Add(-1)
	if calledInMethod() {
		r.violate("rule 2: the sink is called from inside a method, with %T", e)
	}
	for range 3 { // gives another goroutine that should not be here its chance
		runtime.Gosched()
	}
	p, ok := e.(*broker.Pending)
	if !ok {
		r.add(e)
		return
	}
	r.mu.Lock()
	again := r.pending != nil
	r.pending = p
	lazy := r.lazy
	r.mu.Unlock()
	if again {
		r.violate("rule 19: Pending is told again before it was taken")
	}
	if !lazy {
		r.drain()
	}
}

// drain takes what a Pending announced.
func (r *recorder) drain() {
	r.draining.Lock()
	defer r.draining.Unlock()
	r.mu.Lock()
	p := r.pending
	r.pending, r.lazy = nil, false
	r.mu.Unlock()
	if p != nil {
		for _, e := range p.Take() {
			r.add(e)
		}
	}
}

func (r *recorder) add(e broker.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, opened := e.(*broker.Opened)
	_, ended := e.(*broker.Ended)
	switch n := len(r.events); {
	case n == 0 && !opened && !ended:
		r.violated("rule 3: the first event is %s", show(e))
	case n > 0 && opened:
		r.violated("rule 3: Opened comes after %s", show(r.events[n-1]))
	case n > 0 && isEnded(r.events[n-1]):
		r.violated("rule 3: %s comes after Ended", show(e))
	}
	if r.watch != nil {
		if wrong := r.watch(e); wrong != "" {
			r.violated("%s", wrong)
		}
	}
	r.events = append(r.events, e)
	r.change()
}

// change lets waits look again; with the recorder locked.
func (r *recorder) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violated(format, args...)
}

func (r *recorder) violated(format string, args ...any) {
	r.violations = append(r.violations, r.name+": "+fmt.Sprintf(format, args...))
	r.change()
}

// wait waits until done, which is called with the recorder locked, and says whether it was in time. Something wrong ends it early.
func (r *recorder) wait(done func() bool) bool {
	late := time.NewTimer(r.env.patience)
	defer late.Stop()
	for {
		r.mu.Lock()
		wrong := len(r.violations) > 0
		ok, changed := !wrong && done(), r.changed
		r.mu.Unlock()
		if ok || wrong {
			return ok
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// await is wait, and fails the case when it is late.
func (r *recorder) await(what string, done func() bool) {
	r.env.Helper()
	if r.wait(done) {
		return
	}
	if wrong := r.wrong(); len(wrong) > 0 {
		r.env.Fatalf("%s", strings.Join(wrong, "\n"))
	}
	r.env.Fatalf("%s: waited %v for %s; told so far: %s", r.name, r.env.patience, what, r.told())
}

// wrong gives what was found wrong, once.
func (r *recorder) wrong() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	wrong := r.violations
	r.violations = nil
	return wrong
}

// next is the next event that was not given out yet.
func (r *recorder) next() (e broker.Event) {
	r.env.Helper()
	r.await("an event", func() bool {
		if r.read == len(r.events) {
			return false
		}
		e = r.events[r.read]
		r.read++
		return true
	})
	return e
}

// expectNext is the next event, which must be of that type.
func expectNext[E broker.Event](r *recorder) E {
	r.env.Helper()
	e := r.next()
	want, ok := e.(E)
	if !ok {
		r.env.Fatalf("%s: told %s, want %T; told so far: %s", r.name, show(e), want, r.told())
	}
	return want
}

// ended waits for the session's end and gives its error.
func (r *recorder) ended() (err error) {
	r.env.Helper()
	r.await("Ended", func() bool {
		for _, e := range r.events {
			if e, ok := e.(*broker.Ended); ok {
				err = e.Err
				return true
			}
		}
		return false
	})
	return err
}

// all is a copy of what was told.
func (r *recorder) all() []broker.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]broker.Event(nil), r.events...)
}

func (r *recorder) told() string {
	var b strings.Builder
	all := r.all()
	for i, e := range all {
		if i == 20 {
			fmt.Fprintf(&b, " and %d more", len(all)-i)
			break
		}
		fmt.Fprintf(&b, " %s", show(e))
	}
	return b.String()
}

func isEnded(e broker.Event) bool { _, ok := e.(*broker.Ended); return ok }

func show(e broker.Event) string {
	switch e := e.(type) {
	case *broker.Confirmed:
		return fmt.Sprintf("Confirmed{%d-%d}", e.First, e.Last)
	case *broker.Refused:
		return fmt.Sprintf("Refused{%d-%d %v}", e.First, e.Last, e.Err)
	case *broker.Blocked:
		return fmt.Sprintf("Blocked{%v}", e.On)
	case *broker.Delivered:
		return fmt.Sprintf("Delivered{%d, %d records}", e.First, len(e.Records))
	case *broker.Inspected:
		return fmt.Sprintf("Inspected{%d}", e.Ready)
	case *broker.Ended:
		return fmt.Sprintf("Ended{%v}", e.Err)
	}
	return fmt.Sprintf("%T", e)
}

// method calls a method of the port. A sink that finds it on its own stack was called from inside the method.
//
//go:noinline
func method(call func()) { call() }

func calledInMethod() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "brokertest.method") {
			return true
		}
		if !more {
			return false
		}
	}
}
