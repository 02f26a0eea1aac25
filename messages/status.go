package messages

import (
	"time"
)

// Between a supervisor and its status producer and consumer:
//
//	supervisor → status producer   SendStatus    in their order
//	status producer → supervisor   StatusSent    the broker has them
//	status consumer → supervisor   PeersSaid     statuses of peers, history and live apart

type (
	// SendStatus hands a status to the current status producer. Seq numbers the statuses of this endpoint.
	SendStatus struct {
		Epoch  uint64
		Seq    uint64
		Status Status
	}

	// StatusSent says that the broker has the statuses of these numbers.
	StatusSent struct {
		From
		First, Last uint64
	}

	// PeersSaid hands over statuses of a stream, in its order.
	PeersSaid struct {
		From
		Statuses []Status
		// History says that they were there before the endpoint listened: they set states, but no peer's health.
		History bool
		// Next is where to go on in the stream; 0 while history is read.
		Next uint64
		// Bad counts messages that were no status; Why says what was wrong with the last of them.
		Bad int
		Why error
	}
)

// Kind is a status's kind, as on the wire.
type Kind string

// The kinds of a status. The first five are states of an endpoint.
const (
	StatusOpened           Kind = "Opened"
	StatusStarted          Kind = "Started"
	StatusStopped          Kind = "Stopped"
	StatusClosed           Kind = "Closed"
	StatusError            Kind = "Error"
	StatusHealthCheck      Kind = "HealthCheck"
	StatusWaitingForSchema Kind = "WaitingForSchema"
	StatusAcknowledged     Kind = "Acknowledged"
)

// IsState says whether the kind is a state of an endpoint.
func (k Kind) IsState() bool {
	switch k {
	case StatusOpened, StatusStarted, StatusStopped, StatusClosed, StatusError:
		return true
	}
	return false
}

// Status is one message on a status stream.
type Status struct {
	Channel    string
	Context    string // the endpoint's name
	Group      string // "" on the wire is null
	GroupIndex int
	Kind       Kind
	Payload    Payload // nil on the wire is null
	Timestamp  int64   // Unix milliseconds
}

// UniqueName names the endpoint within the broker.
func (s *Status) UniqueName() string { return s.Channel + "@" + s.Context }

// Peer is what an endpoint knows of another. It is a value, safe to keep.
type Peer struct {
	Name       string // unique name
	Context    string
	Group      string
	GroupIndex int
	// State is "" until the peer has said one: then it is not initialised, and may well be healthy.
	State Kind
	// Changed is when the state last became different, by the peer's clock, in Unix milliseconds.
	Changed int64
	// LastSeen is when its last live message arrived here; zero when all that is known of it is history.
	LastSeen time.Time
	// Healthy says that LastSeen is recent (120 s by default).
	Healthy bool
	// Skew is how far the peer's clock was ahead of ours at its last live message.
	Skew time.Duration
	// Records is what its last health check counted, received or sent.
	Records uint64
}
