package supervisor

import (
	"errors"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Writer is the supervisor of a writing end. It owns the account of what is unconfirmed.
//
// From its user it receives Write, Writes, Withdraw and what channel.go lists; from its data producer Confirmed, Refused, Blocked, Stalled.
type Writer struct {
	channel
	account   account
	sequences sequences
	confirmed uint64 // records
	identity  string // of this writer's records: its name and when it began
	blocked   bool   // by the broker's alarm
	pause     time.Duration
	paused    actors.Timer // nacked records wait before they are published again
}

// The pause after which nacked records are published again doubles from the first to the last.
const (
	nackPauseFirst = 10 * time.Millisecond
	nackPauseMost  = time.Second
)

// lanesMost is how many sessions a writer on a queue has at most: as many as were measured (two and four), not the best number.
const lanesMost = 4

// publishAgain ends the pause after a nack.
type publishAgain struct{}

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*publishAgain) IgnoreDeadLetterLogging() {}

// WriterProps gives the props of a writing end, for any actor system: spawn it as a child of an actor of yours, or at the root. An error says what is
// wrong with the config. The end opens by itself; see messages (channel.go) for what it can be asked.
func WriterProps(config Config) (*actor.Props, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return config.Env.SupervisorProps(func() actor.Actor { return newWriter(&config) }), nil
}

func newWriter(cfg *Config) *Writer {
	w := &Writer{account: newAccount(cfg.limits()), pause: nackPauseFirst,
		identity: cfg.Name + "/" + strconv.FormatInt(cfg.Env.Clock.Now().UnixMilli(), 36)}
	w.sequences.named = cfg.Stream != nil && cfg.Stream.named()
	w.init(cfg, w, messages.Writing, messages.DataProducer)
	return w
}

// Receive implements actor.Actor.
func (w *Writer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.Write:
		w.onWrite(ctx, m)
	case *messages.Writes:
		w.onWrites(ctx, m)
	case *messages.Withdraw:
		w.onWithdraw(ctx, m)
	case *messages.Confirmed:
		w.onConfirmed(ctx, m)
	case *messages.Refused:
		w.onRefused(ctx, m)
	case *messages.Blocked:
		w.onBlocked(m)
	case *messages.Stalled:
		w.onStalled(m)
	case *publishAgain:
		w.paused = nil
		w.pump(ctx)
	default:
		w.receive(ctx)
	}
}

func (w *Writer) onWrite(ctx actor.Context, m *messages.Write) {
	w.admit(ctx, m, &write{})
	w.pump(ctx)
}

func (w *Writer) onWrites(ctx actor.Context, m *messages.Writes) {
	if m.Take == nil {
		return // there is nobody to answer
	}
	requests := m.Take()
	admitted := make([]write, len(requests)) // one piece of memory for all
	for i, request := range requests {
		if request != nil {
			w.admit(ctx, request, &admitted[i])
		}
	}
	w.pump(ctx)
}

func (w *Writer) admit(ctx actor.Context, m *messages.Write, as *write) {
	reply := replyTo(ctx, m.Done)
	err := w.idle()
	switch {
	case err != nil:
		reply(&messages.Written{Write: m, Err: err, Outcomes: make([]messages.Outcome, len(m.Records))})
	case len(m.Records) == 0:
		w.cycle(0)
		reply(&messages.Written{Write: m})
	default:
		w.peers.wrote()
		as.request, as.reply = m, reply
		w.account.admit(as)
	}
}

// pump sends the producer what the window allows. Nothing is sent before the channel is open: peers hear of the writer first, and it hears what they say to its records.
func (w *Writer) pump(ctx actor.Context) {
	if !w.ready && w.state != messages.Closing {
		return
	}
	for w.data.ready && w.paused == nil && w.account.open > w.account.inFlight {
		batch, apart, any := w.account.take()
		if !any {
			return
		}
		batch.First += w.sequences.base
		ctx.Send(w.data.pid, &messages.Publish{Epoch: w.data.epoch, Batch: batch, Apart: apart})
	}
}

func (w *Writer) onWithdraw(ctx actor.Context, m *messages.Withdraw) {
	withdrawn, outcomes := w.account.withdraw(m.Write)
	if withdrawn == nil {
		return // it has its answer
	}
	withdrawn.reply(&messages.Written{Write: m.Write, Err: ErrWithdrawn, Outcomes: outcomes})
	w.pump(ctx)
	w.advance(ctx)
}

// onConfirmed: sequences are absolute, so a confirm of a dead incarnation is as true as any; it only proves nothing for the living one.
func (w *Writer) onConfirmed(ctx actor.Context, m *messages.Confirmed) {
	w.confirm(m.First-w.sequences.base, m.Last-w.sequences.base)
	if k := w.current(m.From); k != nil {
		k.proved()
		w.pause = nackPauseFirst
	}
	w.pump(ctx)
	w.advance(ctx)
}

// confirm takes in that the broker has these of the account.
func (w *Writer) confirm(first, last uint64) {
	before := w.account.open
	ended := w.account.confirmed(first, last)
	answers := make([]messages.Written, len(ended))
	for i, done := range ended {
		w.cycle(len(done.request.Records))
		answers[i].Write = done.request
		done.reply(&answers[i])
	}
	w.confirmed += uint64(before - w.account.open)
}

// onRefused: nacked records go again, at the tail, after a pause, since the broker has no room. Returned ones stay where they are: the producer fails by them.
// What a dead incarnation was refused is unsent again, or with the next one already.
func (w *Writer) onRefused(ctx actor.Context, m *messages.Refused) {
	if w.current(m.From) == nil {
		return
	}
	first, last := m.First-w.sequences.base, m.Last-w.sequences.base
	if errors.Is(m.Err, broker.ErrReturned) {
		w.account.cameBack(first, last)
		return
	}
	again := w.account.nacked(first, last)
	w.emit(&messages.PublishedAgain{Head: w.head(), Records: again, Err: m.Err})
	if w.paused == nil {
		w.paused = w.env.After(ctx.ActorSystem(), w.pause/2+w.env.Jitter(w.pause/2), ctx.Self(), &publishAgain{})
		w.pause = min(2*w.pause, nackPauseMost)
	}
	w.advance(ctx)
}

func (w *Writer) onBlocked(m *messages.Blocked) {
	if w.current(m.From) != nil {
		w.blocked = m.On
		w.emit(&messages.AlarmChanged{Head: w.head(), From: m.From, On: m.On})
	}
}

func (w *Writer) onStalled(m *messages.Stalled) {
	if w.current(m.From) != nil {
		w.emit(&messages.ConfirmsStalled{Head: w.head(), From: m.From, Since: m.Since})
	}
}

// --- half

func (w *Writer) streams(r *actors.Resources) (own, others string) {
	return r.WriterStatus, r.ReaderStatus
}

func (w *Writer) newData(in actors.Incarnation) actor.Actor {
	session := broker.PublisherConfig{Exchange: w.cfg.Resources.Exchange, RoutingKey: w.cfg.Resources.RoutingKey, AppID: w.identity,
		Window: 2 * w.cfg.Window} // twice: late confirms of a dead incarnation let the account go ahead of the session's own
	config := actors.ProducerConfig{Session: session, StallAfter: w.cfg.StallAfter, Lanes: lanesMost}
	if s := w.cfg.Stream; s != nil {
		config.Lanes = 1
		config.Session.AppID, config.Session.SubEntries = "", s.SubEntries // nothing of a stream is returned, and the publishing id identifies
		if s.named() {
			config.Session.Name, config.Lock = w.cfg.Name, w.cfg.Channel+"@"+w.cfg.Name+".lock"
		}
	}
	return actors.NewDataProducer(in, config)
}

// dataOpened: what the broker has under the name is confirmed, whether or not it could say so.
func (w *Writer) dataOpened(ctx actor.Context, m *messages.Ready) error {
	last, err := w.sequences.opened(m.LastSequence, w.account.everSent-1, w.now())
	if last > 0 {
		w.confirm(1, last)
	}
	return err
}

func (w *Writer) dataReady(ctx actor.Context) { w.pump(ctx) }

func (w *Writer) dataLost() {
	w.account.rewind()
	w.blocked = false
	stop(&w.paused)
}

func (w *Writer) intakeStopped(error) {}

func (w *Writer) drained() bool { return w.account.open == 0 }

func (w *Writer) flushed(actor.Context) {}

func (w *Writer) left(e *CloseError) {
	e.Unconfirmed, e.NotSent = w.account.left()
	if w.blocked && e.Unconfirmed+e.NotSent > 0 {
		e.Cause = ErrAlarm
	}
}

func (w *Writer) released(err error) {
	stop(&w.paused)
	w.account.giveUp(func(w *write, outcomes []messages.Outcome) {
		w.reply(&messages.Written{Write: w.request, Err: err, Outcomes: outcomes})
	})
}

func (w *Writer) payload() messages.Payload {
	if w.confirmed == 0 {
		return nil
	}
	return messages.Payload{{Key: messages.SentRecordCount, Value: w.confirmed}}
}

func (w *Writer) metricNames() [4]string {
	return [4]string{"elapsedTimeSinceLastOutputCycleMs", "averageTimePerOutputCycleMs", "averageTimePerOutputRecordMs", "averageRecordPerOutputCycle"}
}

func (w *Writer) snapshot(s *messages.Snapshot) {
	s.Records, s.Waiting = w.confirmed, w.account.open
}
