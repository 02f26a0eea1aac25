package actors

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// The hot paths of producer and consumer, with real mailboxes and a broker that costs nothing. An operation is one record; how many come in one message is the batch.

// instant is a lease whose sessions are open at once, confirm what is published, and tell of acknowledgements.
type instant struct {
	broker.Lease
	sink  broker.Sink
	acked func(tag uint64)
}

func (i *instant) OpenPublisher(_ broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	sink(&broker.Opened{})
	return &instantPublisher{sink: sink}
}

func (i *instant) OpenConsumer(_ broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	i.sink = sink
	sink(&broker.Opened{})
	return &instantConsumer{acked: i.acked}
}

type instantPublisher struct {
	broker.Publisher
	sink broker.Sink
}

func (p *instantPublisher) Publish(b broker.Batch) {
	p.sink(&broker.Confirmed{First: b.First, Last: b.Last()})
}

type instantConsumer struct {
	broker.Consumer
	acked func(tag uint64)
}

func (c *instantConsumer) Ack(tag uint64, _ bool) { c.acked(tag) }

// stage is a supervisor that does what it is told, and one child.
type stage struct {
	system *actor.ActorSystem
	child  *actor.PID
	lease  *instant
}

// newStage starts a child and waits until it is ready.
func newStage(b *testing.B, lease *instant, child func(Incarnation) actor.Actor, parent func(ctx actor.Context)) *stage {
	workers := &Workers{}
	env := RealEnv(workers)
	s := &stage{system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })), lease: lease}
	ready := make(chan struct{})
	pid := s.system.Root.Spawn(env.ChildProps(func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*messages.Ready); ok {
				close(ready)
			}
			parent(ctx)
		})
	}))
	in := Incarnation{Env: env, Parent: pid, From: messages.From{Epoch: 1}, Lease: lease}
	s.child = s.system.Root.Spawn(env.ChildProps(func() actor.Actor { return child(in) }))
	b.Cleanup(func() {
		for _, p := range []*actor.PID{s.child, pid} {
			if err := s.system.Root.StopFuture(p).Wait(); err != nil {
				b.Error(err)
			}
		}
		s.system.Shutdown()
		workers.Close()
	})
	<-ready
	return s
}

func eachBatch(b *testing.B, run func(b *testing.B, batch int)) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			run(b, batch)
		})
	}
}

// BenchmarkProducer: Publish → session → Confirmed → supervisor, with a window of 1,000 records.
func BenchmarkProducer(b *testing.B) {
	const window = 1000
	eachBatch(b, func(b *testing.B, batch int) {
		confirmed := make(chan uint64, window)
		s := newStage(b, &instant{}, func(in Incarnation) actor.Actor {
			return NewDataProducer(in, ProducerConfig{Session: broker.PublisherConfig{Window: window}, StallAfter: DefaultStallAfter})
		}, func(ctx actor.Context) {
			if m, ok := ctx.Message().(*messages.Confirmed); ok {
				confirmed <- m.Last
			}
		})
		records := make([]broker.Record, batch)
		b.ResetTimer()
		for next, done := uint64(1), uint64(0); done < uint64(b.N); {
			for next <= uint64(b.N) && next-done <= window-uint64(batch) {
				s.system.Root.Send(s.child, &messages.Publish{Epoch: 1, Batch: broker.Batch{First: next, Records: records}})
				next += uint64(batch)
			}
			done = <-confirmed
		}
	})
}

// BenchmarkConsumer: Delivered → supervisor → Acknowledge → session, with a prefetch of 1,000 records.
func BenchmarkConsumer(b *testing.B) {
	const prefetch = 1000
	eachBatch(b, func(b *testing.B, batch int) {
		acked := make(chan uint64, prefetch)
		var s *stage
		s = newStage(b, &instant{acked: func(tag uint64) { acked <- tag }}, func(in Incarnation) actor.Actor {
			return NewDataConsumer(in, broker.ConsumerConfig{Prefetch: prefetch})
		}, func(ctx actor.Context) {
			if m, ok := ctx.Message().(*messages.Delivered); ok {
				ctx.Send(s.child, &messages.Acknowledge{Epoch: 1, Tag: m.Last()})
			}
		})
		records := make([]broker.Record, batch)
		b.ResetTimer()
		for next, done := uint64(1), uint64(0); done < uint64(b.N); {
			for next <= uint64(b.N) && next-done <= prefetch-uint64(batch) {
				s.lease.sink(&broker.Delivered{First: next, Records: records})
				next += uint64(batch)
			}
			done = <-acked
		}
	})
}

// BenchmarkPing is what being asked whether one still answers costs: a message to the child and one back.
func BenchmarkPing(b *testing.B) {
	pongs := make(chan struct{}, 1)
	s := newStage(b, &instant{}, func(in Incarnation) actor.Actor { return NewDataConsumer(in, broker.ConsumerConfig{}) }, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*messages.Pong); ok {
			pongs <- struct{}{}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		s.system.Root.Send(s.child, &messages.Ping{Epoch: 1})
		<-pongs
	}
}
