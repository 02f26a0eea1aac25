package broker

import (
	"errors"
	"fmt"
)

// The kinds of errors that a port tells. Every error of a port is one of them by errors.Is, and says by its text what was asked of
// which resource. What is not permanent (see Permanent) may be tried again.
var (
	// ErrUnavailable: the broker cannot be reached, the connection or its channel was lost, a heartbeat was missed. Try again.
	ErrUnavailable = errors.New("broker unavailable")
	// ErrNotFound: no such queue or exchange, or it was deleted. It may be declared by somebody yet.
	ErrNotFound = errors.New("not found")
	// ErrRefused: the broker will not do it now: a limit is reached, a queue is exclusive to another. It may later.
	ErrRefused = errors.New("refused")
	// ErrInUse is an ErrRefused: what was to be deleted has consumers or bindings, or what was to be consumed is another session's alone.
	ErrInUse = fmt.Errorf("%w: in use", ErrRefused)
	// ErrWrongType: it exists with another type or other arguments. No retry mends it.
	ErrWrongType = errors.New("exists with another type or other arguments")
	// ErrPermission: the credentials, or what they permit, were refused. No retry mends it.
	ErrPermission = errors.New("permission denied")
	// ErrBlocked: the broker's alarm (memory, disk) kept it from being done in time.
	ErrBlocked = errors.New("blocked by the broker's alarm")
	// ErrClosed: the port or the lease was closed by its owner.
	ErrClosed = errors.New("closed")

	// ErrReturned is an ErrNotFound: a record was returned because no queue is bound where it was published.
	ErrReturned = fmt.Errorf("%w: returned, no queue is bound", ErrNotFound)
	// ErrNacked is an ErrRefused: the broker would not take a record (its queue is full, or its node failed).
	ErrNacked = fmt.Errorf("%w: negatively acknowledged", ErrRefused)

	// ErrMisuse: the caller broke a rule of the port.
	ErrMisuse = errors.New("misuse of the port")
	// ErrWindow is an ErrMisuse: more was published than the window holds (rule 8).
	ErrWindow = fmt.Errorf("%w: more unconfirmed records than the window", ErrMisuse)
	// ErrTag is an ErrMisuse: the tag was never delivered by this session (rule 9).
	ErrTag = fmt.Errorf("%w: unknown delivery tag", ErrMisuse)
)

// Permanent says that no retry mends the error: permission denied, or a resource of another type.
func Permanent(err error) bool {
	return errors.Is(err, ErrPermission) || errors.Is(err, ErrWrongType)
}
