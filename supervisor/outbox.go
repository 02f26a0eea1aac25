package supervisor

import (
	"slices"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// outbox is what this endpoint has yet to tell its peers: it outlives every status producer. What was not sent yet and is no state, such as a health check, is replaced by a newer one of its
// kind, so it does not grow through a long outage.
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
	for i := len(o.entries) - 1; i >= 0 && !s.Kind.IsState(); i-- {
		e := &o.entries[i]
		if e.sent || e.status.Kind.IsState() {
			break
		}
		if e.status.Kind == s.Kind {
			o.entries = slices.Delete(o.entries, i, i+1)
			break
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

// rewind makes everything unsent: the status producer has ended. Of what is no state only the newest of its kind still says something, up to the next state.
func (o *outbox) rewind() {
	kept := make([]outgoing, 0, len(o.entries))
	newer := map[messages.Kind]bool{}
	for i := len(o.entries) - 1; i >= 0; i-- {
		e := o.entries[i]
		e.sent = false
		switch {
		case e.status.Kind.IsState():
			clear(newer)
		case newer[e.status.Kind]:
			continue
		default:
			newer[e.status.Kind] = true
		}
		kept = append(kept, e)
	}
	slices.Reverse(kept)
	o.entries = kept
}
