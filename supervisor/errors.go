package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/d2e2d648/weir/messages"
)

var (
	// ErrClosed: the channel was closed, by its user or because its program ends.
	ErrClosed = errors.New("channel is closed")
	// ErrRedelivered: the records of the batch were delivered by a session that has failed since. The broker delivers them again, so
	// there is nothing to commit.
	ErrRedelivered = errors.New("the session that delivered the batch has failed: its records are delivered again")
	// ErrNotStarted: the channel stands by: it was opened so, or stopped.
	ErrNotStarted = errors.New("channel is not started")
	// ErrSilent: a silent reader consumes no records.
	ErrSilent = errors.New("endpoint is silent: it reads no records and says nothing")
	// ErrHung: a child did not answer its supervisor.
	ErrHung = errors.New("does not answer")
	// ErrWithdrawn: a write was ended by its caller.
	ErrWithdrawn = errors.New("withdrawn by the caller")

	// ErrAlarm: the broker takes no records, since its alarm for memory or disk is on.
	ErrAlarm = errors.New("the broker's alarm is on: it takes no records")

	errNoBatch = errors.New("commit: Batch is nil: it must be the one that a Demand was answered with")
)

// ChannelError says that a channel has failed: what every waiting and every later call gets.
type ChannelError struct {
	Channel, Name string
	// Child is the part that could not be replaced; "supervisor" when that failed itself.
	Child messages.Child
	// Failures within the grace window, which was opened at Since and of which Used had been used.
	Failures int
	Since    time.Time
	Used     time.Duration
	// Permanent says that the channel failed at once, since no retry would mend the cause.
	Permanent bool
	Cause     error
}

// Error implements error.
func (e *ChannelError) Error() string {
	if e.Permanent {
		return fmt.Sprintf("channel %s (%s) failed: %s: %v; no retry would mend it", e.Channel, e.Name, e.Child, e.Cause)
	}
	return fmt.Sprintf("channel %s (%s) failed: %s failed %d times since %s, grace window used up (%s): %v",
		e.Channel, e.Name, e.Child, e.Failures, e.Since.Format(time.RFC3339), e.Used.Round(time.Millisecond), e.Cause)
}

// Unwrap gives the last cause.
func (e *ChannelError) Unwrap() error { return e.Cause }

// CloseError says what a Close left behind at its deadline.
type CloseError struct {
	Channel, Name string
	// Unconfirmed records were handed to the broker, which may or may not have them. NotSent were not.
	Unconfirmed, NotSent int
	// Uncertain says that acknowledgements were sent but it is not certain that the broker has them: those records may be delivered again. Unacknowledged counts them, as far as they were committed in the
	// present session; what an earlier one had has been delivered again, or will be.
	Uncertain      bool
	Unacknowledged int
	// Unsaid are the statuses that are not known to have reached the peers, in their order. Without Closed, they will see this endpoint as unhealthy.
	Unsaid []messages.Kind
	// NotDeleted is why resources were not deleted; nil when they were, or were not to be.
	NotDeleted error
	// Cause is why it took longer than allowed, if that is known.
	Cause error
}

// Error implements error.
func (e *CloseError) Error() string {
	var left []string
	if e.Unconfirmed > 0 {
		left = append(left, fmt.Sprintf("%d records unconfirmed", e.Unconfirmed))
	}
	if e.NotSent > 0 {
		left = append(left, fmt.Sprintf("%d records not sent", e.NotSent))
	}
	if e.Uncertain {
		text := "acknowledgements not certain"
		if e.Unacknowledged > 0 {
			text += fmt.Sprintf(" (%d records)", e.Unacknowledged)
		}
		left = append(left, text)
	}
	if len(e.Unsaid) > 0 {
		said := make([]string, len(e.Unsaid))
		for i, kind := range e.Unsaid {
			said[i] = string(kind)
		}
		left = append(left, "peers not told: "+strings.Join(said, ", "))
	}
	if e.NotDeleted != nil {
		left = append(left, fmt.Sprintf("resources not deleted (%v)", e.NotDeleted))
	}
	if len(left) == 0 {
		left = append(left, "session not ended in order")
	}
	text := fmt.Sprintf("close channel %s (%s): left behind: %s", e.Channel, e.Name, strings.Join(left, ", "))
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the causes.
func (e *CloseError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.NotDeleted, e.Cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
