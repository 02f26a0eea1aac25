package weir

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// A supervisor that hangs answers nothing. Close returns all the same: by its context's deadline, and without one a moment behind the time that it gives a close by default.
func TestCloseOverASupervisorThatHangs(t *testing.T) {
	release := make(chan struct{})
	ctx, _, rt := world(t, WithSpawnOptions(actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, e *actor.MessageEnvelope) {
			if _, ok := e.Message.(*messages.Inspect); ok {
				<-release
			}
			next(c, e)
		}
	})))
	defer close(release)
	for name, limit := range map[string]time.Duration{"deadline": 200 * time.Millisecond, "none": 0} {
		r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), Name(name)))
		r.rt.system.Root.Send(r.pid, &messages.Inspect{})
		closing, most := context.Background(), 15*time.Second
		if limit > 0 {
			var cancel context.CancelFunc
			closing, cancel = context.WithTimeout(closing, limit)
			defer cancel()
			most = 5 * time.Second
		}
		began := time.Now()
		err := r.Close(closing)
		var left *CloseError
		if took := time.Since(began); !errors.As(err, &left) || !errors.Is(err, errCutOff) || !errors.Is(err, context.DeadlineExceeded) || took > most {
			t.Errorf("%s: closed after %s: %v", name, took, err)
		}
	}
}
