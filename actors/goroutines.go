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

type realClock struct{}

func (realClock) Now() time.Time                        { return time.Now() }
func (realClock) After(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// RealEnv is production's: the real clock, random jitter, and the workers as dispatcher, which the caller closes in the end.
func RealEnv(workers *Workers, options ...actor.PropsOption) *Env {
	return &Env{
		Clock: realClock{},
		Jitter: func(max time.Duration) time.Duration {
			if max <= 0 {
				return 0
			}
			return rand.N(max)
		},
		Options: append([]actor.PropsOption{actor.WithDispatcher(workers)}, options...),
	}
}
