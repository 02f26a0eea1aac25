package embedded

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/d2e2d648/weir/broker"
)

// Equal times run in the order of the calls, and what is due at once behind what was due before.
func TestRealLoopOrder(t *testing.T) {
	b := Start()
	defer b.Stop()
	var got []int
	done := make(chan struct{})
	note := func(n int) func() { return func() { got = append(got, n) } }
	b.Sync(func() {
		later := b.loop.Now() + time.Millisecond
		b.loop.At(later, note(4))
		b.loop.At(later, note(5))
		b.loop.At(0, func() {
			note(2)()
			b.loop.At(0, note(3))
		})
		b.loop.At(later+1, func() { close(done) })
		note(1)()
	})
	<-done
	for i, n := range got {
		if n != i+1 {
			t.Fatalf("ran in the order %v", got)
		}
	}
	if len(got) != 5 {
		t.Fatalf("ran %v", got)
	}
}

// Stop, in the midst of traffic and with an arrival far away: each session ends with ErrClosed, each request is answered.
func TestStopEndsAll(t *testing.T) {
	b := Start(WithLatency(Fixed(time.Hour)))
	var ended, answered, lost atomic.Int32
	sink := func(e broker.Event) {
		if e, ok := e.(*broker.Ended); ok && isKind(e.Err, broker.ErrClosed) {
			ended.Add(1)
		} else {
			lost.Add(1)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			l := b.Lease("owner")
			for range 25 {
				l.OpenPublisher(broker.PublisherConfig{RoutingKey: "q", Window: 1}, sink)
				l.OpenConsumer(broker.ConsumerConfig{Queue: "q", Prefetch: 1, MaxBatch: 1}, sink)
				l.Do(broker.Probe{}, func(r broker.Result) {
					if isKind(r.Err, broker.ErrClosed) {
						answered.Add(1)
					}
				})
			}
		})
	}
	all.Wait()
	for range 3 {
		all.Go(b.Stop)
	}
	all.Wait()
	if ended.Load() != 200 || answered.Load() != 100 || lost.Load() > 0 {
		t.Errorf("%d sessions ended, %d requests answered, %d other events", ended.Load(), answered.Load(), lost.Load())
	}
	l := b.Lease("late")
	l.OpenPublisher(broker.PublisherConfig{}, sink).Close()
	l.Do(broker.Probe{}, func(broker.Result) { t.Error("answered after Stop") })
	l.Abort()
	b.Sync(func() { t.Error("ran after Stop") })
}

// While nothing is due, the loop sleeps; and whoever wakes it does so whatever else happens at that moment.
func TestIdleLoopSleepsAndWakes(t *testing.T) {
	b := Start()
	defer b.Stop()
	loop := b.loop.(*RealLoop)
	for range 200 {
		for asleep := false; !asleep; runtime.Gosched() {
			loop.mu.Lock()
			asleep = loop.asleep
			loop.mu.Unlock()
		}
		b.Sync(func() { b.loop.At(b.loop.Now()+50*time.Microsecond, func() {}) }) // a timer and a post, at about the same time
		b.Sync(func() {})
	}
}

// What was consumed can be collected, also when nothing comes after it.
func TestConsumedRecordsAreNotKept(t *testing.T) {
	w, p, c := pair(t)
	var bodies []weak.Pointer[byte]
	for range 100 {
		body := make([]byte, 64)
		bodies = append(bodies, weak.Make(&body[0]))
		p.p.Publish(broker.Batch{First: p.next, Records: []broker.Record{{Body: body}}})
		p.next++
		w.settle()
		c.c.Ack(p.next-1, true)
		w.settle()
	}
	w.holds("q", 0, 0)
	runtime.GC()
	kept := 0
	for _, b := range bodies {
		if b.Value() != nil {
			kept++
		}
	}
	if kept > 0 {
		t.Errorf("%d of 100 consumed records are kept", kept)
	}
	runtime.KeepAlive(w)
}

// Confirms that come at the same time are told as one range.
func TestConfirmsAreMerged(t *testing.T) {
	w, p, c := pair(t)
	for _, body := range []string{"a", "b", "c"} {
		p.send(body)
	}
	w.settle()
	p.told("confirmed 1-3")
	c.told("delivered 1: a b c")
}
