package weir

import (
	"fmt"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/codec"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

var (
	// ErrClosed: the channel, or its runtime, was closed.
	ErrClosed = supervisor.ErrClosed
	// ErrNotStarted: the endpoint stands by, see StandBy and Stop.
	ErrNotStarted = supervisor.ErrNotStarted
	// ErrSilent: a silent reader reads no records, and a silent endpoint neither acknowledges its input nor deletes.
	ErrSilent = supervisor.ErrSilent
	// ErrRedelivered: the session that delivered a batch has failed since, so its records are delivered again and there is nothing to commit.
	// It is no reason to stop: read on.
	ErrRedelivered = supervisor.ErrRedelivered
	// ErrNoQueue: a record came back because no queue is bound where it was published.
	ErrNoQueue = actors.ErrNoQueue
	// ErrNameInUse: another writer of the channel, which is a stream, has the name.
	ErrNameInUse = actors.ErrNameInUse
	// ErrAlarm: the broker takes no records, since its alarm for memory or disk is on. It is the Cause of a Close that ended by its deadline over it.
	ErrAlarm = supervisor.ErrAlarm
	// ErrTooLarge: a record is longer than MaxRecord.
	ErrTooLarge = codec.ErrTooLarge
)

// ChannelError says that a channel has failed, and which part of it could not be replaced within the grace window.
type ChannelError = supervisor.ChannelError

// CloseError says what a Close left behind at its deadline.
type CloseError = supervisor.CloseError

// Outcome is what became of one record of a Write.
type Outcome = messages.Outcome

// The outcomes of a record.
const (
	NotSent    = messages.NotSent           // never handed to the broker
	Unknown    = messages.Unknown           // handed to the broker, which may or may not have it; it is not sent again
	Unroutable = messages.Unroutable        // returned: no queue is bound
	Confirmed  = messages.ConfirmedByBroker // the broker has it
)

// WriteError says what became of each record of a Write that did not end with all of them confirmed.
type WriteError struct {
	Channel string
	// Outcomes has one entry for each record of the call.
	Outcomes []Outcome
	// Cause is why: the context's error, a *ChannelError, ErrClosed.
	Cause error
}

// Count says how many records had that outcome.
func (e *WriteError) Count(o Outcome) (n int) {
	for _, is := range e.Outcomes {
		if is == o {
			n++
		}
	}
	return n
}

// Error implements error.
func (e *WriteError) Error() string {
	return fmt.Sprintf("write to channel %s: of %d records %d confirmed, %d unknown, %d unroutable, %d not sent: %v", e.Channel,
		len(e.Outcomes), e.Count(Confirmed), e.Count(Unknown), e.Count(Unroutable), e.Count(NotSent), e.Cause)
}

// Unwrap gives the cause.
func (e *WriteError) Unwrap() error { return e.Cause }

// RecordError says which record of a Write does not fit its format (nothing of that call was sent), or which record of a batch cannot be decoded.
type RecordError struct {
	Channel string
	Index   int // in the call, or in the batch
	Err     error
}

// Error implements error.
func (e *RecordError) Error() string {
	return fmt.Sprintf("channel %s: record %d: %v", e.Channel, e.Index, e.Err)
}

// Unwrap gives the codec's error.
func (e *RecordError) Unwrap() error { return e.Err }

// DeadLetterError says that a record that cannot be decoded could not be dead-lettered either. It is kept: the next Read tries again.
type DeadLetterError struct {
	Channel string
	Err     error
}

// Error implements error.
func (e *DeadLetterError) Error() string {
	return fmt.Sprintf("channel %s: dead-letter a record that cannot be decoded: %v", e.Channel, e.Err)
}

// Unwrap gives the cause. A ChannelError in it is that of the dead letters' own writer.
func (e *DeadLetterError) Unwrap() error { return e.Err }

// openError says why a channel is not open when its context ended.
func openError(channel, what string, ended, reason error) error {
	if reason == nil {
		return fmt.Errorf("%s channel %s: %w", what, channel, ended)
	}
	return fmt.Errorf("%s channel %s: %w; not yet: %w", what, channel, ended, reason)
}
