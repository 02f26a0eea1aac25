package messages

import (
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Between a user and a channel's supervisor. Each request is answered once: by its Done, or where that is nil by a message to its sender.
// Done is called in the supervisor's goroutine and must not block.
//
//	user → supervisor         Open        → Opened      tells when the channel is open, or why not
//	user → supervisor         AwaitPeers  → Opened      so many peers are there, were seen, or have finished
//	user → supervisor         Start       → Opened      a channel that stands by runs
//	user → supervisor         Stop        → Opened      it stands by again; a writer when all is confirmed
//	user → supervisor         SchemaKnown               peers need not be told any more that a schema is waited for
//	user → writer supervisor  Write       → Written     at the end of the records, whatever it is
//	user → writer supervisor  Writes                    the same, many gathered
//	user → writer supervisor  Withdraw                  ends a Write early
//	user → reader supervisor  Demand      → Batch       the next records
//	user → reader supervisor  Commit      → Committed   the records of a batch are done with
//	user → reader supervisor  CommitUpTo  → Committed   the first so many records are done with
//	user → reader supervisor  Remaining   → Remainder   is there more to read
//	user → reader supervisor  AcknowledgeInput → Opened tells the writers that this reader has all that it needs
//	user → supervisor         Inspect     → Snapshot    what it is like now
//	user → supervisor         Close       → Closed      end in order

type (
	// Open asks to be told when the channel is open. Until then the events say why it is not (WaitsFor, ChildFailed). To a channel that is open already, it is a request to say so
	// to the peers again.
	Open struct{ Done func(*Opened) }

	// AwaitPeers asks to be told when at least Count peers of the other side, outside one's own group, are what Are says. NotYet, if set, is called with what is missing whenever
	// peers have changed. Expired, if set, says that nobody waits any more: the request is forgotten then, without an answer. Neither may block.
	AwaitPeers struct {
		Count   int
		Are     PeersAre
		NotYet  func(error)
		Expired func() bool
		Done    func(*Opened)
	}

	// Opened answers Open, AwaitPeers, Start, Stop and AcknowledgeInput.
	Opened struct{ Err error }

	// Start makes a channel that stands by run: peers are told Started.
	Start struct{ Done func(*Opened) }

	// Stop makes a channel that runs stand by: writes and demands are refused, and peers are told Stopped, by a writer when all is confirmed. What a reader has handed over can still
	// be committed.
	Stop struct{ Done func(*Opened) }

	// SchemaKnown ends AwaitSchema of the config.
	SchemaKnown struct{}

	// AcknowledgeInput tells the writers that this reader acknowledges what it has read.
	AcknowledgeInput struct{ Done func(*Opened) }

	// Write asks to publish records, in their order. The window bounds what is at the broker, not what is admitted: a supervisor takes every Write and
	// keeps it until its end, through an outage, too. Who sends them bounds what is under way (as package weir does: by the window).
	//
	// Awaited says that whoever sends it waits for the answer before sending what has to come behind it. So it has no order against what others send meanwhile: it and that may
	// overtake each other. Behind a Write that is not Awaited it stays.
	Write struct {
		Records []broker.Record
		Awaited bool
		Done    func(*Written)
	}

	// Writes is sent once for all that gathered since the last one: Take gives them in their order.
	Writes struct{ Take func() []*Write }

	// Withdraw ends a Write now: what was not sent is withdrawn, what was sent is Unknown and not sent again.
	Withdraw struct{ Write *Write }

	// Written answers a Write. Err is nil when every record was confirmed. Otherwise Outcomes has one entry for each record.
	Written struct {
		Write    *Write
		Err      error
		Outcomes []Outcome
	}

	// Demand asks for up to Max records, at least 1. Demands are answered in their order.
	Demand struct {
		Max  int
		Done func(*Batch)
	}

	// Batch is records handed over, or the error that ended the Demand. Tags First to Last of the epoch's session.
	Batch struct {
		Epoch       uint64
		First, Last uint64
		Records     []broker.Record
		Err         error
	}

	// Commit says that all records of the batch are done with.
	Commit struct {
		Batch *Batch
		Done  func(*Committed)
	}

	// CommitUpTo says that the first Count records that were handed over since the channel was opened are done with. More than were handed over is an error; as many as before does
	// nothing; fewer is ignored, with an event.
	CommitUpTo struct {
		Count uint64
		Done  func(*Committed)
	}

	// Committed answers a Commit and a CommitUpTo.
	Committed struct{ Err error }

	// Remaining asks whether there is more to read. The peers are looked at first, and then the records: so a writer that finishes in between has nothing that is missed.
	// Expired, if set, says that nobody waits any more: the request is forgotten then, without an answer. It must not block.
	Remaining struct {
		Expired func() bool
		Done    func(*Remainder)
	}

	// Remainder answers Remaining.
	Remainder struct {
		// Records says that records wait, here or at the broker; not those that others hold unacknowledged.
		Records bool
		// Finished counts the peers of the other side that have finished, and Expected is the config's. AtWork says that another has not finished.
		Finished, Expected int
		AtWork             bool
		Err                error
	}

	// Inspect asks for a Snapshot.
	Inspect struct{ Done func(*Snapshot) }

	// Close asks to end in order within Timeout: intake stops, confirms and acknowledgements are awaited, Stopped and Closed are sent.
	// With Delete the channel's resources are deleted then, the status streams only when no peer is open; Force does not wait for peers.
	Close struct {
		Timeout       time.Duration
		Delete, Force bool
		Done          func(*Closed)
	}

	// Closed answers a Close. Err says what was left.
	Closed struct{ Err error }
)

// Outcome is what became of one record of a Write.
type Outcome uint8

// The outcomes of a record.
const (
	NotSent           Outcome = iota // never handed to the broker
	Unknown                          // handed to the broker, which may or may not have it
	Unroutable                       // returned: no queue is bound
	ConfirmedByBroker                // the broker has it
)

// String gives the outcome's name.
func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not sent"
	case Unknown:
		return "unknown"
	case Unroutable:
		return "unroutable"
	case ConfirmedByBroker:
		return "confirmed"
	}
	return "invalid outcome"
}

// PeersAre is what AwaitPeers waits for.
type PeersAre int

// What peers can be waited for to be. Each counts only peers of the other side.
const (
	// PeersAlive: heard live, healthy, and neither stopped, closed nor in error.
	PeersAlive PeersAre = iota
	// PeersSeen: alive, or healthy by what the history says; to a reader also a writer that stopped or closed, whenever that was: its records may be there. A reader that has gone, or that
	// crashed long ago, is not seen.
	PeersSeen
	// PeersFinished: stopped, closed or unhealthy, and no other is at work.
	PeersFinished
)

// Offsets count a reader's records as pypz does: before the channel is open Current is NotInitialisedOffset and the others are 0; then the first record has offset 0, and -1 is before it.
type Offsets struct{ Initial, Current, Committed int64 }

// NotInitialisedOffset is the current offset before the channel was opened.
const NotInitialisedOffset = -9999

// Snapshot is what a channel is like at one moment. It is the receiver's.
type Snapshot struct {
	Channel, Name string
	State         State
	History       []StateAt // its states so far, the last is State
	Err           error     // why it failed
	Children      []ChildSnapshot
	Peers         Peers
	Offsets       Offsets // of a reader
	// Records counts what a writer has had confirmed or a reader has handed over.
	Records uint64
	// Waiting counts records: a writer's that are not confirmed, a reader's that are delivered but not handed over.
	Waiting int
	// Uncommitted counts records that were handed over and not committed.
	Uncommitted int
}

// StateAt is a state and when it was entered.
type StateAt struct {
	State State
	At    time.Time
}

// ChildSnapshot is what a child is like at one moment.
type ChildSnapshot struct {
	Child    Child
	Epoch    uint64 // incarnations so far
	Ready    bool
	Failures uint64 // since the channel began
	// GraceUsed is how much of the grace window is used; 0 while it is closed.
	GraceUsed time.Duration
	LastError error
}

// State is where a channel is in its life.
type State string

// The states of a channel, in the order in which it goes through them; it may go from Running to Standby and back. Failed can follow each but the last two.
const (
	Preparing State = "preparing" // resources are created or awaited
	Opening   State = "opening"   // children are connecting
	Standby   State = "standby"   // Opened was said: not started, or stopped again
	Running   State = "running"   // Started was said
	Closing   State = "closing"   // ends in order
	ClosedNow State = "closed"
	Failed    State = "failed" // a grace window ran out, or an error that no retry mends
)
