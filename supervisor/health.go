package supervisor

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// How a channel tells its peers that it is well.

// healthCheck is one that is being put together: the metrics come from their aggregator, further entries from the user. What has not come by the next tick is left out.
type healthCheck struct {
	n           uint64
	open        bool
	wantMetrics bool
	wantEntries bool
	metrics     *messages.Metrics
	entries     messages.Payload
}

// healthEntries is the user's answer, frozen: nothing of the user's code runs later.
type healthEntries struct {
	n       uint64
	payload messages.Payload
	dropped []messages.HealthEntryDropped
}

// IgnoreDeadLetterLogging: the supervisor may have stopped before.
func (*healthEntries) IgnoreDeadLetterLogging() {}

// speaking says whether peers are to see health checks: until a close has said its last one.
func (c *channel) speaking() bool {
	return c.state == messages.Running || c.state == messages.Standby || c.state == messages.Closing && c.spoke && c.closing.phase == draining
}

func (c *channel) onTick(ctx actor.Context, m *messages.Tick) {
	c.checkAwaits(nil) // a peer's silence is news, too
	k := c.current(m.From)
	if k == nil || !c.speaking() {
		return
	}
	k.proved()
	if c.statusProducer == nil {
		return
	}
	late := c.check.open
	if late {
		c.sayHealth(ctx)
	}
	c.check = healthCheck{n: c.check.n + 1, open: true, wantMetrics: !c.cfg.NoMetrics && c.metrics.ready, wantEntries: c.cfg.Health != nil}
	if c.check.wantMetrics {
		c.flushCycles(ctx)
		ctx.Send(c.metrics.pid, &messages.Measure{Epoch: c.metrics.epoch, At: c.now()})
	}
	if c.check.wantEntries {
		c.askEntries(ctx)
	}
	if c.check.open = c.check.wantMetrics || c.check.wantEntries || !late; c.check.open {
		c.completeHealth(ctx)
	}
}

// askEntries asks the user. The answer is frozen where the user gives it: code of theirs that hangs or panics in it does so there.
func (c *channel) askEntries(ctx actor.Context) {
	root, self, n := ctx.ActorSystem().Root, ctx.Self(), c.check.n
	c.cfg.Health(func(p messages.Payload) {
		answer := &healthEntries{n: n}
		answer.payload = p.Freeze(func(key string, err error) {
			answer.dropped = append(answer.dropped, messages.HealthEntryDropped{Key: key, Err: err})
		})
		root.Send(self, answer)
	})
}

func (c *channel) onHealthEntries(ctx actor.Context, m *healthEntries) {
	for i := range m.dropped {
		m.dropped[i].Head = c.head()
		c.emit(&m.dropped[i])
	}
	if !c.check.open || m.n != c.check.n || !c.speaking() {
		return
	}
	c.check.wantEntries, c.check.entries = false, m.payload
	c.completeHealth(ctx)
}

func (c *channel) onMeasured(ctx actor.Context, m *messages.Measured) {
	k := c.current(m.From)
	if k == nil || !c.check.open || !c.check.wantMetrics || !c.speaking() {
		return
	}
	k.proved()
	c.check.wantMetrics, c.check.metrics = false, &m.Metrics
	c.completeHealth(ctx)
}

func (c *channel) completeHealth(ctx actor.Context) {
	if !c.check.wantMetrics && !c.check.wantEntries {
		c.sayHealth(ctx)
	}
}

// sayHealth says what there is of the health check.
func (c *channel) sayHealth(ctx actor.Context) {
	payload := c.healthPayload(c.check.metrics)
	for _, e := range c.check.entries {
		if _, taken := payload.Get(e.Key); taken {
			c.emit(&messages.HealthEntryDropped{Head: c.head(), Key: e.Key, Err: errKeyTaken})
			continue
		}
		payload = append(payload, e)
	}
	c.check = healthCheck{n: c.check.n}
	c.say(ctx, messages.StatusHealthCheck, payload)
	if c.awaitSchema {
		c.say(ctx, messages.StatusWaitingForSchema, nil)
	}
}

var errKeyTaken = errors.New("the health check has an entry of that key")

// healthPayload: a health check's payload starts empty; metrics come before counts, as pypz puts them.
func (c *channel) healthPayload(m *messages.Metrics) messages.Payload {
	payload := messages.Payload{}
	if m != nil {
		names := c.half.metricNames()
		payload = append(payload,
			messages.Entry{Key: names[0], Value: m.SinceLastCycle}, messages.Entry{Key: names[1], Value: m.TimePerCycle},
			messages.Entry{Key: names[2], Value: m.TimePerRecord}, messages.Entry{Key: names[3], Value: m.RecordsPerCycle})
	}
	return append(payload, c.half.payload()...)
}
