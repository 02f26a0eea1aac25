package sim

import (
	"time"

	"github.com/d2e2d648/weir/messages"
)

// outage is the oracle's own account of a child's grace window, from events alone: how long the child has not been ready since it last was for
// long enough. It knows less than the supervisor (a unit of work closes a window, too), so it can only be too strict on the safe side.
type outage struct {
	epoch uint64
	ready bool
	since time.Time // of the present state
	open  bool
	down  time.Duration

	broken bool // it has failed, and the next incarnation has not begun
	waits  bool // it waits for what others are to bring about
}

// provenAfter is how long a child must be ready to have proved itself: 10 s, and as long as its supervisor may take to see that.
const provenAfter = 12 * time.Second

func (o *outage) started(f messages.From) {
	o.epoch, o.ready, o.broken, o.waits = f.Epoch, false, false, false
}

func (o *outage) failed(now time.Time) {
	switch {
	case o.ready && now.Sub(o.since) >= provenAfter, !o.open:
		o.down, o.since, o.open = 0, now, true
	case o.ready:
		o.since = now
	default:
		o.down += now.Sub(o.since)
		o.since = now
	}
	o.ready, o.broken = false, true
}

func (o *outage) becameReady(now time.Time) {
	if o.open {
		o.down += now.Sub(o.since)
	}
	o.ready, o.since = true, now
}
