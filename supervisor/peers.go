package supervisor

import (
	"encoding/json"
	"fmt"
	"math"
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
	// lastLook is how long a peer that has closed still uses the streams: pypz polls once more, for as long as something comes and then 100 ms of silence.
	lastLook = 500 * time.Millisecond
	// describeMost is how many peers an error describes.
	describeMost = 8
)

// peers is what an endpoint knows of the others (wire contract, "Peer monitor"): one entry for each unique name, made by its first message, never one for oneself.
type peers struct {
	self      messages.Endpoint
	groupSize int
	timeout   time.Duration // healthy while the last message is younger
	interval  time.Duration // of health checks
	since     time.Time     // listening since
	swept     time.Time     // when forget last looked
	writes    uint64        // an acknowledgement counts until the next write
	all       []peer        // sorted by name
}

type peer struct {
	messages.Peer
	newest       int64 // greatest timestamp
	first        time.Time
	acknowledged uint64        // peers.writes when it was, plus 1
	replayed     uint64        // the same, of an acknowledgement that was replayed
	ahead        messages.Kind // a state that was heard before the history that leads to it, which may never come: the stream may be deleted before it was read
	aheadAt      int64
	told         bool          // it was given by apply, in the state
	as           messages.Kind // that it had then
}

func newPeers(self messages.Endpoint, groupSize int, timeout, interval time.Duration) peers {
	return peers{self: self, groupSize: groupSize, timeout: timeout, interval: interval}
}

// listen notes when the endpoint began to listen.
func (p *peers) listen(now time.Time) {
	if p.since.IsZero() {
		p.since = now
	}
}

// hearing is how a status came.
type hearing int

const (
	live     hearing = iota
	replayed         // from the stream's history
	again            // live, and it was told with the history before, or will be
)

// news is what a status tells.
type news struct {
	peer *peer // nil: of oneself, or of one too many
	// appeared says that nothing was known of it. changed says that it is heard live for the first time or in another state than it was last told in. Not: than it
	// was in before, for the history may have been read up to a live status before that arrives.
	appeared, changed bool
	late              time.Duration // by how much a live status is older than another that was said before
}

// apply takes in one status of a side.
func (p *peers) apply(s *messages.Status, side messages.Side, how hearing, now time.Time) (n news) {
	name := s.UniqueName()
	if name == p.self.Name {
		return n
	}
	if n.peer, n.appeared = p.find(name, now); n.peer == nil {
		return n
	}
	q := n.peer
	if n.appeared {
		q.Endpoint = messages.Endpoint{Side: side, Name: name, Context: s.Context, Group: s.Group, GroupIndex: s.GroupIndex}
	}
	if how == live && s.Timestamp < q.newest {
		n.late = milliseconds(q.newest - s.Timestamp)
	}
	if how != again {
		q.next(s)
	} else if s.Kind.IsState() {
		q.ahead, q.aheadAt = s.Kind, s.Timestamp
	}
	if s.Kind == messages.StatusAcknowledged {
		p.mark(q, how)
	}
	q.heard(s, how, now)
	if how != replayed && (!q.told || q.as != q.State) {
		q.told, q.as, n.changed = true, q.State, true
	}
	return n
}

// find gives the entry of a name, a new one if there is room.
func (p *peers) find(name string, now time.Time) (q *peer, fresh bool) {
	place := func() (int, bool) {
		return slices.BinarySearchFunc(p.all, name, func(q peer, name string) int { return strings.Compare(q.Name, name) })
	}
	i, known := place()
	if known {
		return &p.all[i], false
	}
	if len(p.all) >= maxPeers {
		if now.Sub(p.swept) < p.interval {
			return nil, false // a flood of names must not cost a look at all peers each
		}
		if p.forget(now); len(p.all) >= maxPeers {
			return nil, false
		}
		i, _ = place()
	}
	p.all = slices.Insert(p.all, i, peer{first: now})
	return &p.all[i], true
}

// heard notes when the peer was last there. What was replayed arrived long ago: its age is that of the message, or a dead peer would look alive after every restart.
func (q *peer) heard(s *messages.Status, how hearing, now time.Time) {
	seen := now
	if how == replayed {
		seen = time.UnixMilli(min(s.Timestamp, now.UnixMilli()))
	} else {
		q.Heard = true
		q.Skew = milliseconds(s.Timestamp - now.UnixMilli())
	}
	if seen.After(q.LastSeen) {
		q.LastSeen = seen
	}
}

// mark notes who has acknowledged. A replayed acknowledgement may be of what was written before: it counts before the first write, and otherwise when it turns out to be live
// and nothing was written in between.
func (p *peers) mark(q *peer, how hearing) {
	now := p.writes + 1
	switch {
	case how == replayed:
		q.replayed = now
		if p.writes == 0 {
			q.acknowledged = now
		}
	case how == live, q.replayed == now:
		q.acknowledged = now
	}
}

// milliseconds gives a duration, or the longest that there is.
func milliseconds(n int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-most, min(n, most))) * time.Millisecond
}

// wrote clears the marks of who has acknowledged, before the records go: an early acknowledgement of them counts.
func (p *peers) wrote() { p.writes++ }

// next is the state machine. Changed is when the state last became different. A state is accepted when it is not older than that; Error is left only for Opened and Started.
func (q *peer) next(s *messages.Status) {
	if q.newest = max(q.newest, s.Timestamp); s.Timestamp >= q.aheadAt {
		q.ahead = ""
	}
	q.Times.Set(s.Kind, s.Timestamp)
	switch s.Kind {
	case messages.StatusOpened: // a new life counts anew
		q.Payload, q.Records = nil, 0
	case messages.StatusHealthCheck:
		q.Payload = s.Payload
		if count, ok := recordCount(s.Payload); ok {
			q.Records = count
		}
	}
	switch {
	case !s.Kind.IsState() || s.Timestamp < q.Changed:
		if q.State == "" { // a state that is dropped sets it back, so the next of its time is accepted
			q.Changed = s.Timestamp
		}
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

func (p *peers) healthy(q *peer, now time.Time) bool { return now.Sub(q.LastSeen) < p.timeout }

func (p *peers) view(q *peer, now time.Time) messages.Peer {
	v := q.Peer
	v.Healthy = p.healthy(q, now)
	v.Awaited = !q.Heard && p.unheard(now) > 0
	v.Acknowledged = q.acknowledged == p.writes+1
	return v
}

// snapshot gives all peers, by name.
func (p *peers) snapshot(now time.Time) messages.Peers {
	out := messages.Peers{Self: p.self, GroupSize: p.groupSize, All: make([]messages.Peer, len(p.all))}
	for i := range p.all {
		out.All[i] = p.view(&p.all[i], now)
	}
	return out
}

// forget drops the peers that have been unhealthy for long. Only where there is no room for others: a writer that has finished long ago still is one of those that a reader expects.
func (p *peers) forget(now time.Time) {
	p.swept = now
	p.all = slices.DeleteFunc(p.all, func(q peer) bool {
		unhealthy := q.LastSeen.Add(p.timeout) // since
		if unhealthy.Before(q.first) {
			unhealthy = q.first
		}
		return now.Sub(unhealthy) > forgetAfter*p.timeout
	})
}

// are counts the peers of the other side that are what somebody waits for, and says whether that would do for any number.
func (p *peers) are(what messages.PeersAre, now time.Time) (count int, enough bool) {
	enough = true
	for i := range p.all {
		if !p.self.Faces(&p.all[i].Endpoint) {
			continue
		}
		q, is := p.view(&p.all[i], now), false
		switch what {
		case messages.PeersAlive: // a peer that has not said a state yet may be at work
			is = q.Heard && q.Healthy && !over(q.State) && !over(p.all[i].ahead)
		case messages.PeersSeen:
			is = q.Healthy && !over(q.State) || over(q.State) && p.self.Side == messages.Reading
		case messages.PeersFinished:
			is = q.Finished() || p.all[i].ahead == messages.StatusStopped || p.all[i].ahead == messages.StatusClosed
			enough = enough && is
		}
		if is {
			count++
		}
	}
	return count, enough
}

// over says whether a state is that of a peer that is not at work any more.
func over(k messages.Kind) bool {
	return k == messages.StatusStopped || k == messages.StatusClosed || k == messages.StatusError
}

// describe says of each peer of the other side what is known of it, for an error; at most a few.
func (p *peers) describe(now time.Time) string {
	others := p.snapshot(now).Others().All
	if len(others) == 0 {
		return "none was seen"
	}
	var said []string
	for i := range others {
		if i == describeMost {
			said = append(said, fmt.Sprintf("and %d more", len(others)-i))
			break
		}
		q := &others[i]
		state := strings.ToLower(string(q.State))
		if state == "" {
			state = "not initialised"
		}
		said = append(said, fmt.Sprintf("%s is %s, last heard %s ago", q.Context, state, max(0, now.Sub(q.LastSeen)).Round(100*time.Millisecond)))
	}
	return strings.Join(said, "; ")
}

// open names a peer that is not known to be gone, if there is one. A peer is gone when it is closed or unhealthy; one known from history alone
// has a few health intervals to be heard.
func (p *peers) open(now time.Time) (name string, any bool) {
	listened := p.unheard(now) == 0
	for i := range p.all {
		q := &p.all[i]
		if q.State != messages.StatusClosed && q.ahead != messages.StatusClosed && (q.Heard && p.healthy(q, now) || !q.Heard && !listened) {
			return q.Name, true
		}
	}
	return "", false
}

// leaving names a peer that has just said that it closes, if there is one, and says how much longer it has for its last look at its peers (wire contract, "Life of a channel").
func (p *peers) leaving(now time.Time) (name string, wait time.Duration) {
	for i := range p.all {
		q := &p.all[i]
		if left := lastLook - now.Sub(q.LastSeen); q.State == messages.StatusClosed && q.Heard && left > wait {
			name, wait = q.Name, left
		}
	}
	return name, wait
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
