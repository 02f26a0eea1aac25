package messages

import (
	"time"
)

// Event tells whoever subscribes what happens to a channel. It is one of the pointers to the types below. Log lines, metrics, screens and the waits of
// tests all read this one stream. An event is immutable.
type Event interface {
	// Of gives what all events have.
	Of() Head
}

// Head is what all events have: when, and of which endpoint.
type Head struct {
	At            time.Time
	Channel, Name string
}

// Of implements Event.
func (h Head) Of() Head { return h }

type (
	// StateChanged says that the channel went on in its life.
	StateChanged struct {
		Head
		Was, Is State
	}

	// ChildStarted says that a new incarnation of a child was spawned.
	ChildStarted struct {
		Head
		From
	}

	// ChildReady says that the incarnation can do its work. Took is the time since its start.
	ChildReady struct {
		Head
		From
		Took time.Duration
	}

	// ChildRenewed says that an incarnation that had been idle for long was ended in order, and is followed by another at once: a broker that had forgotten it would never have said so. It is no failure.
	ChildRenewed struct {
		Head
		From
	}

	// ChildFailed says that an incarnation ended by a panic, an error, an exited goroutine, a hang or a lost connection, and was cut off.
	ChildFailed struct {
		Head
		From
		Err error
		// Stack is where it panicked; nil for failures that the child found itself.
		Stack []byte
		// WasReady says that it had been ready.
		WasReady bool
		// Retry is when the next incarnation starts.
		Retry time.Duration
		// Used of Window is how much of the grace window is used.
		Used, Window time.Duration
	}

	// GraceOpened says that a failure opened a child's grace window.
	GraceOpened struct {
		Head
		Child Child
	}

	// GraceClosed says that a child has proved itself: its window is closed and its back-off reset.
	GraceClosed struct {
		Head
		Child    Child
		Used     time.Duration
		Failures int
	}

	// GraceRanOut says that a child's window ran out: the channel fails.
	GraceRanOut struct {
		Head
		Child    Child
		Failures int
	}

	// Abandoned says that a stopped incarnation never ended: its handler does not return, and its goroutine is lost. Count is the channel's total.
	Abandoned struct {
		Head
		Actor string
		Count int
	}

	// WaitsFor says why the channel is not open yet, or not deleted yet.
	WaitsFor struct {
		Head
		From
		Reason error
	}

	// AlarmChanged says that the broker's alarm went on or off: writers wait meanwhile.
	AlarmChanged struct {
		Head
		From
		On bool
	}

	// ConfirmsStalled says that the oldest unconfirmed record has waited since then.
	ConfirmsStalled struct {
		Head
		From
		Since time.Time
	}

	// PublishedAgain says that the broker negatively acknowledged records, which are published again behind all others.
	PublishedAgain struct {
		Head
		Records int
		Err     error
	}

	// PeerAppeared says that a peer was heard of for the first time, live or in the history.
	PeerAppeared struct {
		Head
		Peer Peer
	}

	// PeerChanged says that a peer was heard live for the first time, or that its state became another.
	PeerChanged struct {
		Head
		Peer Peer
	}

	// StatusReceived hands over one status of a peer, and what is known of the peer with it. For each status, PeerAppeared comes before, and PeerChanged behind.
	StatusReceived struct {
		Head
		Peer   Peer
		Status Status
		// History says that it was replayed, and may have been said before this endpoint listened. Each status comes once, but replayed ones again when a status consumer fails while it replays.
		History bool
	}

	// StatusesReceived hands over statuses that came together, behind the events of each. Statuses of the endpoint itself are among them.
	StatusesReceived struct {
		Head
		Side     Side // whose they are
		Statuses []Status
		History  bool
	}

	// StatusLate says that a live status was older than another that the peer had said before, by its own clock. It counts all the same.
	StatusLate struct {
		Head
		Peer string // unique name
		By   time.Duration
	}

	// HealthEntryDropped says that an entry of the user's was left out of a health check: it cannot be written, is too large, or has a key that is taken.
	HealthEntryDropped struct {
		Head
		Key string
		Err error
	}

	// QueueNotEmpty says that a queue is deleted with so many records in it, unless somebody uses it.
	QueueNotEmpty struct {
		Head
		Queue string
		Ready int
	}

	// CommitIgnored says that a CommitUpTo was lower than what was committed before.
	CommitIgnored struct {
		Head
		Count, Committed uint64
	}

	// BadStatuses says that so many messages of a status stream were no status.
	BadStatuses struct {
		Head
		Count int
		Why   error
	}

	// ChannelFailed says that the channel has failed. Err is what every waiting call got.
	ChannelFailed struct {
		Head
		Err error
	}

	// UnhandledMessage says that an actor was sent a message that it does not know. It is a bug of the program.
	UnhandledMessage struct {
		Head
		From
		Message any
	}

	// StopHookFailed says that a child failed while it was being stopped. It was being replaced anyway.
	StopHookFailed struct {
		Head
		Actor string
		Err   error
	}
)
