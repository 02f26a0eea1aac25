package actors

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestWorkersRunEverythingOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &Workers{}
	var done sync.WaitGroup
	var mu sync.Mutex
	ran := map[int]int{}
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
	done.Add(10_000)
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
