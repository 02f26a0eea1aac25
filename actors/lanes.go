package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// lanes are the sessions of a data producer. The first takes whatever has an order. The others are opened when there is something to publish that has none against what is
// under way (messages.Publish.Apart) while all open ones are busy: a broker does what comes by several AMQP channels at less cost than the same by one.
type lanes struct {
	most int
	all  []*lane
	full bool // one could not be opened: no further ones
}

// lane is one of them.
type lane struct {
	publisher broker.Publisher
	open      bool
	over      bool // it ended in order
	underWay  int  // records
}

// laneEvent is what a session other than the first tells.
type laneEvent struct {
	*lane
	event broker.Event
}

// choose gives the lane for a batch, and says whether another one would be of use.
func (l *lanes) choose(apart bool) (best *lane, more bool) {
	best = l.all[0]
	if !apart {
		return best, false
	}
	opening := false
	for _, k := range l.all {
		opening = opening || !k.open
		if k.open && k.underWay < best.underWay {
			best = k
		}
	}
	return best, best.underWay > 0 && !opening && !l.full && len(l.all) < l.most
}

// close ends all sessions in order. What does not open by then never will: nobody waits for it.
func (l *lanes) close() {
	for i, k := range l.all {
		switch {
		case k.over:
		case k.open || i == 0:
			k.publisher.Close()
		default:
			k.publisher.Abort()
			k.over = true
		}
	}
}

// over says whether all have ended in order.
func (l *lanes) over() bool {
	for _, k := range l.all {
		if !k.over {
			return false
		}
	}
	return true
}

func (p *DataProducer) openFirst(ctx actor.Context) {
	p.lanes.all = []*lane{{publisher: p.Lease.OpenPublisher(p.config.Session, p.sink(ctx))}}
}

func (p *DataProducer) openAnother(ctx actor.Context) {
	root, self, k := ctx.ActorSystem().Root, ctx.Self(), &lane{}
	k.publisher = p.Lease.OpenPublisher(p.config.Session, func(e broker.Event) { root.Send(self, &laneEvent{k, e}) })
	p.lanes.all = append(p.lanes.all, k)
}

func (p *DataProducer) laneTold(ctx actor.Context, k *lane, e broker.Event) {
	if k.over {
		return // it was aborted
	}
	switch m := e.(type) {
	case *broker.Pending:
		for _, e := range m.Take() {
			p.laneTold(ctx, k, e)
		}
	case *broker.Confirmed:
		p.confirmed(ctx, k, m)
	case *broker.Refused:
		p.refused(ctx, k, m)
	case *broker.Opened:
		k.open = true
	case *broker.Blocked: // the first tells it, too
	case *broker.Ended:
		p.laneEnded(ctx, k, m)
	}
}

// laneEnded: one that never opened is done without.
func (p *DataProducer) laneEnded(ctx actor.Context, k *lane, m *broker.Ended) {
	if k.open {
		p.ended(ctx, k, m)
		return
	}
	k.over, p.lanes.full = true, true
}

// ended follows the end of one of the sessions.
func (p *DataProducer) ended(ctx actor.Context, k *lane, m *broker.Ended) {
	k.open, k.over = false, true
	switch {
	case m.Err == nil && p.finishing && !p.lanes.over():
	case m.Err == nil && p.finishing && p.lock.queue != "":
		p.lock.consumer.Close() // whoever opens under the name next must find it free
	case m.Err == nil && p.finishing:
		ctx.Send(p.Parent, &messages.Finished{From: p.From})
	case m.Err == nil:
		fail("publish to %s: session ended unasked", p.target())
	case errors.Is(m.Err, broker.ErrReturned):
		fail("publish to %s: %w: %w", p.target(), ErrNoQueue, m.Err)
	default:
		fail("publish to %s: %w", p.target(), m.Err)
	}
}
