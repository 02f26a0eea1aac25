package actors

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
)

// ErrNameInUse: another writer of the channel holds the name. Of two that publish to a stream under one name, the broker would confirm records that it drops.
var ErrNameInUse = errors.New("the writer's name is in use by another writer of this channel, and of two that share one the broker would drop records that it confirms: give each a name of its own")

// lock keeps a name to one holder: whose session owns the queue of that name has it. The broker lets go of it when the holder's connection ends, or the node that it goes to.
type lock struct {
	queue    string
	consumer broker.Consumer
}

// lockEvent is what the lock's own session tells.
type lockEvent struct{ broker.Event }

func (l *lock) take(ctx actor.Context, in *Incarnation) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	l.consumer = in.Lease.OpenConsumer(broker.ConsumerConfig{Queue: l.queue, Prefetch: 1, MaxBatch: 1, Own: true}, func(e broker.Event) { root.Send(self, &lockEvent{e}) })
}

// lost says why the lock's session has ended.
func (l *lock) lost(err error) error {
	switch {
	case err == nil:
		return errors.New("hold the writer's name: session ended unasked")
	case errors.Is(err, broker.ErrInUse):
		return fmt.Errorf("%w (%w)", ErrNameInUse, err)
	}
	return fmt.Errorf("hold the writer's name: %w", err)
}
