package broker

import (
	"fmt"
	"time"
)

// Request is one administrative request, see [Lease]. It is one of the types below. Its String says what is asked of which resource, as in errors.
type Request interface {
	fmt.Stringer
	brokerRequest()
}

// Result is what came of a request. Queue is set by DeclareQueue and InspectQueue.
type Result struct {
	Err   error
	Queue QueueInfo
}

// QueueInfo is what the broker says of a queue.
type QueueInfo struct {
	// Ready is how many records wait to be delivered; those that consumers hold unsettled do not count.
	// Consumers is how many consume it. Of a stream neither need be told: RabbitMQ says 0 and 0.
	Ready, Consumers int
}

type (
	// Probe asks for nothing but an answer: a connection was made and the credentials were accepted.
	Probe struct{}

	// DeclareExchange makes a durable exchange. Declaring what exists does nothing; with another kind it is ErrWrongType.
	DeclareExchange struct {
		Name string
		Kind ExchangeKind
	}

	// DeclareQueue makes a durable queue. Declaring what exists with the same options does nothing; with others it is ErrWrongType.
	DeclareQueue struct {
		Name string
		QueueOptions
	}

	// BindQueue binds a queue to an exchange. Binding twice does nothing; where one of them is missing it is ErrNotFound.
	BindQueue struct{ Queue, Exchange, RoutingKey string }

	// InspectQueue asks whether a queue exists, whatever its type: ErrNotFound when not.
	InspectQueue struct{ Name string }

	// InspectExchange asks whether an exchange exists: ErrNotFound when not.
	InspectExchange struct{ Name string }

	// DeleteQueue deletes a queue with its contents. A missing queue is no error. With IfUnused a queue that has consumers is ErrInUse
	// and stays: at once on classic queues; on quorum queues, which know no such request, the port looks first; a stream's consumers
	// cannot be seen, so a stream is deleted under them.
	DeleteQueue struct {
		Name     string
		IfUnused bool
	}

	// DeleteExchange deletes an exchange. A missing exchange is no error. With IfUnused an exchange that has bindings is ErrInUse and stays.
	DeleteExchange struct {
		Name     string
		IfUnused bool
	}
)

// String says what is asked.
func (Probe) String() string { return "probe" }

// String says what is asked.
func (r DeclareExchange) String() string { return fmt.Sprintf("declare exchange %q", r.Name) }

// String says what is asked.
func (r DeclareQueue) String() string { return fmt.Sprintf("declare queue %q", r.Name) }

// String says what is asked.
func (r BindQueue) String() string {
	return fmt.Sprintf("bind queue %q to exchange %q", r.Queue, r.Exchange)
}

// String says what is asked.
func (r InspectQueue) String() string { return fmt.Sprintf("inspect queue %q", r.Name) }

// String says what is asked.
func (r InspectExchange) String() string { return fmt.Sprintf("inspect exchange %q", r.Name) }

// String says what is asked.
func (r DeleteQueue) String() string { return fmt.Sprintf("delete queue %q", r.Name) }

// String says what is asked.
func (r DeleteExchange) String() string { return fmt.Sprintf("delete exchange %q", r.Name) }

func (Probe) brokerRequest()           {}
func (DeclareExchange) brokerRequest() {}
func (DeclareQueue) brokerRequest()    {}
func (BindQueue) brokerRequest()       {}
func (InspectQueue) brokerRequest()    {}
func (InspectExchange) brokerRequest() {}
func (DeleteQueue) brokerRequest()     {}
func (DeleteExchange) brokerRequest()  {}

// ExchangeKind is how an exchange routes.
type ExchangeKind string

// The kinds that weir uses.
const (
	Direct ExchangeKind = "direct"
	Fanout ExchangeKind = "fanout"
)

// QueueType is what a queue is made of.
type QueueType string

// The types of queues. UnspecifiedType leaves it to the broker's default and sends no argument: classic, unless the virtual host says otherwise.
const (
	UnspecifiedType QueueType = ""
	Classic         QueueType = "classic"
	Quorum          QueueType = "quorum"
	Stream          QueueType = "stream"
)

// QueueOptions are a queue's arguments. The zero value of a field sends no argument. QueueOptions are comparable: two declarations agree when they are equal.
type QueueOptions struct {
	Type QueueType
	// DeliveryLimit is how often a quorum queue delivers a record again before it dead-letters it.
	DeliveryLimit int
	// DeadLetterTo names the queue that dead-lettered records go to, by the default exchange. On a quorum queue the transfer is
	// at-least-once, which makes a full queue refuse records instead of dropping its oldest.
	DeadLetterTo string
	// MaxLength is the most records it keeps; the oldest are dropped, or on an at-least-once queue new ones refused.
	MaxLength int
	// MaxAge is how long it keeps records: a time to live on queues, a retention on streams (whole seconds).
	MaxAge time.Duration
	// MaxBytes is how much it keeps; for streams a retention.
	MaxBytes int64
	// SegmentBytes is the size of a stream's segment files: retention works in whole segments, and never drops the one that is written.
	SegmentBytes int64
	// SingleActiveConsumer delivers to one consumer at a time, the others wait.
	SingleActiveConsumer bool
}

// StreamOffset is where to begin in a stream. The zero value is the first record that is kept.
type StreamOffset struct {
	From OffsetKind
	// Offset is used with FromOffset.
	Offset uint64
	// Time is used with FromTime. Brokers begin at the chunk that holds it: earlier records may come, and nothing in a record says so.
	Time time.Time
}

// OffsetKind is the kind of a StreamOffset.
type OffsetKind int

// Where to begin.
const (
	FromFirst  OffsetKind = iota // the first record that is kept
	FromLast                     // the last chunk: earlier records may come with the last
	FromNext                     // what is published from now on
	FromOffset                   // StreamOffset.Offset, exactly
	FromTime                     // StreamOffset.Time
)
