package main

import (
	"context"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
)

// embeddedArena is a broker in this process, with the faults that it has.
type embeddedArena struct {
	flags *brokerFlags
	b     *embedded.Broker
}

func newEmbeddedArena(flags *brokerFlags) *embeddedArena {
	return &embeddedArena{flags: flags, b: embedded.Start(embedded.WithHeartbeat(heartbeat))}
}

func (a *embeddedArena) open(_ context.Context, c *console, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	return weir.OnPort(a.b, append(opts, a.flags.log(c)...)...), nil
}

func (a *embeddedArena) where() string               { return "the embedded broker" }
func (a *embeddedArena) ready(context.Context) error { return nil }

func (a *embeddedArena) close() error {
	a.b.Stop()
	return nil
}

// lane: what holds sessions up shares one switch there, so no two of it may overlap.
func (a *embeddedArena) lane(k *faultKind) lane {
	if k.lane == ofBroker {
		return ofNetwork
	}
	return k.lane
}

func (a *embeddedArena) begin(ctx context.Context, x *experiment, f *fault) (hit time.Time, err error) {
	if f.kind.plane != "" {
		return deleteData(ctx, a.b, x)
	}
	a.b.Sync(func() {
		hit = time.Now() // nothing gets through while the broker is at this
		err = a.strike(x, f)
	})
	return hit, err
}

func (a *embeddedArena) strike(x *experiment, f *fault) error {
	switch f.kind.name {
	case "cut":
		a.b.Cut()
	case "refuse":
		a.b.Cut()
		a.b.RefuseFor(forever)
	case "half-open":
		counts := a.b.Counts()
		for i := range counts.Publishers {
			a.b.FreezePublisher(i)
		}
		for i := range counts.Consumers {
			a.b.FreezeConsumer(i)
		}
	case "latency":
		a.b.Delay(f.delay)
	case "end-session":
		owner := "/reader-1/" + messages.DataConsumer
		if f.whose == ofPublisher {
			owner = "/writer-1/" + messages.DataProducer
		}
		a.b.CutOwner(x.p.flags.Channel + string(owner))
	case "freeze", "black-hole": // it makes no difference to who looks from here
		a.b.Freeze()
	case "alarm":
		a.b.Block(true)
	case "lose-confirms":
		a.b.LoseConfirms(f.count)
	default:
		return unknownFault(f)
	}
	return nil
}

// forever is until end says otherwise.
const forever = 24 * time.Hour

func unknownFault(f *fault) error { return fmt.Errorf("no such fault here: %s", f.kind.name) }

func (a *embeddedArena) end(_ context.Context, _ *experiment, f *fault) (ended time.Time, err error) {
	a.b.Sync(func() {
		ended = time.Now()
		switch f.kind.name {
		case "refuse":
			a.b.RefuseFor(0)
		case "black-hole", "freeze":
			a.b.Thaw()
		case "latency":
			a.b.Delay(0)
		case "alarm":
			a.b.Block(false)
		default:
			err = unknownFault(f)
		}
	})
	return ended, err
}

// deleting bounds a deletion.
const deleting = 10 * time.Second

// deleteData deletes the queue or the stream of the channel, and has what was attempted until then excused.
func deleteData(ctx context.Context, port broker.Port, x *experiment) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, deleting)
	defer cancel()
	lease := port.Lease("experiment")
	defer lease.Abort()
	answer := make(chan error, 1)
	lease.Do(broker.DeleteQueue{Name: x.p.flags.Channel}, func(r broker.Result) { answer <- r.Err })
	select {
	case err := <-answer:
		x.p.ledger.excuse()
		return time.Now(), err
	case <-ctx.Done():
		return time.Now(), fmt.Errorf("delete %s: %w", x.p.flags.Channel, ctx.Err())
	}
}
