package messages

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
		// Again is how many of them, at the beginning, only say that the peer is there: they were told with the history, or will be, in the stream's order.
		Again int
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

var kinds = [...]Kind{StatusOpened, StatusStarted, StatusStopped, StatusClosed, StatusError, StatusHealthCheck, StatusWaitingForSchema, StatusAcknowledged}

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
