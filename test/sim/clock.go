package sim

import (
	"time"

	"github.com/d2e2d648/weir/actors"
)

// epoch is the wall time at which every world begins.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Now is the virtual time since the world began. It implements embedded.Loop.
func (w *World) Now() time.Duration { return w.now }

// Time is the virtual wall time.
func (w *World) Time() time.Time { return epoch.Add(w.now) }

// At runs f at that time. It implements embedded.Loop.
func (w *World) At(t time.Duration, f func()) { w.at(t, f) }

// Post runs f soon. What an actor posts is an effect of its handler. It implements embedded.Loop.
func (w *World) Post(f func()) {
	if w.cur != nil {
		w.cur.out = append(w.cur.out, effect{f: f})
		return
	}
	w.at(w.now, f)
}

func (w *World) at(t time.Duration, f func()) *event { return w.heap.add(max(t, w.now), f) }

// Latency draws how long a packet takes; one of 64 takes long. It implements embedded.Latency.
func (w *World) Latency() time.Duration {
	d := 20*time.Microsecond + time.Duration(w.rng.Int64N(int64(500*time.Microsecond)))
	if w.rng.IntN(64) == 0 {
		d *= 40
	}
	return d
}

// Jitter draws a duration from [0, most).
func (w *World) Jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(w.rng.Int64N(int64(most)))
}

// simClock is the world as actors.Clock, of a machine whose clock may be wrong.
type simClock struct {
	w    *World
	skew time.Duration
}

func (c simClock) Now() time.Time { return c.w.Time().Add(c.skew) }

func (c simClock) After(d time.Duration, f func()) actors.Timer {
	e := c.w.at(c.w.now+d, f)
	return &timer{c.w, e, e.gen}
}

type timer struct {
	w   *World
	e   *event
	gen uint32
}

func (t *timer) Stop() bool {
	if t.e.gen != t.gen || t.e.pos < 0 {
		return false
	}
	t.w.heap.remove(t.e)
	return true
}
