package sim

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
)

// Mode says how fine actors interleave. Both find bugs that the other does not.
type Mode int

const (
	// Fine lets a handler's effects (sends, calls of the port) become visible one by one, with others running in between: all that goroutines
	// could do, short of sharing memory.
	Fine Mode = iota
	// Atomic handles one message at a time, its effects at once.
	Atomic
)

// String gives the mode's name.
func (m Mode) String() string {
	if m == Fine {
		return "fine"
	}
	return "atomic"
}

// World is the clock, the mailboxes and the broker's loop of a simulation. One goroutine at a time touches it.
type World struct {
	Mode Mode
	// Log, if set, gets the run as text.
	Log io.Writer
	// Hash is the trace so far: every choice and every message goes into it.
	Hash uint64
	// Steps counts what was run.
	Steps int

	pcg     *rand.PCG
	rng     *rand.Rand
	system  *actor.ActorSystem
	broker  *embedded.Broker
	now     time.Duration
	slack   time.Duration // how far time may run ahead of mailboxes that have work: slow actors
	heap    heap
	ready   []*Mailbox // those that have something to do
	boxes   []*Mailbox // all of this run
	cur     *Mailbox   // the one that runs
	faults  []*boxFault
	hung    chan struct{} // a goroutine hangs from now on
	hangs   []hung
	running chan struct{}           // is closed when the present goroutine of run has ended
	types   map[reflect.Type]uint64 // depends on the types' names only

	// struckAt, if set, is told of each mailbox fault that strikes.
	struckAt func(m *Mailbox, kind Kind)
	// finished, if set, is told what supervisors are told of sessions that ended in order, before they are.
	finished func(m *Mailbox, f *messages.Finished)
}

// NewWorld makes a world in fine mode with an actor system of its own.
func NewWorld(seed uint64) *World {
	w := newWorld()
	w.Reset(seed, Fine)
	return w
}

func newWorld() *World {
	w := &World{pcg: rand.NewPCG(0, 0), types: map[reflect.Type]uint64{}, hung: make(chan struct{}, 1), system: newSystem()}
	w.rng = rand.New(w.pcg)
	return w
}

// newSystem: its logger is mute, and its dead letters are throttled for a nanosecond, so that the throttle's goroutine ends at once.
func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterThrottleInterval(1))
}

// Reset begins anew with another seed. What was left of the last run is gone. The actor system stays, since a new one is dear.
func (w *World) Reset(seed uint64, mode Mode) {
	for _, m := range w.boxes {
		m.kill()
		if m.pid == nil {
			continue // its name was in use
		}
		w.system.ProcessRegistry.Remove(m.pid)
	}
	w.releaseHung()
	w.pcg.Seed(seed, 0x9e3779b97f4a7c15)
	w.heap.clear()
	*w = World{Mode: mode, Log: w.Log, pcg: w.pcg, rng: w.rng, system: w.system, heap: w.heap, types: w.types, hung: w.hung,
		ready: w.ready[:0], Hash: 14695981039346656037, slack: 3 * time.Millisecond}
	w.broker = embedded.New(w, w)
	w.broker.SetEpoch(epoch)
}

// System is the actor system to spawn in. Always spawn by name: a generated one differs from run to run.
func (w *World) System() *actor.ActorSystem { return w.system }

// Broker is the world's broker. Its faults and counts may be used at any time between steps.
func (w *World) Broker() *embedded.Broker { return w.broker }

// Env is what channels in this world run in.
func (w *World) Env() *actors.Env { return w.env(0) }

// env is Env on a machine whose clock is wrong by so much.
func (w *World) env(skew time.Duration) *actors.Env {
	return &actors.Env{Clock: simClock{w, skew}, Jitter: w.Jitter,
		Options: []actor.PropsOption{actor.WithMailbox(w.newMailbox), actor.WithReceiverMiddleware(w.middleware)}}
}

// RunUntil steps until the condition holds, and says whether it does within that much virtual time.
func (w *World) RunUntil(condition func() bool, limit time.Duration) bool {
	end := w.now + limit
	w.at(end, func() {}) // so that time gets there
	held := false
	w.run(func() bool {
		held = condition()
		return held || w.now >= end
	})
	return held
}

// RunFor lets that much virtual time pass.
func (w *World) RunFor(d time.Duration) {
	w.RunUntil(func() bool { return false }, d)
}

// run steps until stop says so or nothing is left. A goroutine that a handler ends, or hangs, is followed by another: one runs at a time.
func (w *World) run(stop func() bool) {
	for finished := false; !finished; {
		done := make(chan struct{})
		w.running = done
		go func() {
			defer close(done)
			for !stop() && w.Step() {
				continue
			}
			finished = true
		}()
		select {
		case <-done:
		case <-w.hung:
		}
	}
}

// Step runs one thing: a timer or packet that is due, or one mailbox. False: nothing is left.
func (w *World) Step() bool {
	w.Steps++
	n := len(w.ready)
	if e := w.heap.first(); e != nil {
		if n == 0 || e.at-w.now < w.slack && w.rng.IntN(n+2) == 0 {
			w.now = max(w.now, e.at)
			f := e.f
			w.mix(uint64(e.at), e.seq)
			w.heap.remove(e)
			f()
			return true
		}
	}
	if n == 0 {
		return false
	}
	i := 0
	if n > 1 {
		i = w.rng.IntN(n)
	}
	w.ready[i].step()
	return true
}
