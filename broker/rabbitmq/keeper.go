package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	maxOpenings = 32              // AMQP channels that are being opened at a time
	waitLimit   = 4 * time.Second // then a session that waits is told the reason
	idleLink    = 10 * time.Second
)

var errNoTurn = errors.New("no connection, and no attempt has ended yet")

// keeper has the connections of one role, to publish or to consume. Its goroutine, run, dials for all sessions that wait and starts their
// openings; it begins with the first session and ends with the port.
//
// mu guards the fields below it. A session's lock may be taken under it, no other.
type keeper struct {
	ctx    context.Context
	tasks  *sync.WaitGroup
	dialer dialer
	hold   atomic.Bool // some connection is blocked by the broker's alarm
	start  sync.Once
	wake   chan struct{}

	mu       sync.Mutex
	shut     bool
	waiting  []waiter
	rear     rear
	links    []*link
	openings int
	last     error // why the last attempt or connection ended
	backoff  backoff
	next     time.Time // the next attempt
}

type waiter struct {
	endpoint
	until time.Time
}

func newKeeper(ctx context.Context, tasks *sync.WaitGroup, config *Config, purpose string) *keeper {
	k := &keeper{ctx: ctx, tasks: tasks, wake: make(chan struct{}, 1)}
	k.dialer = dialer{config: config, purpose: purpose, hold: &k.hold, onHold: k.onHold, onGone: k.onGone}
	return k
}

// add has the session opened when that is possible.
func (k *keeper) add(e endpoint) {
	k.mu.Lock()
	shut := k.shut
	switch {
	case shut:
	case e.base().behind:
		k.rear.waiting = append(k.rear.waiting, waiter{e, time.Now().Add(rearMost)})
	default:
		k.waiting = append(k.waiting, waiter{e, time.Now().Add(waitLimit)})
	}
	if !shut {
		k.start.Do(func() { k.tasks.Go(k.run) })
	}
	k.mu.Unlock()
	if shut {
		e.base().endLater(failure(e.base().what, broker.ErrClosed, nil))
		return
	}
	k.poke()
}

func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

type dialed struct {
	link *link
	err  error
}

// run is the keeper's goroutine.
func (k *keeper) run() {
	var attempt chan dialed // nil while none is under way
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		pause, dial := k.serve(time.Now())
		if dial && attempt == nil {
			attempt = make(chan dialed, 1)
			go k.attempt(attempt)
		}
		timer.Reset(pause)
		select {
		case <-k.ctx.Done():
			k.end(attempt)
			return
		case <-k.wake:
		case <-timer.C:
		case d := <-attempt:
			attempt = nil
			k.attempted(d)
		}
	}
}

func (k *keeper) attempt(done chan<- dialed) {
	l, err := k.dialer.round(k.ctx)
	done <- dialed{l, err}
}

// attempted follows an attempt to connect. What the broker itself answered is told to all who wait: another attempt would hardly change it.
func (k *keeper) attempted(d dialed) {
	if d.err == nil {
		k.keep(d.link)
		return
	}
	_, told := dialKind(d.err)
	k.mu.Lock()
	k.last = d.err
	k.next = time.Now().Add(k.backoff.failed(d.err))
	var all []waiter
	if told {
		all, k.waiting = k.waiting, nil
	}
	k.mu.Unlock()
	tellAll(all, d.err)
}

// heard: the broker has answered to somebody. Who waits because nobody listened tries at once.
func (k *keeper) heard() {
	k.mu.Lock()
	if nobody(k.last) {
		k.next = time.Time{}
	}
	k.mu.Unlock()
	k.poke()
}

// serve starts the openings that can be started, tells those that have waited too long, and says when to look again and whether to dial.
func (k *keeper) serve(now time.Time) (pause time.Duration, dial bool) {
	k.mu.Lock()
	k.waiting = slices.DeleteFunc(k.waiting, func(w waiter) bool { return !w.base().isWaiting() })
	k.admit(now)
	full := k.place()
	late := k.late(now)
	cause := orElse(k.last, errNoTurn)
	idle := k.idle(now)
	pause, dial = k.pause(now, !full)
	k.mu.Unlock()

	tellAll(late, cause)
	for _, l := range idle {
		k.tasks.Go(func() { l.close(errIdle) })
	}
	return pause, dial
}

var errIdle = fmt.Errorf("%w: idle", broker.ErrClosed)

// place starts openings. False when those that still wait need a connection. The lock is held.
func (k *keeper) place() (full bool) {
	n := 0
	defer func() { k.waiting = slices.Delete(k.waiting, 0, n) }()
	for n < len(k.waiting) {
		if k.openings == maxOpenings {
			return true
		}
		l := k.room()
		if l == nil {
			return false
		}
		e := k.waiting[n].endpoint
		n++
		if e.base().begin(l) {
			k.openings++
			if !e.base().behind {
				k.rear.others++
			}
			l.channels++
			k.tasks.Go(func() { k.open(e) })
		}
	}
	return true
}

// open carries out one opening.
func (k *keeper) open(e endpoint) {
	if err := e.base().openChannel(); err != nil {
		e.base().end(err)
	}
	k.leavePlace(e.base())
}

// leavePlace gives the session's place among the openings back: it has been opened, or is over.
func (k *keeper) leavePlace(s *session) {
	if !s.takePlace() {
		return
	}
	k.mu.Lock()
	k.openings--
	if !s.behind {
		k.rear.others--
		k.rear.busy = time.Now()
	}
	k.mu.Unlock()
	k.poke()
}

// late takes those out that have waited too long. The lock is held.
func (k *keeper) late(now time.Time) []waiter {
	n := 0
	for n < len(k.waiting) && !k.waiting[n].until.After(now) {
		n++
	}
	late := slices.Clone(k.waiting[:n])
	k.waiting = slices.Delete(k.waiting, 0, n)
	return late
}

func tellAll(waiters []waiter, cause error) {
	for _, w := range waiters {
		s := w.base()
		s.end(failure(s.what, kindOf(cause), cause))
	}
}

// pause says when something is to be done next if nobody pokes. The lock is held.
func (k *keeper) pause(now time.Time, needed bool) (pause time.Duration, dial bool) {
	next := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(k.waiting) > 0 {
		sooner(k.waiting[0].until)
	}
	if len(k.rear.waiting) > 0 {
		sooner(k.rear.next())
	}
	if needed && now.Before(k.next) {
		sooner(k.next)
		needed = false
	}
	if len(k.links) > 1 {
		for _, l := range k.links {
			if l.channels == 0 {
				sooner(l.idleSince.Add(idleLink))
			}
		}
	}
	return max(time.Millisecond, next.Sub(now)), needed
}

// shutIdle keeps a keeper whose goroutine has not begun from beginning. The other ends by its context.
func (k *keeper) shutIdle() {
	k.mu.Lock()
	k.shut = true
	k.mu.Unlock()
}

// end follows the end of the port, of which Close has told before.
func (k *keeper) end(attempt <-chan dialed) {
	k.mu.Lock()
	all, links := slices.Concat(k.waiting, k.rear.waiting), k.links
	k.waiting, k.links = nil, nil
	k.rear.waiting = nil
	k.mu.Unlock()
	closed := fmt.Errorf("%w: the port", broker.ErrClosed)
	tellAll(all, closed)
	if attempt != nil {
		if d := <-attempt; d.err == nil {
			links = append(links, d.link)
		}
	}
	var tasks sync.WaitGroup
	for _, l := range links {
		tasks.Go(func() { l.close(closed) })
	}
	tasks.Wait()
}
