package supervisor

import (
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// outbox is what this endpoint has yet to tell its peers: it outlives every status producer. A health check that was not sent yet is replaced by a newer one, so it
// does not grow through a long outage.
type outbox struct {
	entries []outgoing
	next    uint64
	stamp   int64 // of the last status: timestamps of an endpoint rise
}

type outgoing struct {
	seq    uint64
	status messages.Status
	sent   bool // to the current producer
}

// push adds a status and stamps it.
func (o *outbox) push(s messages.Status, now time.Time) {
	o.stamp = max(now.UnixMilli(), o.stamp+1)
	s.Timestamp = o.stamp
	if n := len(o.entries); n > 0 && s.Kind == messages.StatusHealthCheck {
		if last := &o.entries[n-1]; !last.sent && last.status.Kind == messages.StatusHealthCheck {
			last.status = s
			return
		}
	}
	o.next++
	o.entries = append(o.entries, outgoing{seq: o.next, status: s})
}

// take gives the next status to send, as far as the status producer's window allows.
func (o *outbox) take() *outgoing {
	for i := range o.entries {
		if i >= actors.StatusWindow {
			return nil
		}
		if e := &o.entries[i]; !e.sent {
			e.sent = true
			return e
		}
	}
	return nil
}

func (o *outbox) confirmed(first, last uint64) {
	kept := o.entries[:0]
	for _, e := range o.entries {
		if e.seq < first || e.seq > last {
			kept = append(kept, e)
		}
	}
	clear(o.entries[len(kept):])
	o.entries = kept
}

// rewind makes everything unsent: the status producer has ended. Of several health checks in a row only the newest still says something.
func (o *outbox) rewind() {
	kept := o.entries[:0]
	for _, e := range o.entries {
		e.sent = false
		if n := len(kept); n > 0 && e.status.Kind == messages.StatusHealthCheck && kept[n-1].status.Kind == messages.StatusHealthCheck {
			kept[n-1] = e
			continue
		}
		kept = append(kept, e)
	}
	clear(o.entries[len(kept):])
	o.entries = kept
}
