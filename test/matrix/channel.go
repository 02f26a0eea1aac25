package matrix

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

const (
	channelName = "c"
	window      = 16
	prefetch    = 10
	callers     = 4  // of the writer that await each write
	maxLength   = 40 // of the queue, which takes no more
	stallAfter  = 2 * time.Second
	graceWindow = 25 * time.Second
	// closeWithin is what each Close has, and stopWithin how long the supervisor may live on behind its answer: a child that hangs is given up 2 s later.
	closeWithin, stopWithin = 40 * time.Second, 3 * time.Second
)

// end is one end of the channel over all its lives.
type end struct {
	r       *run
	side    string
	life    int
	pid     *actor.PID
	state   messages.State
	ready   map[messages.Child]uint64 // epochs
	failed  error
	stopped bool
	closing bool
	closed  *messages.Closed // the answer to the last Close

	underWay int  // Writes
	demands  bool // a Demand is under way
	idle     bool // it demands nothing
}

func (e *end) actorName() string { return fmt.Sprintf("%s-%d", e.side, e.life) }

// open begins the next life.
func (e *end) open(standBy bool) {
	e.life++
	e.state, e.ready, e.failed, e.stopped, e.closing, e.closed = messages.Preparing, map[messages.Child]uint64{}, nil, false, false, nil
	e.underWay, e.demands = 0, false
	life := e.life
	env := e.r.w.Env()
	env.Options = append(env.Options, actor.WithReceiverMiddleware(e.r.middleware))
	config := supervisor.Config{
		Channel: channelName, Name: e.side, Port: port{e.r.w.Broker(), e}, Env: env, Create: e.side == "reader", Ordered: true, StandBy: standBy,
		Window: window, Prefetch: prefetch, Poll: 7, StallAfter: stallAfter, GraceWindow: graceWindow, HealthInterval: 5 * time.Second,
		Events:  func(ev messages.Event) { e.event(ev) },
		Stopped: func() { e.stopped = e.stopped || e.life == life },
		Health:  func(done func(messages.Payload)) { done(messages.Payload{{Key: "load", Value: 1}}) },
	}
	props := supervisor.WriterProps
	if e.side == "reader" {
		props = supervisor.ReaderProps
		config.Group, config.GroupSize = "g", 2 // so that it hears its own side
	}
	if e.r.cell.Stream {
		config.Stream, config.Group, config.GroupSize = &supervisor.Stream{}, "", 1
	} else {
		config.Resources = resources()
	}
	p, err := props(config)
	if err == nil {
		e.pid, err = e.r.w.System().Root.SpawnNamed(p, e.actorName())
	}
	if err != nil {
		panic(err)
	}
}

// resources are what a channel derives, with a queue that is full soon.
func resources() *actors.Resources {
	return &actors.Resources{Exchange: channelName, ExchangeKind: broker.Direct, Queue: channelName, Queues: []string{channelName},
		Dead: channelName + ".dead", DeadOptions: broker.QueueOptions{Type: broker.Quorum},
		ReaderStatus: channelName + ".reader.status", WriterStatus: channelName + ".writer.status", StatusOptions: broker.QueueOptions{Type: broker.Stream},
		QueueOptions: broker.QueueOptions{Type: broker.Quorum, DeliveryLimit: 100, DeadLetterTo: channelName + ".dead", SingleActiveConsumer: true, MaxLength: maxLength}}
}

func (e *end) send(message any) { e.r.w.System().Root.Send(e.pid, message) }

// down says that its life is over, without a Close of its user's.
func (e *end) down() bool { return e.failed != nil || e.stopped && !e.closing }

// is says that it is in that state, and all its children are up.
func (e *end) is(state messages.State) bool {
	if e.state != state || e.down() {
		return false
	}
	data, hears := messages.DataProducer, false
	if e.side == "reader" {
		data, hears = messages.DataConsumer, true
	}
	for _, child := range []messages.Child{data, messages.StatusProducer, messages.StatusConsumer, messages.HealthTicker, messages.MetricsAggregator, messages.MemberConsumer} {
		if e.ready[child] == 0 && (child != messages.MemberConsumer || hears) {
			return false
		}
	}
	return true
}

// event takes in what the supervisor tells.
func (e *end) event(ev messages.Event) {
	r := e.r
	r.w.Logf("%s: %T %+v", e.actorName(), ev, ev)
	switch m := ev.(type) {
	case *messages.StateChanged:
		if e.state = m.Is; m.Is == messages.Running && e.side == "reader" {
			e.demand()
		}
	case *messages.ChildReady:
		e.ready[m.Child] = m.Epoch
		r.isUp(e, m)
	case *messages.ChildFailed:
		delete(e.ready, m.Child)
		r.childFailed(e, m)
	case *messages.StopHookFailed:
		r.told(m.Actor, m.Err, nil)
	case *messages.PublishedAgain:
		r.nacked = true
	case *messages.Abandoned:
		r.abandoned++
	case *messages.ChannelFailed:
		r.channelFailed(e, m.Err)
	case *messages.UnhandledMessage:
		r.bad("%s was sent a message that it does not know: %T", m.Child, m.Message)
	case *messages.BadStatuses:
		r.bad("bad statuses: %v", m.Why)
	}
}

// right looks at the error of a request: a channel that is over gives its own.
func (e *end) right(what string, err error) {
	var failed *supervisor.ChannelError
	switch {
	case err == nil, errors.Is(err, supervisor.ErrNotStarted):
	case errors.Is(err, supervisor.ErrClosed) && (e.closing || e.stopped):
	case errors.As(err, &failed) && failed.Child != "" && failed.Cause != nil:
	default:
		e.r.bad("%s of the %s: %v", what, e.side, err)
	}
}

// write writes n more records, by the caller 0, which has several writes under way, or by another, which awaits each. Those of different callers have no order against each other.
func (e *end) write(n, caller int) {
	r, life := e.r, e.life
	first, bodies := r.ledger.Attempt(caller, n)
	records := make([]broker.Record, n)
	for i := range bodies {
		records[i].Body = bodies[i]
	}
	e.underWay++
	e.send(&messages.Write{Records: records, Awaited: caller > 0, Done: func(m *messages.Written) {
		if e.life == life {
			e.underWay--
		}
		e.right("write", m.Err)
		err := error(nil)
		if m.Err != nil {
			err = &weir.WriteError{Outcomes: m.Outcomes, Cause: m.Err}
		}
		r.ledger.Settle(caller, first, n, err)
	}})
}

// demand asks for records, and for more when it has some, which it commits.
func (e *end) demand() {
	if e.demands || e.idle || e.down() {
		return
	}
	e.demands = true
	r, life := e.r, e.life
	e.send(&messages.Demand{Max: 7, Done: func(b *messages.Batch) {
		if e.life == life {
			e.demands = false
		}
		if b.Err != nil {
			e.right("demand", b.Err)
			return
		}
		bodies := make([][]byte, len(b.Records))
		for i := range b.Records {
			bodies[i] = b.Records[i].Body
		}
		first := r.ledger.Deliver(0, bodies)
		e.send(&messages.Commit{Batch: b, Done: func(m *messages.Committed) {
			if m.Err == nil {
				r.ledger.Commit(0, first, len(bodies))
			} else if !errors.Is(m.Err, supervisor.ErrRedelivered) {
				e.right("commit", m.Err)
			}
		}})
		e.demand()
	}})
}

// port notes which leases were aborted: their actors were cut off.
type port struct {
	broker.Port
	*end
}

func (p port) Lease(owner string) broker.Lease {
	return lease{p.Port.Lease(owner), p.r, p.actorName() + owner[strings.LastIndexByte(owner, '/'):]}
}

type lease struct {
	broker.Lease
	r     *run
	actor string
}

func (l lease) Abort() {
	if _, again := l.r.cut[l.actor]; !again {
		l.r.cut[l.actor] = l.r.w.Now()
	}
	l.Lease.Abort()
}
