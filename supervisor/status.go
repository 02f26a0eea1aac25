package supervisor

import (
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// What a channel tells its peers and hears of them.

// say tells the peers a status, when the status producer can.
func (c *channel) say(ctx actor.Context, kind messages.Kind, payload messages.Payload) {
	if c.statusProducer == nil {
		return
	}
	c.outbox.push(messages.Status{Channel: c.cfg.Channel, Context: c.cfg.Name, Group: c.cfg.Group, GroupIndex: c.cfg.GroupIndex,
		Kind: kind, Payload: payload}, c.now())
	c.sendStatuses(ctx)
}

func (c *channel) sendStatuses(ctx actor.Context) {
	k := c.statusProducer
	for k.ready {
		e := c.outbox.take()
		if e == nil {
			return
		}
		ctx.Send(k.pid, &messages.SendStatus{Epoch: k.epoch, Seq: e.seq, Status: e.status})
	}
}

func (c *channel) onStatusSent(ctx actor.Context, m *messages.StatusSent) {
	c.outbox.confirmed(m.First, m.Last)
	if k := c.current(m.From); k != nil {
		k.proved()
		c.sendStatuses(ctx)
	}
	if c.parts && len(c.outbox.entries) == 0 {
		c.onLastWords(ctx)
	}
	c.advance(ctx)
}

// speaking says whether peers are to see health checks: until a close has said its last one.
func (c *channel) speaking() bool {
	return c.state == messages.Running || c.state == messages.Closing && c.spoke && c.closing.phase == draining
}

// onTick sends a health check, with fresh metrics where they can be had: an aggregator that has not answered since the last one does not hold it up.
func (c *channel) onTick(ctx actor.Context, m *messages.Tick) {
	c.forgetAwaits()
	k := c.current(m.From)
	if k == nil || !c.speaking() {
		return
	}
	k.proved()
	c.peers.forget(c.now())
	if c.cfg.NoMetrics || !c.metrics.ready || c.measuring {
		c.measuring = false
		c.say(ctx, messages.StatusHealthCheck, c.healthPayload(nil))
		return
	}
	c.measuring = true
	c.flushCycles(ctx)
	ctx.Send(c.metrics.pid, &messages.Measure{Epoch: c.metrics.epoch, At: c.now()})
}

func (c *channel) onMeasured(ctx actor.Context, m *messages.Measured) {
	k := c.current(m.From)
	if k == nil || !c.measuring || !c.speaking() {
		return
	}
	k.proved()
	c.measuring = false
	c.say(ctx, messages.StatusHealthCheck, c.healthPayload(&m.Metrics))
}

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

func (c *channel) onPeersSaid(ctx actor.Context, m *messages.PeersSaid) {
	k := c.current(m.From)
	if k == nil {
		return
	}
	k.proved()
	now := c.now()
	if m.Next > 0 {
		c.statusNext = m.Next
	}
	if m.Bad > 0 {
		c.emit(&messages.BadStatuses{Head: c.head(), Count: m.Bad, Why: m.Why})
	}
	for i := range m.Statuses {
		if changed := c.peers.apply(&m.Statuses[i], m.History, now); changed != nil {
			c.emit(&messages.PeerChanged{Head: c.head(), Peer: *changed})
		}
	}
	c.checkAwaits(nil)
	c.advance(ctx)
}

func (c *channel) onAwaitPeers(ctx actor.Context, m *messages.AwaitPeers) {
	reply := replyTo(ctx, m.Done)
	switch {
	case c.over() || c.state == messages.Closing:
		reply(&messages.Opened{Err: c.refusal()})
	case c.statusConsumer == nil:
		reply(&messages.Opened{Err: fmt.Errorf("channel %s (%s): peers cannot be seen with NoStatus", c.cfg.Channel, c.cfg.Name)})
	default:
		await := &messages.AwaitPeers{Count: m.Count, NotYet: m.NotYet, Expired: m.Expired, Done: reply}
		c.awaits = append(c.awaits, await)
		c.checkAwaits(await)
	}
}

// checkAwaits answers who waits for peers that are there now, and tells the newcomer or, when peers have changed, everybody else what is missing.
func (c *channel) checkAwaits(newcomer *messages.AwaitPeers) {
	if c.forgetAwaits(); len(c.awaits) == 0 {
		return
	}
	alive := c.peers.alive(c.now())
	c.awaits = slices.DeleteFunc(c.awaits, func(m *messages.AwaitPeers) bool {
		if alive >= m.Count {
			m.Done(&messages.Opened{})
			return true
		}
		if m.NotYet != nil && (newcomer == nil || newcomer == m) {
			m.NotYet(fmt.Errorf("%d of %d peers are there", alive, m.Count))
		}
		return false
	})
}

// forgetAwaits forgets those for which nobody waits any more.
func (c *channel) forgetAwaits() {
	c.awaits = slices.DeleteFunc(c.awaits, func(m *messages.AwaitPeers) bool { return m.Expired != nil && m.Expired() })
}
