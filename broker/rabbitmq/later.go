package rabbitmq

import (
	"sync"
	"time"
)

const (
	// ackDelay is how long an acknowledgement may wait for others, of whatever session of the connection. A tenth of the prefetch does not wait for more.
	ackDelay = 5 * time.Millisecond
	// streamAckDelay is the same for a stream, which keeps its records anyway: there an acknowledgement is credit, and a tenth of it missing slows nobody.
	streamAckDelay = time.Second
)

// later is where consumers wait that have something to acknowledge, but not at once: one timer and one write for all of them. No other lock is taken under mu.
type later struct {
	wire  *wire
	delay time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	waiting []*consumer
}

func (l *later) add(c *consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, c)
	switch {
	case len(l.waiting) > 1:
	case l.timer == nil:
		l.timer = time.AfterFunc(l.delay, l.tell)
	default:
		l.timer.Reset(l.delay)
	}
}

func (l *later) tell() {
	l.mu.Lock()
	all := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	due := make([]endpoint, 0, len(all))
	for _, c := range all {
		if c.late() && c.queued.CompareAndSwap(false, true) {
			due = append(due, c)
		}
	}
	w := l.wire
	w.mu.Lock()
	w.ready = append(w.ready, due...)
	w.wake.Signal()
	w.mu.Unlock()
}
