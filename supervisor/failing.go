package supervisor

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// How a channel ends other than by a Close in order: it fails, its owner stops it, or its supervisor crashes.

// fail ends the channel: every call gets the error, children are cut off, resources stay. Peers are told where that can be.
func (c *channel) fail(ctx actor.Context, err error) {
	if c.over() {
		return
	}
	c.err = err
	c.become(messages.Failed)
	c.emit(&messages.ChannelFailed{Head: c.head(), Err: err})
	for _, k := range c.all {
		if k != c.statusProducer {
			k.end(ctx)
		}
	}
	c.half.released(err)
	c.answerAll(err)
	if k := c.statusProducer; c.spoke && !c.closing.told && k != nil && k.ready {
		c.parts = true
		for _, kind := range []messages.Kind{messages.StatusError, messages.StatusStopped, messages.StatusClosed} {
			c.say(ctx, kind, nil)
		}
		c.env.After(ctx.ActorSystem(), lastWordsWithin, ctx.Self(), &lastWords{})
		return
	}
	c.onLastWords(ctx)
}

// lastWordsWithin is how long a failed channel tries to tell its peers.
const lastWordsWithin = 2 * time.Second

// lastWords is due when a failed channel stops trying to tell its peers.
type lastWords struct{}

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*lastWords) IgnoreDeadLetterLogging() {}

// onLastWords: the peers know, or cannot be told. A Close that came meanwhile is answered.
func (c *channel) onLastWords(ctx actor.Context) {
	c.parts = false
	c.endAll(ctx)
	if c.closing.asked() {
		c.finish(ctx, c.err)
	}
}

func (c *channel) endAll(ctx actor.Context) {
	for _, k := range c.all {
		k.end(ctx)
	}
}

// answerAll answers whoever waits for the channel to open, to stand by, or for peers.
func (c *channel) answerAll(err error) {
	for _, m := range c.opens {
		m.Done(&messages.Opened{Err: err})
	}
	for _, m := range c.awaits {
		m.Done(&messages.Opened{Err: err})
	}
	c.opens, c.awaits = nil, nil
	c.answerStops(err)
}

// onStopping: whoever owns the supervisor stops it. Nothing is flushed, everything at the broker ends now.
func (c *channel) onStopping(ctx actor.Context) {
	c.endAll(ctx)
	stop(&c.closing.deadline)
	stop(&c.closing.look)
	stop(&c.watchdog)
	if !c.over() {
		c.become(messages.ClosedNow)
	}
	err := c.refusal()
	c.half.released(err)
	c.answerAll(err)
	c.closing.answer(err)
}

// onStopped tells that the supervisor has stopped, whatever became of the message that says so: who waits for it has nothing else to wait for.
func (c *channel) onStopped() {
	if !c.gone {
		c.gone = true
		c.cfg.Stopped()
	}
}

// Crashed implements actors.Crasher: the supervisor itself has failed. What is at the broker survives, the accounts do not.
func (c *channel) Crashed(_ actor.ReceiverContext, failure *actors.Failure, last bool) {
	if last {
		defer c.onStopped()
	}
	for _, k := range c.all {
		if k.lease != nil {
			k.lease.Abort()
		}
	}
	if c.crashed {
		return
	}
	c.crashed = true
	c.err = &ChannelError{Channel: c.cfg.Channel, Name: c.cfg.Name, Child: "supervisor", Failures: 1, Since: c.now(), Permanent: true, Cause: failure.Err}
	c.state = messages.Failed
	c.emit(&messages.ChannelFailed{Head: c.head(), Err: c.err})
	c.half.released(c.err)
	c.answerAll(c.err)
	c.closing.answer(c.err)
}
