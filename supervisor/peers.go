package supervisor

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d2e2d648/weir/messages"
)

const (
	// maxPeers bounds what a flood of names can cost.
	maxPeers = 10_000
	// forgetAfter is how many health time-outs a peer must have been unhealthy to be forgotten.
	forgetAfter = 10
	// suspectAfter is how many health intervals an endpoint must have listened before a peer that is known from history alone
	// counts as gone, and before it believes that there are no others.
	suspectAfter = 3
)

// peers is what an endpoint knows of the others (wire contract, "Peer monitor"): one entry for each unique name, made by its first message, never one for oneself.
type peers struct {
	self     string
	timeout  time.Duration // healthy while the last live message is younger
	interval time.Duration // of health checks
	since    time.Time     // listening since
	swept    time.Time     // when forget last looked
	all      []peer        // sorted by name
}

type peer struct {
	messages.Peer
	newest int64 // greatest timestamp
	first  time.Time
	told   bool          // it was given by apply, in the state
	as     messages.Kind // that it had then
}

func newPeers(self string, timeout, interval time.Duration) peers {
	return peers{self: self, timeout: timeout, interval: interval}
}

// listen notes when the endpoint began to listen.
func (p *peers) listen(now time.Time) {
	if p.since.IsZero() {
		p.since = now
	}
}

// apply takes in one status and gives the peer, when it is heard live for the first time or in another state than it was last given in. Not: than it was
// in before, for the history may have been read up to a live status before that arrives.
func (p *peers) apply(s *messages.Status, history bool, now time.Time) (changed *messages.Peer) {
	name := s.UniqueName()
	if name == p.self {
		return nil
	}
	i, known := slices.BinarySearchFunc(p.all, name, func(q peer, name string) int { return strings.Compare(q.Name, name) })
	if !known {
		if len(p.all) >= maxPeers {
			if now.Sub(p.swept) < p.interval {
				return nil // a flood of names must not cost a look at all peers each
			}
			if p.forget(now); len(p.all) >= maxPeers {
				return nil
			}
			i, _ = slices.BinarySearchFunc(p.all, name, func(q peer, name string) int { return strings.Compare(q.Name, name) })
		}
		fresh := peer{first: now, Peer: messages.Peer{Name: name, Context: s.Context, Group: s.Group, GroupIndex: s.GroupIndex}}
		p.all = slices.Insert(p.all, i, fresh)
	}
	q := &p.all[i]
	q.next(s)
	if !history {
		q.LastSeen = now
		q.Skew = time.Duration(s.Timestamp-now.UnixMilli()) * time.Millisecond
	}
	if history || q.told && q.as == q.State {
		return nil
	}
	q.told, q.as = true, q.State
	told := p.view(q, now)
	return &told
}

// next is the state machine. Changed is when the state last became different. A state is accepted when it is not older than that; Error is left only for Opened and Started.
func (q *peer) next(s *messages.Status) {
	q.newest = max(q.newest, s.Timestamp)
	if count, ok := recordCount(s.Payload); ok {
		q.Records = count
	}
	switch {
	case !s.Kind.IsState():
		if q.State == "" {
			q.Changed = s.Timestamp
		}
	case s.Timestamp < q.Changed:
	case q.State == messages.StatusError && s.Kind != messages.StatusOpened && s.Kind != messages.StatusStarted:
	case q.State != s.Kind:
		q.State, q.Changed = s.Kind, s.Timestamp
	}
}

func recordCount(p messages.Payload) (uint64, bool) {
	for _, key := range []string{messages.ReceivedRecordCount, messages.SentRecordCount} {
		if v, ok := p.Get(key); ok {
			return asCount(v)
		}
	}
	return 0, false
}

func (p *peers) healthy(q *peer, now time.Time) bool {
	return !q.LastSeen.IsZero() && now.Sub(q.LastSeen) < p.timeout
}

func (p *peers) view(q *peer, now time.Time) messages.Peer {
	v := q.Peer
	v.Healthy = p.healthy(q, now)
	return v
}

// snapshot gives all peers, by name.
func (p *peers) snapshot(now time.Time) []messages.Peer {
	out := make([]messages.Peer, len(p.all))
	for i := range p.all {
		out[i] = p.view(&p.all[i], now)
	}
	return out
}

// forget drops the peers that have been unhealthy for long.
func (p *peers) forget(now time.Time) {
	p.swept = now
	p.all = slices.DeleteFunc(p.all, func(q peer) bool {
		unhealthy := q.first // since
		if !q.LastSeen.IsZero() {
			unhealthy = q.LastSeen.Add(p.timeout)
		}
		return now.Sub(unhealthy) > forgetAfter*p.timeout
	})
}

// alive counts the healthy peers that are neither stopped nor closed. A peer that has not said a state yet may be at work.
func (p *peers) alive(now time.Time) (n int) {
	for i := range p.all {
		q := &p.all[i]
		if p.healthy(q, now) && q.State != messages.StatusStopped && q.State != messages.StatusClosed && q.State != messages.StatusError {
			n++
		}
	}
	return n
}

// open names a peer that is not known to be gone, if there is one. A peer is gone when it is closed or unhealthy; one known from history alone
// has a few health intervals to be heard.
func (p *peers) open(now time.Time) (name string, any bool) {
	listened := p.unheard(now) == 0
	for i := range p.all {
		q := &p.all[i]
		unheard := q.LastSeen.IsZero()
		if q.State != messages.StatusClosed && (p.healthy(q, now) || unheard && !listened) {
			return q.Name, true
		}
	}
	return "", false
}

// unheard is how much longer the endpoint must listen until whoever is there has been heard.
func (p *peers) unheard(now time.Time) time.Duration {
	if p.since.IsZero() {
		return suspectAfter * p.interval
	}
	return max(0, suspectAfter*p.interval-now.Sub(p.since))
}

// asCount reads a count as JSON may have it.
func asCount(v any) (uint64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	count, err := strconv.ParseUint(n.String(), 10, 64)
	return count, err == nil
}
