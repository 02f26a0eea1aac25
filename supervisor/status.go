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

func (c *channel) onPeersSaid(ctx actor.Context, m *messages.PeersSaid) {
	k := c.current(m.From)
	if k == nil {
		return
	}
	k.proved()
	if !m.History { // the history session goes on when the live one is not served any more
		k.spoke = c.now()
	}
	side, next := c.otherSide, &c.statusNext
	if k == c.memberConsumer {
		side, next = c.side, &c.memberNext
	}
	if m.Next > 0 {
		*next = m.Next
	}
	if m.Bad > 0 {
		c.emit(&messages.BadStatuses{Head: c.head(), Count: m.Bad, Why: m.Why})
	}
	how := live
	if m.History {
		how = replayed
	}
	for i := range m.Statuses {
		if i < m.Again {
			c.hear(&m.Statuses[i], side, again)
		} else {
			c.hear(&m.Statuses[i], side, how)
		}
	}
	if len(m.Statuses) > m.Again {
		c.emit(&messages.StatusesReceived{Head: c.head(), Side: side, Statuses: m.Statuses[m.Again:], History: m.History})
	}
	c.checkAwaits(nil)
	c.advance(ctx)
}

// hear takes in one status and tells what it means, in the order of pypz: the new peer, then the peer's own update.
func (c *channel) hear(s *messages.Status, side messages.Side, how hearing) {
	now := c.now()
	n := c.peers.apply(s, side, how, now)
	if n.peer == nil {
		return
	}
	peer := c.peers.view(n.peer, now)
	if n.appeared {
		c.emit(&messages.PeerAppeared{Head: c.head(), Peer: peer})
	}
	if n.late > 0 {
		c.emit(&messages.StatusLate{Head: c.head(), Peer: peer.Name, By: n.late})
	}
	if how != again {
		c.emit(&messages.StatusReceived{Head: c.head(), Peer: peer, Status: *s, History: how == replayed})
	}
	if n.changed {
		c.emit(&messages.PeerChanged{Head: c.head(), Peer: peer})
	}
}

func (c *channel) onAwaitPeers(ctx actor.Context, m *messages.AwaitPeers) {
	reply := replyTo(ctx, m.Done)
	switch {
	case c.over() || c.state == messages.Closing:
		reply(&messages.Opened{Err: c.refusal()})
	case c.statusConsumer == nil:
		reply(&messages.Opened{Err: c.noStatus()})
	default:
		await := &messages.AwaitPeers{Count: m.Count, Are: m.Are, NotYet: m.NotYet, Expired: m.Expired, Done: reply}
		c.awaits = append(c.awaits, await)
		c.checkAwaits(await)
	}
}

func (c *channel) noStatus() error {
	return fmt.Errorf("channel %s (%s): with NoStatus peers are neither seen nor told anything", c.cfg.Channel, c.cfg.Name)
}

// checkAwaits answers who waits for peers that are there now, and tells the newcomer or, when peers have changed, everybody else what is missing.
func (c *channel) checkAwaits(newcomer *messages.AwaitPeers) {
	if c.forgetAwaits(); len(c.awaits) == 0 {
		return
	}
	now := c.now()
	c.awaits = slices.DeleteFunc(c.awaits, func(m *messages.AwaitPeers) bool {
		count, enough := c.peers.are(m.Are, now)
		if enough && count >= m.Count {
			m.Done(&messages.Opened{})
			return true
		}
		if m.NotYet != nil && (newcomer == nil || newcomer == m) {
			m.NotYet(fmt.Errorf("%d of %d %ss %s (%s)", count, m.Count, c.otherSide, what(m.Are), c.peers.describe(now)))
		}
		return false
	})
}

// what says what peers are waited for to be.
func what(are messages.PeersAre) string {
	switch are {
	case messages.PeersSeen:
		return "were seen"
	case messages.PeersFinished:
		return "have finished"
	}
	return "are there"
}

// forgetAwaits forgets those for which nobody waits any more.
func (c *channel) forgetAwaits() {
	c.awaits = slices.DeleteFunc(c.awaits, func(m *messages.AwaitPeers) bool { return m.Expired != nil && m.Expired() })
}
