package messages

import (
	"slices"
	"time"
)

// Side is which end of a channel an endpoint is.
type Side string

// The two sides.
const (
	Reading Side = "reader"
	Writing Side = "writer"
)

// Endpoint says who an endpoint is.
type Endpoint struct {
	Side       Side
	Name       string // unique name: channel@context
	Context    string // the endpoint's own name
	Group      string
	GroupIndex int
}

// Faces says whether the other is on the other side, outside one's own group.
func (e *Endpoint) Faces(other *Endpoint) bool {
	return other.Side != e.Side && (e.Group == "" || other.Group != e.Group)
}

// Peer is what an endpoint knows of another. It is a value, safe to keep.
type Peer struct {
	Endpoint
	// State is "" until the peer has said one: then it is not initialised, and may well be healthy.
	State Kind
	// Changed is when the state last became different, by the peer's clock, in Unix milliseconds.
	Changed int64
	// Times are when the peer last said each kind of status.
	Times KindTimes
	// LastSeen is when its last message arrived here; of what was replayed from the stream, when the peer said it.
	LastSeen time.Time
	// Heard says that a message of it arrived live: what else is known of it is history.
	Heard bool
	// Awaited says that it was not heard, and may be yet: nobody has listened long enough to tell that it is gone.
	Awaited bool
	// Healthy says that LastSeen is recent (120 s by default).
	Healthy bool
	// Acknowledged says, to a writer, that the peer has acknowledged its input since the last write.
	Acknowledged bool
	// Skew is how far the peer's clock was ahead of ours at its last live message.
	Skew time.Duration
	// Records is what its last health check counted, received or sent, and Payload all that it carried.
	Records uint64
	Payload Payload
}

// KindTimes are times by kind of status, in Unix milliseconds by the peer's clock.
type KindTimes [8]int64

// At gives the time of a kind; 0: never.
func (t *KindTimes) At(k Kind) int64 {
	if i := slices.Index(kinds[:], k); i >= 0 {
		return t[i]
	}
	return 0
}

// Set notes the time of a kind.
func (t *KindTimes) Set(k Kind, at int64) {
	if i := slices.Index(kinds[:], k); i >= 0 {
		t[i] = at
	}
}

// Finished says that no more comes of the peer: it has stopped or closed, or is not healthy any more.
func (p *Peer) Finished() bool {
	return p.State == StatusStopped || p.State == StatusClosed || !p.Healthy && !p.Awaited
}

// PeerFilter chooses peers.
type PeerFilter func(*Peer) bool

// Filters for Where. A filter of your own may ask for anything else.
var (
	// IsHealthy: the last message is recent.
	IsHealthy PeerFilter = func(p *Peer) bool { return p.Healthy }
	// IsUnhealthy: it is not.
	IsUnhealthy PeerFilter = func(p *Peer) bool { return !p.Healthy }
	// NotInitialised: it has said no state yet.
	NotInitialised PeerFilter = func(p *Peer) bool { return p.State == "" }
	// IsFinished, see Peer.Finished.
	IsFinished PeerFilter = (*Peer).Finished
)

// InState chooses the peers in one of the states.
func InState(states ...Kind) PeerFilter {
	return func(p *Peer) bool { return slices.Contains(states, p.State) }
}

// InGroup chooses the members of a group; "" those of none.
func InGroup(name string) PeerFilter { return func(p *Peer) bool { return p.Group == name } }

// Named chooses by unique name, or by the endpoint's own name.
func Named(name string) PeerFilter {
	return func(p *Peer) bool { return p.Name == name || p.Context == name }
}

// OnSide chooses the peers of one side.
func OnSide(side Side) PeerFilter { return func(p *Peer) bool { return p.Side == side } }

// Not turns a filter around.
func Not(f PeerFilter) PeerFilter { return func(p *Peer) bool { return !f(p) } }

// Peers is what an endpoint knows of the others at one moment. It is a value, safe to keep. Its methods are the questions that a channel answers about its peers; those of pypz ask
// about all of them, whatever their side.
type Peers struct {
	// Self is who asks, and GroupSize how many members its group has, itself among them.
	Self      Endpoint
	GroupSize int
	// All are the peers, by unique name. The endpoint itself is none.
	All []Peer
}

// Where gives the peers that all filters choose.
func (p Peers) Where(filters ...PeerFilter) Peers {
	out := p
	out.All = nil
	for i := range p.All {
		if chosen(&p.All[i], filters) {
			out.All = append(out.All, p.All[i])
		}
	}
	return out
}

func chosen(peer *Peer, filters []PeerFilter) bool {
	for _, f := range filters {
		if !f(peer) {
			return false
		}
	}
	return true
}

// Any says whether all filters choose one of the peers.
func (p Peers) Any(filters ...PeerFilter) bool {
	for i := range p.All {
		if chosen(&p.All[i], filters) {
			return true
		}
	}
	return false
}

// Count counts the peers that all filters choose; without a filter, all.
func (p Peers) Count(filters ...PeerFilter) (n int) {
	for i := range p.All {
		if chosen(&p.All[i], filters) {
			n++
		}
	}
	return n
}

// Names gives the unique names of the peers that all filters choose.
func (p Peers) Names(filters ...PeerFilter) []string {
	var names []string
	for i := range p.All {
		if chosen(&p.All[i], filters) {
			names = append(names, p.All[i].Name)
		}
	}
	return names
}

// CountHealthy counts the healthy peers.
func (p Peers) CountHealthy() int { return p.Count(IsHealthy) }

// AnyHealthy says whether a peer is healthy; false without peers.
func (p Peers) AnyHealthy() bool { return p.Any(IsHealthy) }

// AnyUnhealthy says whether a peer is not; false without peers.
func (p Peers) AnyUnhealthy() bool { return p.Any(IsUnhealthy) }

// AnyHealthyNotStopped says whether a healthy peer has not stopped.
func (p Peers) AnyHealthyNotStopped() bool { return p.Any(IsHealthy, Not(InState(StatusStopped))) }

// AnyHealthyNotClosed says whether a healthy peer has not closed.
func (p Peers) AnyHealthyNotClosed() bool { return p.Any(IsHealthy, Not(InState(StatusClosed))) }

// AnyHealthyAtWork says whether a healthy peer has neither stopped nor closed.
func (p Peers) AnyHealthyAtWork() bool {
	return p.Any(IsHealthy, Not(InState(StatusStopped, StatusClosed)))
}

// Others gives the peers of the other side, outside one's own group.
func (p Peers) Others() Peers {
	return p.Where(func(q *Peer) bool { return p.Self.Faces(&q.Endpoint) })
}

// Members gives the other members of one's own group, as far as they are known: only a principal hears them.
func (p Peers) Members() Peers {
	return p.Where(func(q *Peer) bool { return p.Self.Group != "" && q.Group == p.Self.Group })
}

// AllAcknowledged says, to a writer, whether all healthy readers have acknowledged their input since its last write; true when there is none.
func (p Peers) AllAcknowledged() bool {
	return !p.Any(IsHealthy, OnSide(Reading), func(q *Peer) bool { return !q.Acknowledged })
}

// CanClose says whether the endpoint may close without taking something away from others: a writer may at any time, a reader when it is not the principal or has no group, when it has no
// peers, or when all other members of its group have finished (wire contract, "Life of a channel"). It is what pypz waits for; Close itself does not.
func (p Peers) CanClose() bool {
	if p.Self.Side == Writing || p.Self.GroupIndex > 0 || p.Self.Group == "" || len(p.All) == 0 {
		return true
	}
	return p.Members().Count(IsFinished) >= p.GroupSize-1
}
