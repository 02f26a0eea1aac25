package pypz_test

import (
	"errors"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

// next waits for an event of a type that is as wanted.
func next[E weir.Event](s *scene, events *weir.Subscription, what string, is func(E) bool) E {
	s.Helper()
	for {
		event, err := events.Next(s.ctx)
		if err != nil {
			s.Fatalf("wait for %s: %v", what, err)
		}
		if e, ok := event.(E); ok && (is == nil || is(e)) {
			return e
		}
	}
}

func untilWaiting(s *scene, events *weir.Subscription) *messages.WaitsFor {
	s.Helper()
	return next[*messages.WaitsFor](s, events, "what is not yet there", nil)
}

// ignoreRedelivered makes nothing of a commit that comes too late: the records come again.
func ignoreRedelivered(err error) error {
	if errors.Is(err, weir.ErrRedelivered) {
		return nil
	}
	return err
}
