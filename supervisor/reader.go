package supervisor

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Reader is the supervisor of a reading end. It owns the account of what was delivered, handed over and committed.
//
// From its user it receives Demand, Commit and what channel.go lists; from its data consumer Delivered.
type Reader struct {
	channel
	account handedOver
	demands []demand
	handed  uint64 // records, over all incarnations
	unsure  bool   // the last session was lost after something of it was committed, and none has come up since
}

type demand struct {
	most  int
	reply func(*messages.Batch)
}

// ReaderProps gives the props of a reading end, for any actor system: spawn it as a child of an actor of yours, or at the root. An error says what is
// wrong with the config. The end opens by itself; see messages (channel.go) for what it can be asked.
func ReaderProps(config Config) (*actor.Props, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return config.Env.SupervisorProps(func() actor.Actor { return newReader(&config) }), nil
}

func newReader(cfg *Config) *Reader {
	r := &Reader{account: newHandedOver()}
	r.init(cfg, r, messages.DataConsumer)
	return r
}

// Receive implements actor.Actor.
func (r *Reader) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.Delivered:
		r.onDelivered(ctx, m)
	case *messages.Demand:
		r.onDemand(ctx, m)
	case *messages.Commit:
		r.onCommit(ctx, m)
	default:
		r.receive(ctx)
	}
}

func (r *Reader) onDelivered(ctx actor.Context, m *messages.Delivered) {
	k := r.current(m.From)
	if k == nil {
		return // its session has ended: the broker delivers them again
	}
	k.proved()
	r.account.delivered(m)
	r.handOver(ctx)
}

func (r *Reader) onDemand(ctx actor.Context, m *messages.Demand) {
	reply := replyTo(ctx, m.Done)
	if r.over() || r.state == messages.Closing {
		reply(&messages.Batch{Err: r.refusal()})
		return
	}
	r.demands = append(r.demands, demand{max(1, m.Max), reply})
	r.handOver(ctx)
}

// handOver answers demands, in their order, with what is there.
func (r *Reader) handOver(ctx actor.Context) {
	for len(r.demands) > 0 {
		b := r.account.take(r.demands[0].most)
		if b == nil {
			return
		}
		reply := r.demands[0].reply
		r.demands[0] = demand{}
		r.demands = r.demands[1:]
		r.handed += uint64(len(b.Records))
		r.cycle(ctx, len(b.Records))
		reply(b)
	}
	r.demands = nil
}

// onCommit acknowledges exactly what was handed over. What a dead incarnation delivered is delivered again, and its tags mean other records now.
func (r *Reader) onCommit(ctx actor.Context, m *messages.Commit) {
	reply := replyTo(ctx, m.Done)
	switch {
	case r.over() || r.closing.phase >= flushing:
		reply(&messages.Committed{Err: r.refusal()})
	case m.Batch == nil:
		reply(&messages.Committed{Err: errNoBatch})
	case m.Batch.Epoch != r.data.epoch || r.data.pid == nil:
		reply(&messages.Committed{Err: ErrRedelivered})
	default:
		if upTo, any := r.account.commit(m.Batch.First, m.Batch.Last); any {
			ctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: upTo})
		}
		reply(&messages.Committed{})
	}
}

// --- half

func (r *Reader) streams(res *actors.Resources) (own, peers string) {
	return res.ReaderStatus, res.WriterStatus
}

func (r *Reader) newData(in actors.Incarnation) actor.Actor {
	return actors.NewDataConsumer(in, broker.ConsumerConfig{Queue: r.cfg.Resources.Queue, Prefetch: r.cfg.Prefetch, MaxBatch: runRecords,
		Exclusive: r.cfg.Ordered && (!r.cfg.Create || r.cfg.Compat), Properties: r.cfg.Properties})
}

func (r *Reader) dataReady(actor.Context) { r.unsure = false } // what the broker did not get is delivered again

func (r *Reader) dataLost() {
	r.unsure = r.unsure || r.account.any()
	r.account = newHandedOver()
}

func (r *Reader) intakeStopped() { r.refuse(ErrClosed) }

func (r *Reader) refuse(err error) {
	for _, d := range r.demands {
		d.reply(&messages.Batch{Err: err})
	}
	r.demands = nil
}

func (r *Reader) drained() bool { return true }

// flushed: what is committed behind a gap would be delivered again, though its user was told that it is done with. There is no more of it than the prefetch.
func (r *Reader) flushed(ctx actor.Context) {
	r.account.ahead(func(tag uint64) {
		ctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: tag, Alone: true})
	})
}

func (r *Reader) left(e *CloseError) {
	e.Uncertain = r.unsure || !r.closing.dataDone && r.account.any()
}

func (r *Reader) released(err error) { r.refuse(err) }

func (r *Reader) payload() messages.Payload {
	if r.handed == 0 {
		return nil
	}
	return messages.Payload{{Key: messages.ReceivedRecordCount, Value: r.handed}}
}

func (r *Reader) metricNames() [4]string {
	return [4]string{"elapsedTimeSinceLastReadCycleMs", "averageTimePerReadCycleMs", "averageTimePerReadRecordMs", "averageRecordPerReadCycle"}
}

func (r *Reader) snapshot(s *messages.Snapshot) {
	s.Records, s.Waiting, s.Uncommitted = r.handed, r.account.waiting, r.account.uncommitted()
}
