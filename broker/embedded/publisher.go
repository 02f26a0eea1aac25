package embedded

import (
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// publisher is a publishing session, both ends of it.
type publisher struct {
	session
	config broker.PublisherConfig

	publishing int // its place in the broker's list

	unconfirmed int // the client's: published and not yet told of

	from *origin      // the broker's: what its records have in common
	held fifo[packet] // the broker's: what came while it was blocked
	log  *log         // the broker's: the stream that remembers its name; nil without one
}

// origin is what the records of a session have in common. Nil: nothing.
type origin struct{ appID, contentEncoding string }

// check says what of the configuration is impossible.
func (p *publisher) check() error {
	switch c := &p.config; {
	case c.Window < 1:
		return fmt.Errorf("the window is %d: use at least 1", c.Window)
	case c.Name != "" && (c.Exchange != "" || c.SubEntries > 1):
		return errors.New("a name is for a stream by the default exchange, without sub-entries")
	}
	return nil
}

// Publish is broker.Publisher's.
func (p *publisher) Publish(batch broker.Batch) {
	if p.opened.Load() && len(batch.Records) > 0 {
		p.b.loop.Post(func() { p.publish(batch) })
	}
}

func (p *publisher) publish(batch broker.Batch) {
	if !p.usable() {
		return
	}
	p.unconfirmed += len(batch.Records)
	switch {
	case batch.First == 0:
		p.misuse(p.error(fmt.Errorf("%w: sequence 0", broker.ErrMisuse)))
	case p.unconfirmed > p.config.Window:
		p.misuse(p.error(broker.ErrWindow))
	default:
		p.send(packet{kind: publish, batch: batch})
	}
}

func (p *publisher) handOver(a arrival) {
	p.unconfirmed -= a.release
	p.session.handOver(a)
}

func (p *publisher) receive(k packet) {
	switch {
	case k.kind == openSession:
		if p.admit() && p.named() {
			p.register()
		}
	case p.b.faults.blocked:
		p.held.push(k)
	case k.kind == publish:
		p.accept(k.batch)
	case k.kind == closeSession:
		p.end(nil)
	}
}

// named finds the stream that remembers the name. False: there is none, which has been answered.
func (p *publisher) named() bool {
	if p.config.Name == "" {
		return true
	}
	switch q := p.b.queues[p.config.RoutingKey]; {
	case q == nil:
		p.end(p.error(broker.ErrNotFound))
	case q.log == nil:
		p.end(p.error(fmt.Errorf("%w: it is no stream", broker.ErrWrongType)))
	default:
		p.log = q.log
		return true
	}
	return false
}

func (p *publisher) register() {
	if c := &p.config; c.AppID != "" || c.ContentEncoding != "" {
		p.from = &origin{c.AppID, c.ContentEncoding}
	}
	p.b.publishers.add(p)
	p.say(&broker.Opened{LastSequence: p.log.last(p.config.Name)})
	if p.b.faults.blocked {
		p.say(&broker.Blocked{On: true})
	}
}

func (p *publisher) forgotten() {
	p.b.publishers.remove(p)
	p.held.clear()
}

// release goes on with what came while the broker was blocked.
func (p *publisher) release() {
	for p.held.n > 0 {
		p.receive(p.held.pop()) // which may end the session and so empty held
	}
}

// accept is the broker's: a batch goes where it is routed, and the publisher is told what came of it.
func (p *publisher) accept(batch broker.Batch) {
	whole := batch
	if p.log != nil {
		if batch = p.log.fresh(p.config.Name, batch); len(batch.Records) == 0 {
			p.confirm(whole.First, whole.Last())
			return
		}
	}
	targets, err := p.b.route(p.config.Exchange, p.config.RoutingKey)
	switch {
	case err != nil:
		p.end(p.error(err))
	case len(targets) == 0 && p.from.canReturn():
		p.refuse(batch.First, batch.Last(), p.error(broker.ErrReturned))
	case len(targets) == 0:
		p.end(p.error(broker.ErrReturned))
	default:
		taken := len(batch.Records)
		for _, q := range targets {
			taken = min(taken, q.accept(p.from, batch))
		}
		p.settle(whole, uint64(len(whole.Records)-len(batch.Records)+taken))
	}
}

// settle: the first records of the batch were taken, the others were not.
func (p *publisher) settle(batch broker.Batch, taken uint64) {
	if taken < uint64(len(batch.Records)) {
		p.refuse(batch.First+taken, batch.Last(), p.error(broker.ErrNacked))
	}
	if taken > 0 {
		p.confirm(batch.First, batch.First+taken-1)
	}
}

func (o *origin) canReturn() bool { return o != nil && o.appID != "" }

func (p *publisher) refuse(first, last uint64, err error) {
	p.tell(arrival{event: &broker.Refused{First: first, Last: last, Err: err}, release: int(last - first + 1)})
}

// confirm tells the range, unless a fault says otherwise.
func (p *publisher) confirm(first, last uint64) {
	f := &p.b.faults
	switch {
	case f.loseConfirms > 0:
		f.loseConfirms--
	case f.reorderConfirms > 0:
		f.reorderConfirms--
		p.confirmOutOfOrder(first, last)
	case f.duplicateConfirms > 0:
		f.duplicateConfirms--
		p.tellConfirmed(first, last, true)
		p.tellConfirmed(first, last, false)
	default:
		p.tellConfirmed(first, last, true)
	}
}

// confirmOutOfOrder: the second half comes first, and a single record behind what is confirmed in the next millisecond.
func (p *publisher) confirmOutOfOrder(first, last uint64) {
	if middle := first + (last-first+1)/2; middle > first {
		p.tellConfirmed(middle, last, true)
		last = middle - 1
		p.tellConfirmed(first, last, true)
		return
	}
	p.b.loop.At(p.b.loop.Now()+time.Millisecond, func() { p.tellConfirmed(first, last, true) })
}

// tellConfirmed joins a range to the one before it where both arrive at the same time. Without release it is a duplicate.
func (p *publisher) tellConfirmed(first, last uint64, release bool) {
	n := 0
	if release {
		n = int(last - first + 1)
	}
	due := p.nextDue()
	if p.down.n > 0 && due == p.downDue && release && !p.deaf {
		back := p.down.back()
		if c, ok := back.event.(*broker.Confirmed); ok && c.Last+1 == first {
			c.Last, back.release = last, back.release+n
			return
		}
	}
	p.tellAt(due, arrival{event: &broker.Confirmed{First: first, Last: last}, release: n})
}

func (p *publisher) error(err error) error {
	if p.config.Exchange == "" {
		return fmt.Errorf("publish to queue %q: %w", p.config.RoutingKey, err)
	}
	return fmt.Errorf("publish to exchange %q, routing key %q: %w", p.config.Exchange, p.config.RoutingKey, err)
}
