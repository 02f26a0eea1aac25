package sim

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// effect is what a handler did to the outside: a message to a mailbox, or a function for the loop.
type effect struct {
	to  *Mailbox
	sys bool
	msg any
	f   func()
}

// Mailbox implements actor.Mailbox. protoactor's dispatcher never runs it: the world does. It treats panics, suspension and the precedence of
// system messages as protoactor's own does, and a Goexit as actors.Workers does: the mailbox goes on.
type Mailbox struct {
	w         *World
	id        uint64
	parent    string // last element of the parent's id
	name      string // last element of the actor's own, without the epoch
	pid       *actor.PID
	invoker   actor.MessageInvoker
	sys, user fifo
	out       []effect // not visible yet
	outHead   int
	suspended bool
	frozen    bool // a handler never returned
	paused    bool // a handler takes its time
	dead      bool // its process was killed
	pos       int  // in World.ready; -1: nothing to do
}

func (w *World) newMailbox() actor.Mailbox {
	m := &Mailbox{w: w, id: uint64(len(w.boxes) + 1), pos: -1}
	w.boxes = append(w.boxes, m)
	return m
}

// RegisterHandlers implements actor.Mailbox.
func (m *Mailbox) RegisterHandlers(i actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = i
	m.pid = i.(actor.Context).Self()
	m.parent, m.name = split(m.pid.Id)
}

// Start implements actor.Mailbox.
func (m *Mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *Mailbox) UserMessageCount() int { return m.user.len() }

// PostUserMessage implements actor.Mailbox.
func (m *Mailbox) PostUserMessage(msg any) { m.post(msg, false) }

// PostSystemMessage implements actor.Mailbox.
func (m *Mailbox) PostSystemMessage(msg any) { m.post(msg, true) }

// post: what a handler sends is an effect, visible when its turn comes.
func (m *Mailbox) post(msg any, sys bool) {
	if cur := m.w.cur; cur != nil {
		cur.out = append(cur.out, effect{to: m, sys: sys, msg: msg})
		return
	}
	m.put(msg, sys)
}

func (m *Mailbox) put(msg any, sys bool) {
	switch {
	case m.dead:
		return
	case sys:
		m.sys.push(msg)
	default:
		m.user.push(msg)
	}
	m.update()
}

// update enters the mailbox among those that have something to do, or takes it out.
func (m *Mailbox) update() {
	has := m.sys.len() > 0 || !m.suspended && m.user.len() > 0
	run := !m.dead && !m.paused && (len(m.out) > m.outHead || has && !m.frozen)
	w := m.w
	switch {
	case run && m.pos < 0:
		m.pos = len(w.ready)
		w.ready = append(w.ready, m)
	case !run && m.pos >= 0:
		last := w.ready[len(w.ready)-1]
		w.ready[m.pos], last.pos = last, m.pos
		w.ready = w.ready[:len(w.ready)-1]
		m.pos = -1
	}
}

// step lets one effect out, or handles one message.
func (m *Mailbox) step() {
	if m.outHead < len(m.out) {
		m.w.mix(m.id, 3)
		m.letOut()
		m.update()
		return
	}
	var msg any
	sys := m.sys.len() > 0
	if sys {
		msg = m.sys.pop()
	} else {
		msg = m.user.pop()
	}
	m.w.mix(m.id<<8|uint64(m.w.now)<<20, m.w.digest(msg))
	m.w.logMessage(m, msg)
	if f, ok := bare(msg).(*messages.Finished); ok && m.w.finished != nil {
		m.w.finished(m, f)
	}
	m.invoke(msg, sys)
}

func (m *Mailbox) letOut() {
	e := m.out[m.outHead]
	m.out[m.outHead] = effect{}
	m.outHead++
	if m.outHead == len(m.out) {
		m.out, m.outHead = m.out[:0], 0
	}
	if e.to != nil {
		e.to.put(e.msg, e.sys)
	} else {
		m.w.at(m.w.now, e.f)
	}
}

// invoke hands protoactor one message. Its deferred function also runs when the handler ends the goroutine: World.run goes on with another.
func (m *Mailbox) invoke(msg any, sys bool) {
	w := m.w
	w.cur = m
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, msg)
		}
		m.ended()
	}()
	switch msg.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	default:
		if sys {
			m.invoker.InvokeSystemMessage(msg)
		} else {
			m.invoker.InvokeUserMessage(msg)
		}
	}
}

// ended: a handler has returned, or never will.
func (m *Mailbox) ended() {
	m.w.cur = nil
	for m.w.Mode == Atomic && !m.paused && m.outHead < len(m.out) {
		m.letOut()
	}
	m.update()
}

// kill is the death of the process: the mailbox does nothing any more.
func (m *Mailbox) kill() {
	m.dead = true
	m.out, m.outHead = nil, 0
	m.update()
}

type fifo struct {
	q    []any
	head int
}

func (f *fifo) push(m any) { f.q = append(f.q, m) }
func (f *fifo) len() int   { return len(f.q) - f.head }
func (f *fifo) pop() any {
	m := f.q[f.head]
	f.q[f.head] = nil
	f.head++
	if f.head == len(f.q) {
		f.q, f.head = f.q[:0], 0
	}
	return m
}
