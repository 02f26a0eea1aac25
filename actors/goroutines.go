package actors

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// This file is the one exception to this room's rule: goroutines, a lock and the real clock. Something must run the actors when no simulation does, and it
// must be ours, for two reasons. protoactor's dispatcher starts a goroutine, with a stack to grow anew, for each burst of a mailbox; and it loses, in
// silence, a mailbox whose goroutine a handler has ended with runtime.Goexit.

// Workers is a dispatcher whose goroutines live on between bursts, and that goes on with a mailbox that a Goexit has left behind.
type Workers struct {
	mu     sync.Mutex
	idle   []chan func()
	closed bool
}

// maxIdle bounds the goroutines that wait for work.
const maxIdle = 64

// Schedule runs f soon, on a goroutine of its own. It implements actor.Dispatcher.
func (w *Workers) Schedule(f func()) {
	w.mu.Lock()
	if n := len(w.idle); n > 0 {
		c := w.idle[n-1] // the warmest
		w.idle = w.idle[:n-1]
		w.mu.Unlock()
		c <- f
		return
	}
	w.mu.Unlock()
	go w.work(f, make(chan func(), 1))
}

// Throughput is how many messages a mailbox may handle before it yields the processor. It implements actor.Dispatcher.
func (w *Workers) Throughput() int { return 300 }

func (w *Workers) work(f func(), next chan func()) {
	defer func() {
		if f != nil { // Goexit: the mailbox is marked as running, and nobody else will run it
			w.Schedule(f)
		}
	}()
	for f != nil {
		f()
		f = nil
		if !w.rest(next) {
			return
		}
		f = <-next // nil when closed
	}
}

func (w *Workers) rest(c chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) >= maxIdle {
		return false
	}
	w.idle = append(w.idle, c)
	return true
}

// Close ends the goroutines that wait for work; those that work end when they have done. What is scheduled later still runs.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, c := range w.idle {
		close(c)
	}
	w.idle = nil
}

// realClock is the clock of a process. Timers that are not short go off together with others, at most a slot later: a thousand channels, each with some health check or look that is due, would else wake an
// idle process for each of them, and what wakes together is written to the broker together, too.
type realClock struct {
	began time.Time
	mu    sync.Mutex
	slots map[int64]*slot // by the number of their time
}

const (
	slotLength = 20 * time.Millisecond
	shortTimer = 500 * time.Millisecond // shorter ones go off by themselves, at their time
)

// slot is the timers that go off together. timers is nil when they have.
type slot struct {
	number int64
	timer  *time.Timer
	timers []*slotTimer
}

type slotTimer struct {
	clock *realClock
	slot  *slot
	at    int // in its slot's timers; -1 when it was stopped or has gone off
	f     func()
}

func newRealClock() *realClock { return &realClock{began: time.Now(), slots: map[int64]*slot{}} }

func (*realClock) Now() time.Time { return time.Now() }

func (c *realClock) After(d time.Duration, f func()) Timer {
	if d < shortTimer {
		return time.AfterFunc(d, f)
	}
	due := time.Since(c.began) + d
	t := &slotTimer{clock: c, f: f}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.slot = c.at(int64((due + slotLength - 1) / slotLength))
	t.at = len(t.slot.timers)
	t.slot.timers = append(t.slot.timers, t)
	return t
}

// at gives the slot of that number. The lock is held.
func (c *realClock) at(number int64) *slot {
	s := c.slots[number]
	if s == nil {
		s = &slot{number: number}
		s.timer = time.AfterFunc(time.Duration(number)*slotLength-time.Since(c.began), func() { c.goOff(s) })
		c.slots[number] = s
	}
	return s
}

// goOff calls all that is in the slot, which only sends messages.
func (c *realClock) goOff(s *slot) {
	c.mu.Lock()
	delete(c.slots, s.number)
	timers := s.timers
	s.timers = nil
	for _, t := range timers {
		t.at = -1
	}
	c.mu.Unlock()
	for _, t := range timers {
		t.f()
	}
}

// Stop implements Timer.
func (t *slotTimer) Stop() bool {
	c, s := t.clock, t.slot
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.at < 0 {
		return false
	}
	last := len(s.timers) - 1
	s.timers[t.at] = s.timers[last]
	s.timers[t.at].at = t.at
	s.timers[last] = nil
	s.timers = s.timers[:last]
	t.at = -1
	if last == 0 && s.timer.Stop() {
		delete(c.slots, s.number)
	}
	return true
}

// RealEnv is production's: the real clock, random jitter, and the workers as dispatcher, which the caller closes in the end.
func RealEnv(workers *Workers, options ...actor.PropsOption) *Env {
	return &Env{
		Clock: newRealClock(),
		Jitter: func(max time.Duration) time.Duration {
			if max <= 0 {
				return 0
			}
			return rand.N(max)
		},
		Options: append([]actor.PropsOption{actor.WithDispatcher(workers)}, options...),
	}
}
