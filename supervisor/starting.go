package supervisor

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// How a channel that is open starts to run, and stands by again.

func (c *channel) isOpen() bool { return c.state == messages.Running || c.state == messages.Standby }

// announce tells the peers again that the endpoint is there.
func (c *channel) announce(ctx actor.Context) {
	c.say(ctx, messages.StatusOpened, nil)
	if c.started {
		c.say(ctx, messages.StatusStarted, nil)
	}
}

func (c *channel) sayStarted(ctx actor.Context) {
	c.started = true
	c.say(ctx, messages.StatusStarted, nil)
}

func (c *channel) onStart(ctx actor.Context, m *messages.Start) {
	reply := replyTo(ctx, m.Done)
	switch {
	case c.over() || c.state == messages.Closing:
		reply(&messages.Opened{Err: c.refusal()})
	case !c.isOpen(): // it will, when it is open
		c.standBy = false
		c.opens = append(c.opens, &messages.Open{Done: reply})
	default:
		c.run(ctx)
		reply(&messages.Opened{})
	}
}

// run goes from Standby to Running. Whoever waits for a Stop that is not done waits in vain: it is answered.
func (c *channel) run(ctx actor.Context) {
	if c.state == messages.Running {
		return
	}
	c.become(messages.Running)
	c.answerStops(nil)
	c.sayStarted(ctx)
}

func (c *channel) onStop(ctx actor.Context, m *messages.Stop) {
	reply := replyTo(ctx, m.Done)
	switch {
	case c.over() || c.state == messages.Closing:
		reply(&messages.Opened{Err: c.refusal()})
	case c.state == messages.Running:
		c.become(messages.Standby)
		c.half.intakeStopped(ErrNotStarted)
		c.stops = append(c.stops, reply)
		c.standStill(ctx)
	case c.isOpen():
		c.stops = append(c.stops, reply)
		c.standStill(ctx)
	default:
		c.standBy = true // when it is open, it will not start
		c.half.intakeStopped(ErrNotStarted)
		reply(&messages.Opened{})
	}
}

// standStill ends a Stop when nothing is under way any more: only then may peers be told, who take it to mean that no more comes.
func (c *channel) standStill(ctx actor.Context) {
	if len(c.stops) == 0 || c.state != messages.Standby || !c.half.drained() {
		return
	}
	if c.started {
		c.started = false
		c.say(ctx, messages.StatusHealthCheck, c.healthPayload(nil))
		c.say(ctx, messages.StatusStopped, nil)
	}
	c.answerStops(nil)
}

func (c *channel) answerStops(err error) {
	for _, reply := range c.stops {
		reply(&messages.Opened{Err: err})
	}
	c.stops = nil
}

// idle says why requests for records are refused now, if they are.
func (c *channel) idle() error {
	switch {
	case c.over() || c.state == messages.Closing:
		return c.refusal()
	case c.state == messages.Standby, c.standBy && !c.isOpen():
		return ErrNotStarted
	}
	return nil
}
