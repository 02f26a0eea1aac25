package sim

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Kind is a kind of fault at a mailbox.
type Kind int

// The kinds of faults at a mailbox.
const (
	// PanicBefore panics instead of handling the message.
	PanicBefore Kind = iota
	// PanicWithin handles the message, lets a random part of the effects out, then panics.
	PanicWithin
	// Freeze handles the message, lets a random part of the effects out, and never returns.
	Freeze
	// Stall handles the message and keeps its effects for up to 20 s, during which the actor does nothing: what it says then may be stale.
	Stall
	// Goexit is PanicWithin by runtime.Goexit.
	Goexit
	// PanicStopping panics when the actor is stopped.
	PanicStopping
)

// faultKind is the kind in the catalogue.
func (k Kind) faultKind() FaultKind {
	return [...]FaultKind{panicBefore, panicWithin, freeze, stall, goexit, panicStopping}[k]
}

// String gives the kind's name.
func (k Kind) String() string { return k.faultKind().String() }

// supervisorName stands in Fault for the supervisors.
const supervisorName = "supervisor"

// boxFault strikes the n-th message that actors of that name handle.
type boxFault struct {
	name string   // "data-producer", or with its owner "writer-1/data-producer"
	box  *Mailbox // in place of the name: this actor's alone
	n    int
	kind Kind
}

// Fault strikes the n-th message (from 1) that children of that name handle from now on, over incarnations: "data-producer", or "writer-1/data-producer" for
// those of one supervisor; "supervisor" are the supervisors themselves. PanicStopping strikes the first stop after that.
func (w *World) Fault(child string, n int, kind Kind) {
	w.faults = append(w.faults, &boxFault{name: child, n: n, kind: kind})
}

// split gives the last element of the parent's id and of the id, that without its epoch.
func split(id string) (parent, name string) {
	i := strings.LastIndexByte(id, '/')
	parent, name = id[:max(i, 0)], id[i+1:]
	parent = parent[strings.LastIndexByte(parent, '/')+1:]
	if parent == "" {
		return "", name // a root actor has no epoch
	}
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	return parent, name
}

func (f *boxFault) meets(m *Mailbox) bool {
	switch {
	case f.box != nil:
		return f.box == m
	case f.name == supervisorName:
		return m.parent == ""
	}
	if parent, child, owned := strings.Cut(f.name, "/"); owned {
		return parent == m.parent && child == m.name
	}
	return f.name == m.name
}

// strike gives the fault that this message is for, if any.
func (w *World) strike(m *Mailbox, msg any) (kind Kind, any bool) {
	for i := 0; i < len(w.faults); i++ {
		f := w.faults[i]
		if !f.meets(m) {
			continue
		}
		f.n--
		if _, stopped := msg.(*actor.Stopped); stopped && m.parent == "" {
			continue // it does no more than to say so
		}
		_, stopping := msg.(*actor.Stopping)
		if f.n > 0 || f.kind == PanicStopping && !stopping {
			continue
		}
		w.faults = append(w.faults[:i:i], w.faults[i+1:]...)
		return f.kind, true
	}
	return 0, false
}

// middleware stands within the guard, around the actor itself.
func (w *World) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		if len(w.faults) == 0 {
			next(ctx, envelope)
			return
		}
		m := w.cur
		kind, struck := w.strike(m, envelope.Message)
		if !struck {
			next(ctx, envelope)
			return
		}
		w.Logf("fault: %s of %s", kind, m.pid.Id)
		if w.struckAt != nil {
			w.struckAt(m, kind)
		}
		if kind == PanicBefore || kind == PanicStopping {
			panic(fmt.Errorf("injected: %s", kind))
		}
		start := len(m.out)
		next(ctx, envelope)
		if kind == Stall {
			m.pause(time.Second + w.Jitter(19*time.Second))
			return
		}
		if m.parent != "" { // a supervisor's memory outlives the panic: what it has done is done
			m.out = m.out[:start+w.rng.IntN(len(m.out)-start+1)]
		}
		switch kind {
		case PanicWithin:
			panic(fmt.Errorf("injected: %s", kind))
		case Goexit:
			runtime.Goexit()
		case Freeze:
			m.hang()
		}
	}
}

// pause makes the mailbox do nothing for a while.
func (m *Mailbox) pause(d time.Duration) {
	m.paused = true
	m.w.at(m.w.now+d, func() {
		m.paused = false
		m.update()
	})
}

// hang blocks the handler's goroutine for good, as far as this run goes: World.run goes on with another. What got out of it so far is visible.
func (m *Mailbox) hang() {
	w := m.w
	m.frozen = true
	m.ended()
	h := hung{release: make(chan struct{}), gone: w.running}
	w.hangs = append(w.hangs, h)
	w.hung <- struct{}{}
	<-h.release
	runtime.Goexit()
}

// hung is a goroutine that hangs in a handler.
type hung struct{ release, gone chan struct{} }

// releaseHung waits for each to be gone: what is deferred in it still touches the world. All mailboxes must be dead.
func (w *World) releaseHung() {
	for _, h := range w.hangs {
		close(h.release)
		<-h.gone
	}
	w.hangs = nil
}
