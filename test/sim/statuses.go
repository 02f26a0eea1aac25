package sim

import (
	"bytes"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// checkStatuses reads both status streams from the beginning, as a latecomer would, and follows the states of each end.
func (r *run) checkStatuses() {
	for _, stream := range []string{channelName + ".reader.status", channelName + ".writer.status"} {
		statuses := r.history(stream)
		for _, e := range r.endpoints {
			if (stream == channelName+".writer.status") == e.writes {
				r.checkStates(e, statuses)
			}
		}
	}
}

var healthCheck = []byte(`"HealthCheck"`)

// history gives the states in a stream.
func (r *run) history(stream string) (all []messages.Status) {
	seen := 0
	w, want := r.w, r.w.broker.Depth(stream)
	lease := w.broker.Lease("observer")
	lease.OpenConsumer(broker.ConsumerConfig{Queue: stream, Prefetch: 65535, MaxBatch: 1000, Stream: &broker.StreamOffset{}}, func(e broker.Event) {
		d, ok := e.(*broker.Delivered)
		if !ok {
			return
		}
		for i := range d.Records {
			if bytes.Contains(d.Records[i].Body, healthCheck) {
				seen++ // nearly all are
				continue
			}
			seen++
			s, err := messages.DecodeStatus(d.Records[i].Body, w.Time())
			if err != nil && r.badSaid {
				continue
			}
			if err != nil {
				r.bad("stream %s: %v", stream, err)
			}
			all = append(all, s)
		}
	})
	w.RunUntil(func() bool { return seen >= want }, 10*time.Second)
	lease.Abort()
	w.RunFor(time.Second)
	return all
}

// rank is the order in which an end says its states.
func rank(k messages.Kind) int {
	switch k {
	case messages.StatusOpened:
		return 1
	case messages.StatusStarted:
		return 2
	case messages.StatusError:
		return 3
	case messages.StatusStopped:
		return 4
	case messages.StatusClosed:
		return 5
	}
	return 0
}

// checkStates: each generation says its states in order, with rising timestamps, but for what is published again. The last one ended in order, so it
// has said them all.
func (r *run) checkStates(e *endpoint, statuses []messages.Status) {
	type said struct {
		rank  int
		stamp int64
	}
	last := make([]said, len(e.begun))
	seen := map[int64]bool{}
	states := map[messages.Kind]bool{}
	for i := range statuses {
		s := &statuses[i]
		if s.Channel != channelName || s.Context != e.name || !s.Kind.IsState() || seen[s.Timestamp] {
			continue
		}
		seen[s.Timestamp] = true
		gen := e.lifeOf(s.Timestamp)
		l := &last[gen]
		if !e.r.disordered && (rank(s.Kind) <= l.rank || s.Timestamp <= l.stamp) {
			r.bad("statuses of %s: %s at %d after rank %d at %d", e.name, s.Kind, s.Timestamp, l.rank, l.stamp)
			return
		}
		*l = said{rank(s.Kind), s.Timestamp}
		if gen == len(e.begun)-1 {
			states[s.Kind] = true
		}
	}
	if len(states) < 4 && e.ran {
		r.bad("statuses of %s: it said %d of Opened, Started, Stopped, Closed", e.name, len(states))
	}
}

// lifeOf gives the generation that said something at that time by its own clock.
func (e *endpoint) lifeOf(stamp int64) int {
	gen := len(e.begun) - 1
	for gen > 0 && epoch.Add(e.begun[gen].at+e.begun[gen].skew).UnixMilli() > stamp {
		gen--
	}
	return gen
}
