package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// closing is how a channel ends in order:
//
//	draining   intake is stopped; a writer waits for its confirms
//	flushing   the data session ends in order, which makes acknowledgements certain; then a last health check, Stopped and Closed are sent
//	deleting   where that was asked for: peers are awaited, then the topology actor deletes
//
// A deadline ends it wherever it is; the answer says what was left.
type closing struct {
	phase    closePhase
	waiting  []func(*messages.Closed)
	deadline actors.Timer
	look     actors.Timer // looks again for peers that have gone
	delete   bool
	refused  bool // to delete
	force    bool
	dataLost bool // the data child's incarnation ended while it was flushing
	dataDone bool // its session ended in order, or there was none
	told     bool // peers: Stopped and Closed
	deleting bool // the topology actor deletes
	notYet   error
}

type closePhase int

const (
	notClosing closePhase = iota
	draining
	flushing
	deleting
)

type (
	// closeDeadline ends a close.
	closeDeadline struct{}
	// lookAgain looks whether a close can go on.
	lookAgain struct{}
)

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*closeDeadline) IgnoreDeadLetterLogging() {}

// IgnoreDeadLetterLogging, see closeDeadline.
func (*lookAgain) IgnoreDeadLetterLogging() {}

func (cl *closing) asked() bool { return len(cl.waiting) > 0 }

func (cl *closing) answer(err error) {
	for _, reply := range cl.waiting {
		reply(&messages.Closed{Err: err})
	}
	cl.waiting = nil
}

// finishing says whether a child that is down must stay down: what it was for is over.
func (cl *closing) finishing(k *child, c *channel) bool {
	return cl.phase == deleting && k != c.topology && k != c.statusConsumer && k != c.memberConsumer && k != c.ticker || cl.phase == flushing && k == c.data || cl.deleting && k != c.topology
}

func (c *channel) onClose(ctx actor.Context, m *messages.Close) {
	c.closing.waiting = append(c.closing.waiting, replyTo(ctx, m.Done))
	c.closing.delete = c.closing.delete || m.Delete && !c.cfg.Silent
	c.closing.refused = c.closing.refused || m.Delete && c.cfg.Silent
	c.closing.force = c.closing.force || m.Force
	if c.over() {
		if !c.parts {
			c.finish(ctx, c.err)
		}
		return
	}
	if c.closing.phase != notClosing {
		return
	}
	c.become(messages.Closing)
	c.resume(ctx)
	c.half.intakeStopped(ErrClosed)
	c.answerAll(ErrClosed)
	timeout := m.Timeout
	if timeout <= 0 {
		timeout = DefaultCloseTimeout
	}
	c.closing.deadline = c.env.After(ctx.ActorSystem(), timeout, ctx.Self(), &closeDeadline{})
	c.closing.phase = draining
	c.advance(ctx)
}

// advance goes on with a Stop or a Close as far as it can.
func (c *channel) advance(ctx actor.Context) {
	c.standStill(ctx)
	if c.state != messages.Closing {
		return
	}
	if c.closing.phase == draining && c.half.drained() {
		c.flush(ctx)
	}
	if c.closing.phase == flushing && c.closing.dataLost {
		c.closing.dataDone = true // whatever it had is unsettled now, and will be delivered again
	}
	if c.closing.phase == flushing && c.closing.dataDone {
		c.farewell(ctx)
	}
	if c.closing.phase == flushing && c.closing.dataDone && len(c.outbox.entries) == 0 {
		if !c.closing.delete {
			c.finish(ctx, c.certain())
			return
		}
		c.closing.phase = deleting
	}
	if c.closing.phase == deleting && !c.closing.deleting {
		c.deleteWhenAlone(ctx)
	}
}

func (c *channel) flush(ctx actor.Context) {
	c.closing.phase, c.closing.dataLost = flushing, false
	if c.data.ready {
		c.half.flushed(ctx)
		ctx.Send(c.data.pid, &messages.Finish{Epoch: c.data.epoch})
	} else {
		c.closing.dataDone = true
		c.data.end(ctx)
	}
}

// farewell tells the peers, who take it to mean that no more comes.
func (c *channel) farewell(ctx actor.Context) {
	if !c.spoke || c.closing.told {
		return // nobody knows of us
	}
	c.closing.told = true
	c.say(ctx, messages.StatusHealthCheck, c.healthPayload(nil))
	if c.started {
		c.say(ctx, messages.StatusStopped, nil)
	}
	c.say(ctx, messages.StatusClosed, nil)
}

func (c *channel) onFinished(ctx actor.Context, m *messages.Finished) {
	k := c.current(m.From)
	if k == nil {
		return
	}
	switch k {
	case c.data:
		c.closing.dataDone = true
		c.data.end(ctx)
		c.advance(ctx)
	case c.topology:
		c.finish(ctx, c.certain())
	}
}

// certain is nil when everything that the channel's user was told or asked for is certain: acknowledgements of a session that was lost are not.
func (c *channel) certain() error {
	left := &CloseError{Channel: c.cfg.Channel, Name: c.cfg.Name}
	if c.half.left(left); left.Uncertain {
		left.Cause = c.data.cause
	}
	if c.closing.refused {
		left.NotDeleted = ErrSilent
	}
	if left.Uncertain || left.NotDeleted != nil {
		return left
	}
	return nil
}

// deleteWhenAlone deletes when no peer is open: streams go at once, also under live consumers, and a peer that loses its stream is deaf from then on.
func (c *channel) deleteWhenAlone(ctx actor.Context) {
	if wait, why := c.notAlone(); why != nil {
		c.closing.notYet = why
		c.emit(&messages.WaitsFor{Head: c.head(), Reason: why})
		stop(&c.closing.look)
		c.closing.look = c.env.After(ctx.ActorSystem(), wait, ctx.Self(), &lookAgain{})
		return
	}
	c.closing.deleting, c.closing.notYet = true, nil
	c.endAll(ctx) // nobody of us uses what is to be deleted
	c.topology.start(ctx)
}

// notAlone says why resources may not be deleted yet, if so, and when to look again. That nobody is known to be open means something only when whoever is
// there has had time to be heard: the history may not have been read yet.
func (c *channel) notAlone() (wait time.Duration, why error) {
	if c.closing.force || c.statusConsumer == nil {
		return 0, nil
	}
	now := c.now()
	if name, any := c.peers.open(now); any {
		return c.cfg.HealthInterval, fmt.Errorf("peer %s is open", name)
	}
	if name, wait := c.peers.leaving(now); wait > 0 {
		return wait, fmt.Errorf("peer %s has just closed, and may look at the streams for the last time", name)
	}
	if wait = c.peers.unheard(now); wait > 0 {
		return wait, fmt.Errorf("peers that are not known yet may be open: they have %s more to be heard", wait.Round(time.Millisecond))
	}
	return 0, nil
}

func (c *channel) onCloseDeadline(ctx actor.Context) {
	if c.state != messages.Closing {
		return
	}
	left := &CloseError{Channel: c.cfg.Channel, Name: c.cfg.Name, Unsaid: c.unsaid()}
	c.half.left(left)
	if c.closing.delete {
		left.NotDeleted = c.closing.notYet
		if left.NotDeleted == nil {
			left.NotDeleted = c.deletion()
		}
	}
	if c.closing.refused {
		left.NotDeleted = ErrSilent
	}
	for _, k := range c.all {
		if k.cause != nil && !k.ready && left.Cause == nil {
			left.Cause = k.cause
		}
	}
	c.finish(ctx, left)
}

// deletion says how far a deletion has come that nothing is known to be in the way of.
func (c *channel) deletion() error {
	if c.closing.deleting {
		return errors.New("begun, and not done within the time that Close had")
	}
	return errors.New("not begun within the time that Close had")
}

// unsaid gives what the peers are not known to have been told, and what they would have been told yet.
func (c *channel) unsaid() (kinds []messages.Kind) {
	for i := range c.outbox.entries {
		kinds = append(kinds, c.outbox.entries[i].status.Kind)
	}
	if c.spoke && !c.closing.told {
		if c.started {
			kinds = append(kinds, messages.StatusStopped)
		}
		kinds = append(kinds, messages.StatusClosed)
	}
	return kinds
}

// finish cuts everything off, answers and stops.
func (c *channel) finish(ctx actor.Context, err error) {
	stop(&c.closing.deadline)
	stop(&c.closing.look)
	c.endAll(ctx)
	if c.state != messages.Failed {
		c.become(messages.ClosedNow)
	}
	c.half.released(c.refusal())
	c.closing.answer(err)
	ctx.Stop(ctx.Self())
}
