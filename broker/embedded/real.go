package embedded

import (
	"sync"
	"time"
)

// Option configures Start.
type Option func(*Broker)

// WithLatency makes packets take time. The default is none.
func WithLatency(l Latency) Option { return func(b *Broker) { b.way = l } }

// WithHeartbeat sets how long a frozen session stays silent before it is ended; see Broker.SetHeartbeat.
func WithHeartbeat(d time.Duration) Option { return func(b *Broker) { b.heartbeat = d } }

// Start makes a broker on a RealLoop of its own. Stop ends it.
func Start(options ...Option) *Broker {
	loop := NewRealLoop()
	b := New(loop, Fixed(0))
	b.epoch = loop.start
	for _, option := range options {
		option(b)
	}
	go loop.run()
	return b
}

// Stop ends every session with ErrClosed, fails the requests under way with it, and ends the loop's goroutine, for which it waits.
// From then on no call has an effect and nothing is told. Idempotent. Not to be called on the loop, so not from a sink.
func (b *Broker) Stop() {
	loop := b.loop.(*RealLoop)
	loop.Post(func() {
		b.shutDown()
		loop.ending = true
	})
	<-loop.done
}

// Sync runs f on the loop and waits for it: the way to faults and introspection from other goroutines. After Stop it does nothing.
// Only for a broker made by Start; not to be called on the loop, so not from a sink.
func (b *Broker) Sync(f func()) {
	loop := b.loop.(*RealLoop)
	ran := make(chan struct{})
	loop.Post(func() {
		f()
		close(ran)
	})
	select {
	case <-ran:
	case <-loop.done:
	}
}

// RealLoop is a Loop on real time with one goroutine, the only one of this package. It sleeps while nothing is due.
type RealLoop struct {
	mu     sync.Mutex
	posted []func()
	asleep bool // whoever posts next wakes it
	ended  bool

	wake chan struct{} // capacity 1
	done chan struct{}

	// The rest is the goroutine's.
	start  time.Time
	now    time.Duration // read once a round, so that what is due at once is due now
	due    fifo[func()]  // due by now, in order
	later  sorted[timer]
	timers uint64
	spare  []func() // posted's other buffer
	ending bool
}

// NewRealLoop makes a loop whose time begins now. Nothing runs before its goroutine does, which Start begins.
func NewRealLoop() *RealLoop {
	return &RealLoop{start: time.Now(), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

type timer struct {
	at time.Duration
	n  uint64 // order of the calls
	f  func()
}

func (t timer) before(u timer) bool { return t.at < u.at || t.at == u.at && t.n < u.n }

// Now is the time at which the present round began.
func (l *RealLoop) Now() time.Duration { return l.now }

// Post is Loop's. After the loop's end it does nothing.
func (l *RealLoop) Post(f func()) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.posted = append(l.posted, f)
	rouse := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if rouse {
		l.wake <- struct{}{} // there is room: one poster takes asleep away, once a sleep
	}
}

// At is Loop's. What is due at once goes into a plain queue: everything in there was due before what is still in the heap.
func (l *RealLoop) At(t time.Duration, f func()) {
	if t <= l.now {
		l.due.push(f)
		return
	}
	l.timers++
	l.later.push(timer{t, l.timers, f})
}

func (l *RealLoop) run() {
	defer close(l.done)
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		l.now = time.Since(l.start)
		for len(l.later) > 0 && l.later[0].at <= l.now {
			l.due.push(l.later.pop().f)
		}
		posted := l.take()
		for _, f := range posted {
			f()
		}
		l.giveBack(posted)
		for n := l.due.n; n > 0; n-- { // what comes due meanwhile waits for the next round, behind what is posted
			l.due.pop()()
		}
		if l.ending && l.due.n == 0 {
			l.end()
			return
		}
		l.sleep(clock)
	}
}

// take gives what was posted, and leaves the other buffer for what will be.
func (l *RealLoop) take() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	posted := l.posted
	l.posted, l.spare = l.spare, nil
	return posted
}

// giveBack keeps a buffer for take, unless a burst has made it large.
func (l *RealLoop) giveBack(posted []func()) {
	clear(posted)
	if cap(posted) <= 1024 {
		l.spare = posted[:0]
	}
}

// end closes the door; what was posted before it goes nowhere.
func (l *RealLoop) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.posted = true, nil
}

// sleep waits until something is posted or comes due. It returns at once when there is something already.
func (l *RealLoop) sleep(clock *time.Timer) {
	if l.due.n > 0 {
		return
	}
	wait := time.Hour
	if len(l.later) > 0 {
		wait = l.later[0].at - time.Since(l.start)
	}
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	if len(l.posted) > 0 {
		l.mu.Unlock()
		return
	}
	l.asleep = true
	l.mu.Unlock()
	clock.Reset(wait)
	select {
	case <-l.wake:
	case <-clock.C:
		l.stir()
	}
}

// stir is waking up without being roused. A poster that has just taken asleep away still sends, so its token is taken, too.
func (l *RealLoop) stir() {
	l.mu.Lock()
	roused := !l.asleep
	l.asleep = false
	l.mu.Unlock()
	if roused {
		<-l.wake
	}
}
