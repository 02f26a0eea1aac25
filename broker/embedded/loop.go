package embedded

import "time"

// Loop runs functions one at a time, in order of their time.
type Loop interface {
	// Now is the loop's time, since any beginning; it does not go backwards. Called on the loop only.
	Now() time.Duration
	// Post runs f on the loop, after what the same goroutine posted before. Safe from any goroutine; never runs f itself.
	Post(f func())
	// At runs f on the loop at that time, or as soon as it can when the time has passed; those of equal time run in order of the calls.
	// Called on the loop only; never runs f itself.
	At(t time.Duration, f func())
}

// Latency decides how long packets take.
type Latency interface {
	// Latency is the time of the next packet, not negative. Called on the loop only. Packets of one direction of a session stay in order
	// whatever it says.
	Latency() time.Duration
}

// Fixed is a Latency that is always the same.
type Fixed time.Duration

// Latency is the fixed time.
func (f Fixed) Latency() time.Duration { return time.Duration(f) }
