package pypz

import (
	"sync"
	"time"
)

// loop is the control loop (base.py:762): a health check and a look at the peers, every interval.
type loop struct {
	c       *Channel
	once    sync.Once
	stopped chan struct{}
	ended   chan struct{}
}

func startLoop(c *Channel) *loop {
	l := &loop{c: c, stopped: make(chan struct{}), ended: make(chan struct{})}
	go l.run()
	return l
}

func (l *loop) stop() { l.once.Do(func() { close(l.stopped) }) }

// end stops the loop and waits for its end.
func (l *loop) end() {
	l.stop()
	<-l.ended
}

func (l *loop) run() {
	defer close(l.ended)
	var failing time.Time // since when; zero: it is not
	for l.going() {
		began := time.Now()
		switch err := l.round(); {
		case l.c.isKilled():
			return
		case err == nil:
			failing = time.Time{}
		default:
			if failing.IsZero() {
				failing = time.Now()
			}
			l.c.fail("control loop", err)
			if time.Since(failing) > l.c.opts.ErrorWindow {
				l.stop() // in silence: the channel stays open (base.py:806)
			}
		}
		l.sleep(l.c.opts.Interval - time.Since(began))
	}
	if !l.c.isKilled() {
		_ = l.c.sayHealth() // the last one; an exception is ignored (base.py:832)
	}
}

func (l *loop) round() error {
	if err := l.c.sayHealth(); err != nil {
		return err
	}
	return l.c.Update()
}

func (l *loop) going() bool {
	select {
	case <-l.stopped:
		return false
	default:
		return true
	}
}

func (l *loop) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.stopped:
	}
}

// looping says whether the control loop runs.
func (c *Channel) looping() bool {
	if c.loop == nil {
		return false
	}
	select {
	case <-c.loop.ended:
		return false
	default:
		return true
	}
}
