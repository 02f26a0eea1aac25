package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Reader is the supervisor of a reading end. It owns the account of what was delivered, handed over and committed.
//
// From its user it receives Demand, Commit, CommitUpTo, Remaining, AcknowledgeInput and what channel.go lists; from its data consumer Delivered and Looked.
type Reader struct {
	channel
	account   handedOver
	position  position // on a stream
	demands   []demand
	demanded  uint64 // demands so far
	handed    uint64 // records, over all incarnations
	before    uint64 // of them, by incarnations before this one
	committed uint64 // up to which all were committed by incarnations before this one, or were handed over by them and come again
	looks     []look
	audited   audited
	lostAt    time.Time // a session was lost, and the broker may not have seen its end yet
	unsure    bool      // the last session was lost after something of it was committed, and none has come up since
}

type demand struct {
	n     uint64
	most  int
	reply func(*messages.Batch)
	timer actors.Timer
}

// demandTimeout ends a demand for which nothing has come.
type demandTimeout struct{ n uint64 }

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*demandTimeout) IgnoreDeadLetterLogging() {}

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
	r.init(cfg, r, messages.Reading, messages.DataConsumer)
	return r
}

// Receive implements actor.Actor.
func (r *Reader) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.Delivered:
		r.onDelivered(ctx, m)
	case *messages.Demand:
		r.onDemand(ctx, m)
	case *demandTimeout:
		r.onDemandTimeout(ctx, m)
	case *messages.Commit:
		r.onCommit(ctx, m)
	case *messages.CommitUpTo:
		r.onCommitUpTo(ctx, m)
	case *messages.Remaining:
		r.onRemaining(ctx, m)
	case *messages.Looked:
		r.onLooked(ctx, m)
	case *messages.AcknowledgeInput:
		r.onAcknowledgeInput(ctx, m)
	case *messages.Finished:
		if !r.onRenewed(ctx, m) {
			r.receive(ctx)
		}
	case *watchdog:
		r.receive(ctx)
		r.audit(ctx)
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
	if r.audited.delivered(r.now()); r.audited.renews {
		return
	}
	if r.cfg.Stream != nil {
		r.onStreamed(ctx, m)
	} else {
		r.account.delivered(m)
	}
	r.handOver()
}

func (r *Reader) onDemand(ctx actor.Context, m *messages.Demand) {
	reply := replyTo(ctx, m.Done)
	if err := r.mayRead(); err != nil {
		reply(&messages.Batch{Err: err})
		return
	}
	r.demanded++
	d := demand{n: r.demanded, most: max(1, m.Max), reply: reply}
	r.demands = append(r.demands, d)
	if r.handOver(); len(r.demands) > 0 && r.cfg.PollTimeout > 0 {
		r.demands[len(r.demands)-1].timer = r.env.After(ctx.ActorSystem(), r.cfg.PollTimeout, ctx.Self(), &demandTimeout{d.n})
	}
}

func (r *Reader) mayRead() error {
	if r.cfg.Silent && !r.over() {
		return ErrSilent
	}
	return r.idle()
}

// onDemandTimeout answers a demand with nothing. That is a read, too.
func (r *Reader) onDemandTimeout(ctx actor.Context, m *demandTimeout) {
	for i, d := range r.demands {
		if d.n == m.n {
			r.demands = slices.Delete(r.demands, i, i+1)
			r.cycle(0)
			d.reply(&messages.Batch{})
			return
		}
	}
}

// handOver answers demands, in their order, with what is there.
func (r *Reader) handOver() {
	for len(r.demands) > 0 {
		b := r.account.take(r.demands[0].most)
		if b == nil {
			return
		}
		d := r.demands[0]
		r.demands = slices.Delete(r.demands, 0, 1)
		stop(&d.timer)
		r.handed += uint64(len(b.Records))
		if r.cfg.Stream != nil {
			r.position.handed = max(r.position.handed, b.Records[len(b.Records)-1].Offset+1)
		}
		r.cycle(len(b.Records))
		d.reply(b)
	}
}

// --- half

func (r *Reader) streams(res *actors.Resources) (own, others string) {
	return res.ReaderStatus, res.WriterStatus
}

func (r *Reader) newData(in actors.Incarnation) actor.Actor {
	config := broker.ConsumerConfig{Queue: r.cfg.Resources.Queue, Prefetch: r.cfg.Prefetch, MaxBatch: r.cfg.run(), Properties: r.cfg.Properties}
	if s := r.cfg.Stream; s != nil {
		from, anyway := r.position.from(s)
		config.Stream, config.IgnoreStored, config.Name, config.Mark = &from, anyway, r.cfg.Name, !r.position.known
	} else {
		config.Exclusive = r.exclusive()
	}
	return actors.NewDataConsumer(in, config)
}

// exclusive says that the consumer must keep others away: the queue does not see to it that one at a time is active.
func (r *Reader) exclusive() bool { return r.cfg.Ordered && (!r.cfg.Create || r.cfg.Compat) }

func (r *Reader) dataOpened(_ actor.Context, m *messages.Ready) error {
	if r.cfg.Stream == nil {
		return nil
	}
	return r.position.opened(m, r.now())
}

func (r *Reader) dataReady(ctx actor.Context) {
	if r.cfg.Stream == nil {
		r.unsure = false // what the broker did not get is delivered again
	}
	r.audited.begin(r.now())
	r.look(ctx)
}

func (r *Reader) dataLost() {
	r.unsure = r.unsure || r.account.any()
	r.sessionOver()
	switch {
	case r.cfg.Stream == nil:
		r.lostAt = r.now()
	case errors.Is(r.data.cause, broker.ErrNotFound):
		r.position.anew()
	}
}

// sessionOver takes in that the next session's tags begin at 1.
func (r *Reader) sessionOver() {
	r.committed, r.before = r.commits(), r.handed
	r.account = newHandedOver()
	for i := range r.looks {
		r.looks[i].asked = false
	}
}

func (r *Reader) intakeStopped(err error) {
	r.refuse(err)
	if r.state == messages.Closing {
		r.answerLooks(err)
	}
}

func (r *Reader) refuse(err error) {
	for _, d := range r.demands {
		stop(&d.timer)
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
	if e.Uncertain {
		e.Unacknowledged = r.account.committedRecords()
	}
}

func (r *Reader) released(err error) {
	r.refuse(err)
	r.answerLooks(err)
}

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
	s.Records, s.Waiting, s.Uncommitted, s.Offsets = r.handed, r.account.waiting, r.account.uncommitted(), r.offsets()
}
