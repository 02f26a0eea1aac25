package messages

// Between a supervisor and every child, whatever it does:
//
//	supervisor → child   Ping       when it has been silent for 2 s, to see that it answers
//	child → supervisor   Pong       the answer
//	child → supervisor   Ready      once: session open, consumer registered, confirms on, subscribed
//	child → supervisor   NotYet     what it waits for is not there yet; it goes on trying
//	supervisor → child   Finish     end in order: what is under way is flushed
//	child → supervisor   Finished   the answer
//	guard → supervisor   StopFailed a stop hook panicked or exited its goroutine
//	child → supervisor   Unhandled  a message it does not know: a bug

// Child names a part of a channel. Each part is an actor of its own.
type Child string

// The parts of a channel. MemberConsumer, which hears the other members of a group, is a principal's alone. Topology lives only while resources are created, awaited or deleted.
const (
	DataConsumer      Child = "data-consumer"
	DataProducer      Child = "data-producer"
	StatusProducer    Child = "status-producer"
	StatusConsumer    Child = "status-consumer"
	MemberConsumer    Child = "member-consumer"
	HealthTicker      Child = "health-ticker"
	MetricsAggregator Child = "metrics-aggregator"
	Topology          Child = "topology"
)

// From says which incarnation of which child a message comes from.
type From struct {
	Child Child
	Epoch uint64
}

type (
	// Ping asks a child whether it still handles messages.
	Ping struct{ Epoch, N uint64 }

	// Pong answers the Ping of the same number.
	Pong struct {
		From
		N uint64
	}

	// Ready says that the child can do its work from now on.
	Ready struct {
		From
		// LastSequence is what the broker has under a data producer's name, Next where a stream's data consumer begins, End where the stream ends, Stored what is stored under the consumer's name: as in broker.Opened.
		LastSequence, Next, End, Stored uint64
	}

	// NotYet says what the child waits for. It is no failure and takes nothing of the grace window.
	NotYet struct {
		From
		Reason error
	}

	// Finish asks a child to flush what it has and end its session in order.
	Finish struct{ Epoch uint64 }

	// Finished says that the session ended in order: the broker has everything that the child was given.
	Finished struct{ From }

	// StopFailed says that a child's stop hook failed. Lost means that the actor's goroutine exited, so that it will never say that it stopped.
	StopFailed struct {
		Who  string // the actor's id
		Err  error
		Lost bool
	}

	// Unhandled says that an actor was sent a message that it does not know.
	Unhandled struct {
		From
		Message any
	}
)

// IgnoreDeadLetterLogging says that nothing is wrong when a message finds nobody: a supervisor may have stopped before its children's last words.
func (From) IgnoreDeadLetterLogging() {}

// IgnoreDeadLetterLogging says that nothing is wrong when a message finds nobody: the child may have ended.
func (*Ping) IgnoreDeadLetterLogging() {}

// IgnoreDeadLetterLogging says that nothing is wrong when a message finds nobody: the parent may have stopped, too.
func (*StopFailed) IgnoreDeadLetterLogging() {}
