package supervisor

import (
	"math"
	"time"
)

// Forever is a grace window that never runs out.
const Forever = time.Duration(math.MaxInt64)

const (
	backOffFirst = 10 * time.Millisecond
	backOffMost  = 2 * time.Second
	// provenAfter is how long a child must be ready to have proved itself. Success must not depend on traffic: else two interruptions of an
	// idle channel, an hour apart, would be one long failure.
	provenAfter = 10 * time.Second
	// A life shorter than briefLife is a brief one. Behind so many of them in a row the back-off doubles to briefMost, whatever they proved: a child that fails behind each unit of its work must not be replaced more than
	// a hundred times a second for ever.
	briefLife  = 2 * time.Second
	briefLives = 10
	briefMost  = 100 * time.Millisecond
)

// grace is one child's grace window and back-off. A failure opens the window; its clock stops while the child is ready; a proof closes it.
type grace struct {
	window   time.Duration
	open     bool
	opened   time.Time
	used     time.Duration // up to when the clock was last stopped
	since    time.Time     // the clock runs since; zero: it is stopped
	failures int           // since the window was opened
	brief    int           // lives in a row, the last one among them; a proof does not end the row
}

// failed gives the longest that the next start may wait, or says that the window has run out.
func (g *grace) failed(now time.Time, lived time.Duration) (delay time.Duration, ranOut bool) {
	if g.brief++; lived >= briefLife {
		g.brief = 0
	}
	if !g.open {
		g.open, g.opened = true, now
	}
	if g.since.IsZero() {
		g.since = now
	}
	g.failures++
	if g.window != Forever && g.total(now) >= g.window {
		return 0, true
	}
	return max(doubled(g.failures-1, backOffMost), doubled(g.brief-briefLives, briefMost)), false
}

// doubled is the first back-off, doubled n times.
func doubled(n int, most time.Duration) time.Duration {
	return min(backOffFirst<<min(max(0, n), 16), most)
}

// ready stops the clock.
func (g *grace) ready(now time.Time) {
	g.used = g.total(now)
	g.since = time.Time{}
}

// proved closes the window and resets the back-off.
func (g *grace) proved() { *g = grace{window: g.window, brief: g.brief} }

// total is how much of the window is used.
func (g *grace) total(now time.Time) time.Duration {
	if g.since.IsZero() {
		return g.used
	}
	return g.used + now.Sub(g.since)
}
