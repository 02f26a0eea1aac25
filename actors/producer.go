package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// How a data producer fails besides what its session says.
var (
	// ErrNotOpened: a session did not open within OpenDeadline.
	ErrNotOpened = errors.New("not opened in time")
	// ErrNoConfirm: the broker was silent about the oldest record for too long, though it was not blocked.
	ErrNoConfirm = errors.New("no confirm in time")
	// ErrNoQueue: a record came back because no queue is bound where it was published.
	ErrNoQueue = errors.New("no queue is bound")
)

// DefaultStallAfter is how long the oldest record may be unconfirmed until that is told, and how long again until the producer fails.
const DefaultStallAfter = 30 * time.Second

// DataProducer publishes for one incarnation.
//
// From its supervisor it receives Publish, Finish and Ping; from its sessions (see lanes.go) the events of a publisher.
// It sends Ready once, Confirmed, Refused, Blocked, Stalled, Finished, Pong.
// Where the session has a name it takes the name's lock first.
// It fails when the first session does not open in time or any that was open ends, when the lock is another's or lost, when a record is returned (ErrNoQueue), and when nothing is heard of the oldest record
// for twice StallAfter while the broker is not blocked (ErrNoConfirm).
type DataProducer struct {
	Incarnation
	config    ProducerConfig
	lock      lock // where its session has a name
	lanes     lanes
	opened    bool
	finishing bool
	blocked   bool
	pending   outstanding
	stalled   bool      // told, and true still
	progress  time.Time // when the oldest record last became another, or the alarm went off
	timer     Timer     // open deadline, then the next look at the oldest record; nil when nothing is outstanding
}

// ProducerConfig is what does not change over incarnations.
type ProducerConfig struct {
	Session broker.PublisherConfig
	// Lock is the queue by which the session's name is kept to one writer; "" where it has none.
	Lock       string
	StallAfter time.Duration
	// Lanes is the most sessions that it opens; 1 when zero.
	Lanes int
}

// stallCheck looks at the oldest record.
type stallCheck struct{}

// NewDataProducer makes one incarnation.
func NewDataProducer(in Incarnation, config ProducerConfig) *DataProducer {
	return &DataProducer{Incarnation: in, config: config, lock: lock{queue: config.Lock}, lanes: lanes{most: config.Lanes}}
}

// Receive implements actor.Actor.
func (p *DataProducer) Receive(ctx actor.Context) { p.handle(ctx, ctx.Message()) }

func (p *DataProducer) handle(ctx actor.Context, msg any) {
	switch m := msg.(type) {
	case *broker.Pending:
		for _, e := range m.Take() {
			p.handle(ctx, e)
		}
	case *messages.Publish:
		p.publish(ctx, m)
	case *broker.Confirmed:
		p.confirmed(ctx, p.lanes.all[0], m)
	case *broker.Refused:
		p.refused(ctx, p.lanes.all[0], m)
	case *broker.Blocked:
		p.alarm(ctx, m)
	case *broker.Opened:
		p.open(ctx, m)
	case *broker.Ended:
		p.ended(ctx, p.lanes.all[0], m)
	case *laneEvent:
		p.laneTold(ctx, m.lane, m.event)
	case *lockEvent:
		p.lockHandle(ctx, m.Event)
	case *stallCheck:
		p.check(ctx)
	case *openTimeout:
		p.tooLate()
	case *messages.Finish:
		p.finish()
	case *actor.Started:
		p.start(ctx)
	case *actor.Stopping:
		stopTimer(p.timer)
	default:
		p.common(ctx, msg)
	}
}

func (p *DataProducer) publish(ctx actor.Context, m *messages.Publish) {
	now := p.Env.Clock.Now()
	p.pending.add(m.Batch.First, m.Batch.Last(), now)
	k, more := p.lanes.choose(m.Apart)
	k.underWay += len(m.Batch.Records)
	k.publisher.Publish(m.Batch)
	if more && !p.blocked && !p.finishing {
		p.openAnother(ctx)
	}
	if p.timer == nil {
		p.progress = now
		p.look(ctx, now)
	}
}

func (p *DataProducer) confirmed(ctx actor.Context, k *lane, m *broker.Confirmed) {
	k.underWay -= int(m.Last - m.First + 1)
	p.settle(m.First, m.Last)
	ctx.Send(p.Parent, &messages.Confirmed{From: p.From, First: m.First, Last: m.Last})
}

func (p *DataProducer) settle(first, last uint64) {
	if p.pending.settle(first, last) {
		p.progress, p.stalled = p.Env.Clock.Now(), false
	}
}

func (p *DataProducer) refused(ctx actor.Context, k *lane, m *broker.Refused) {
	k.underWay -= int(m.Last - m.First + 1)
	ctx.Send(p.Parent, &messages.Refused{From: p.From, First: m.First, Last: m.Last, Err: m.Err})
	if errors.Is(m.Err, broker.ErrReturned) {
		fail("publish to %s: %w: %w", p.target(), ErrNoQueue, m.Err)
	}
	p.settle(m.First, m.Last)
}

func (p *DataProducer) alarm(ctx actor.Context, m *broker.Blocked) {
	p.blocked, p.progress = m.On, p.Env.Clock.Now()
	ctx.Send(p.Parent, &messages.Blocked{From: p.From, On: m.On})
}

func (p *DataProducer) open(ctx actor.Context, m *broker.Opened) {
	p.opened, p.lanes.all[0].open = true, true
	p.timer.Stop()
	p.timer = nil
	p.readyAt(ctx, m)
}

// check looks at the oldest record, and when to look again.
func (p *DataProducer) check(ctx actor.Context) {
	p.timer = nil
	p.look(ctx, p.Env.Clock.Now())
}

func (p *DataProducer) look(ctx actor.Context, now time.Time) {
	oldest, any := p.pending.oldest()
	if !any {
		return
	}
	warn := oldest.Add(p.config.StallAfter)
	giveUp := later(warn, p.progress).Add(p.config.StallAfter)
	next := warn
	if !now.Before(warn) {
		if !p.stalled {
			p.stalled = true
			ctx.Send(p.Parent, &messages.Stalled{From: p.From, Since: oldest})
		}
		next = giveUp
		if p.blocked {
			next = now.Add(p.config.StallAfter)
		} else if !now.Before(giveUp) {
			fail("publish to %s: %w: record %d waits since %s", p.target(), ErrNoConfirm, p.pending.runs[0].first, now.Sub(oldest))
		}
	}
	p.timer = p.after(ctx, next.Sub(now), &stallCheck{})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *DataProducer) tooLate() {
	if !p.opened {
		fail("publish to %s: %w (%s)", p.target(), ErrNotOpened, OpenDeadline)
	}
}

func (p *DataProducer) finish() {
	p.finishing = true
	p.lanes.close()
}

func (p *DataProducer) start(ctx actor.Context) {
	p.timer = p.after(ctx, OpenDeadline, &openTimeout{})
	if p.lock.queue != "" {
		p.lock.take(ctx, &p.Incarnation)
		return
	}
	p.openFirst(ctx)
}

func (p *DataProducer) lockHandle(ctx actor.Context, e broker.Event) {
	switch e := e.(type) {
	case *broker.Pending:
		for _, e := range e.Take() {
			p.lockHandle(ctx, e)
		}
	case *broker.Opened:
		p.openFirst(ctx)
	case *broker.Ended:
		if e.Err != nil || !p.finishing {
			fail("publish to %s: %w", p.target(), p.lock.lost(e.Err))
		}
		ctx.Send(p.Parent, &messages.Finished{From: p.From})
	}
}

func (p *DataProducer) target() string {
	return targetName(p.config.Session)
}

// targetName says in errors where a session publishes.
func targetName(c broker.PublisherConfig) string {
	switch {
	case c.Name != "":
		return "stream " + c.RoutingKey
	case c.Exchange == "":
		return "queue " + c.RoutingKey
	}
	return "exchange " + c.Exchange
}
