package actors

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestWorkersRunEverythingOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	var done sync.WaitGroup
	var mu sync.Mutex
	ran := map[int]int{}
	done.Add(10_000)
	for i := range 10 {
		go func() {
			for j := range 1000 {
				w.Schedule(func() {
					mu.Lock()
					ran[i*1000+j]++
					mu.Unlock()
					done.Done()
				})
			}
		}()
	}
	done.Wait()
	w.Close()
	for i := range 10_000 {
		if ran[i] != 1 {
			t.Fatalf("%d ran %d times", i, ran[i])
		}
	}
}

// rested waits until n workers wait for work.
func rested(t *testing.T, w *Workers, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		w.mu.Lock()
		idle := len(w.idle)
		w.mu.Unlock()
		if idle == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d workers wait, want %d", idle, n)
		}
	}
}

func TestWorkersAreUsedAgain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	defer w.Close()
	for range 100 {
		ran := make(chan struct{})
		w.Schedule(func() { close(ran) })
		<-ran
		rested(t, w, 1) // it was the one that there is
	}
}

func TestWorkersThatWaitAreBounded(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	defer w.Close()
	release := make(chan struct{})
	var busy, done sync.WaitGroup
	busy.Add(2 * maxIdle)
	done.Add(2 * maxIdle)
	for range 2 * maxIdle {
		w.Schedule(func() {
			busy.Done()
			<-release
			done.Done()
		})
	}
	busy.Wait()
	close(release)
	done.Wait()
	rested(t, w, maxIdle)
}

// A mailbox whose goroutine was ended goes on: nobody else would run it.
func TestWorkersGoOnAfterAGoexit(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	defer w.Close()
	runs, again := 0, make(chan struct{})
	w.Schedule(func() {
		if runs++; runs == 1 {
			runtime.Goexit()
		}
		close(again)
	})
	<-again
	rested(t, w, 1)
}

// Close ends those that wait at once, those that work when they have done; what is scheduled later still runs.
func TestClosedWorkersLeaveNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	ran, release := make(chan struct{}), make(chan struct{})
	w.Schedule(func() {})
	rested(t, w, 1)
	w.Schedule(func() { close(ran); <-release })
	<-ran
	w.Close()
	w.Close()
	close(release)
	late := make(chan struct{})
	w.Schedule(func() { close(late) })
	<-late
	rested(t, w, 0)
}

// Timers of a second or two go off together with others: never early, at most a slot late, and none that was stopped.
func TestTimersGoOffTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRealClock()
		began := time.Now()
		var mu sync.Mutex
		instants, late, stopped := map[time.Duration]bool{}, time.Duration(0), 0
		for range 2000 {
			d := shortTimer + rand.N(2*time.Second)
			wanted := rand.N(4) > 0
			timer := c.After(d, func() {
				mu.Lock()
				defer mu.Unlock()
				after := time.Since(began)
				instants[after] = true
				late = max(late, after-d)
				if after < d || !wanted {
					t.Errorf("went off after %s, set to %s, wanted: %v", after, d, wanted)
				}
			})
			if !wanted {
				if stopped++; !timer.Stop() || timer.Stop() {
					t.Error("stopped not at the first time, or twice")
				}
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if late >= slotLength || len(instants) > int(2*time.Second/slotLength)+1 {
			t.Errorf("up to %s late, at %d instants", late, len(instants))
		}
		if len(c.slots) > 0 || stopped == 0 {
			t.Errorf("%d slots are left, %d timers were stopped", len(c.slots), stopped)
		}
	})
}

// A short timer goes off at its time.
func TestShortTimersAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := newRealClock(), time.Now()
		for _, d := range []time.Duration{0, time.Millisecond, 137 * time.Millisecond} {
			var after time.Duration
			c.After(d, func() { after = time.Since(began) })
			time.Sleep(d + 1)
			synctest.Wait()
			if after != d {
				t.Errorf("%s: after %s", d, after)
			}
			began = time.Now()
		}
	})
}

// Timers are set, stopped and go off on many goroutines: each goes off once, or was stopped.
func TestTimersGoOffOrAreStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRealClock()
		var all sync.WaitGroup
		var wentOff, stopped atomic.Int64
		for range 50 {
			all.Go(func() {
				for range 200 {
					timer := c.After(shortTimer+rand.N(3*slotLength), func() { wentOff.Add(1) })
					time.Sleep(shortTimer - slotLength + rand.N(5*slotLength))
					if timer.Stop() {
						stopped.Add(1)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if w, s := wentOff.Load(), stopped.Load(); w+s != 10_000 || w == 0 || s == 0 {
			t.Errorf("%d went off, %d were stopped", w, s)
		}
	})
}
