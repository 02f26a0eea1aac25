package actors

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
)

// ErrNameInUse: another writer of the channel holds the name. Of two that publish to a stream under one name, the broker would confirm records that it drops.
var ErrNameInUse = errors.New("the writer's name is in use by another writer of this channel, and of two that share one the broker would drop records that it confirms: give each a name of its own")

// lock keeps a name to one holder: who is the only consumer of a queue that goes with its last one has it. The broker lets go of it when the holder's connection ends.
type lock struct {
	queue    string
	consumer broker.Consumer
}

// lockEvent is what the lock's own session tells, or a step towards it.
type lockEvent struct{ broker.Event }

// lockDeclared says that the lock's queue is there.
type lockDeclared struct{ err error }

func (l *lock) declare(ctx actor.Context, in *Incarnation) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	request := broker.DeclareQueue{Name: l.queue, QueueOptions: broker.QueueOptions{Type: broker.Classic, AutoDelete: true}}
	in.Lease.Do(request, func(r broker.Result) { root.Send(self, &lockDeclared{r.Err}) })
}

func (l *lock) take(ctx actor.Context, in *Incarnation) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	l.consumer = in.Lease.OpenConsumer(broker.ConsumerConfig{Queue: l.queue, Prefetch: 1, MaxBatch: 1, Exclusive: true}, func(e broker.Event) { root.Send(self, &lockEvent{e}) })
}

// lost says why the lock's session has ended.
func (l *lock) lost(err error) error {
	switch {
	case err == nil:
		return errors.New("hold the writer's name: session ended unasked")
	case errors.Is(err, broker.ErrRefused):
		return fmt.Errorf("%w (%w)", ErrNameInUse, err)
	}
	return fmt.Errorf("hold the writer's name: %w", err)
}
