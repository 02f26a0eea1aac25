package actors

import (
	"fmt"
	"sort"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

const (
	statusPrefetch = 100
	statusBatch    = 100
)

// StatusConsumer reads the peers' statuses for one incarnation. A first one listens to what is published from now on and only then reads the stream's
// history, until it has caught up with what was heard live: so nothing falls between the two, and what was replayed is known for it. Statuses are told in the stream's
// order: what comes live meanwhile only says that the peer is there, and is told when the history gets to it. A later incarnation goes on where the last one
// was; what it missed meanwhile is live. Where it finds lower offsets, the stream is another: its history is read, too.
//
// From its supervisor it receives Ping; from its sessions the events of a consumer.
// It sends Ready once it listens, PeersSaid, Pong.
// It fails when a session does not open in time or ends. A message that is no status is counted and told, no failure.
type StatusConsumer struct {
	Incarnation
	stream  string
	channel string // whose statuses are heard; another's are foreign
	next    uint64 // where to go on; 0: a first incarnation
	live    broker.Consumer
	history broker.Consumer // nil when it has been read, or need not be
	// liveFrom and liveTo are the offsets of the first and last live message, once there was one.
	liveFrom, liveTo uint64
	hasLive          bool
	// replayedTo is behind the last message that the history session told: what comes live before it was told already.
	replayedTo uint64
	opened     bool
	timer      Timer // open deadline of the live session
}

// historyEvent is an event of the history session: the two sessions' events need telling apart.
type historyEvent struct{ event broker.Event }

// NewStatusConsumer makes one incarnation. next is the offset to go on from; 0 for a first incarnation.
func NewStatusConsumer(in Incarnation, stream, channel string, next uint64) *StatusConsumer {
	return &StatusConsumer{Incarnation: in, stream: stream, channel: channel, next: next}
}

// Receive implements actor.Actor.
func (c *StatusConsumer) Receive(ctx actor.Context) { c.handle(ctx, ctx.Message()) }

func (c *StatusConsumer) handle(ctx actor.Context, msg any) {
	switch m := msg.(type) {
	case *broker.Pending:
		for _, e := range m.Take() {
			c.handle(ctx, e)
		}
	case *broker.Delivered:
		c.heard(ctx, m)
	case *historyEvent:
		c.handleHistory(ctx, m.event)
	case *broker.Opened:
		c.listening(ctx)
	case *broker.Ended:
		fail("consume %s: %w", c.stream, m.Err)
	case *openTimeout:
		if !c.opened {
			fail("consume %s: %w (%s)", c.stream, ErrNotOpened, OpenDeadline)
		}
	case *actor.Started:
		c.start(ctx)
	case *actor.Stopping:
		stopTimer(c.timer)
	default:
		c.common(ctx, msg)
	}
}

func (c *StatusConsumer) handleHistory(ctx actor.Context, event broker.Event) {
	switch e := event.(type) {
	case *broker.Pending:
		for _, e := range e.Take() {
			c.handleHistory(ctx, e)
		}
	case *broker.Delivered:
		c.replayed(ctx, e)
	case *broker.Ended:
		if c.history != nil {
			fail("read the history of %s: %w", c.stream, e.Err)
		}
	}
}

func (c *StatusConsumer) heard(ctx actor.Context, m *broker.Delivered) {
	if !c.hasLive {
		c.hasLive, c.liveFrom = true, m.Records[0].Offset
		if c.liveFrom < c.next { // the stream was deleted and made anew while nobody listened
			c.readHistory(ctx)
		}
	}
	c.liveTo = m.Records[len(m.Records)-1].Offset
	c.live.Ack(m.Last(), true)
	c.tell(ctx, m.Records, live)
}

// replayed takes history. Its session is ended once it has caught up with what was heard live.
func (c *StatusConsumer) replayed(ctx actor.Context, m *broker.Delivered) {
	if c.history == nil {
		return
	}
	c.history.Ack(m.Last(), true)
	old := len(m.Records)
	if c.hasLive {
		old = sort.Search(len(m.Records), func(i int) bool { return m.Records[i].Offset >= c.liveFrom })
	}
	c.replayedTo = m.Records[len(m.Records)-1].Offset + 1
	if c.hasLive && c.replayedTo > c.liveTo {
		c.history.Abort()
		c.history = nil
	}
	c.tell(ctx, m.Records[:old], history)
	c.tell(ctx, m.Records[old:], caughtUp)
}

// origin is how statuses came.
type origin int

const (
	live     origin = iota
	history         // by the history session, from before the live one
	caughtUp        // by the history session, and live
)

func (c *StatusConsumer) tell(ctx actor.Context, records []broker.Record, from origin) {
	if len(records) == 0 {
		return
	}
	said := &messages.PeersSaid{From: c.From, History: from == history, Statuses: make([]messages.Status, 0, len(records))}
	now := c.Env.Clock.Now()
	for i := range records {
		status, err := messages.DecodeStatus(records[i].Body, now)
		if err == nil && status.Channel != c.channel {
			err = fmt.Errorf("%w of this channel, but of %.80q", messages.ErrBadStatus, status.Channel)
		}
		again := from == live && (c.history != nil || records[i].Offset < c.replayedTo)
		if err != nil {
			if !again {
				said.Bad++
				said.Why = err
			}
			continue
		}
		said.Statuses = append(said.Statuses, status)
		if again {
			said.Again++
		}
	}
	if from != history && c.history == nil { // else a next incarnation would know only a part of the history
		said.Next = records[len(records)-1].Offset + 1
	}
	ctx.Send(c.Parent, said)
}

func (c *StatusConsumer) listening(ctx actor.Context) {
	c.opened = true
	c.timer.Stop()
	c.ready(ctx)
	if c.next == 0 {
		c.readHistory(ctx)
	}
}

func (c *StatusConsumer) readHistory(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	session := c.session(broker.StreamOffset{From: broker.FromFirst})
	session.Background = true // where many channels open at once, this waits until they are open
	c.history = c.Lease.OpenConsumer(session, func(e broker.Event) { root.Send(self, &historyEvent{e}) })
}

func (c *StatusConsumer) start(ctx actor.Context) {
	c.timer = c.after(ctx, OpenDeadline, &openTimeout{})
	from := broker.StreamOffset{From: broker.FromNext}
	if c.next > 0 {
		from = broker.StreamOffset{From: broker.FromOffset, Offset: c.next}
	}
	c.live = c.Lease.OpenConsumer(c.session(from), c.sink(ctx))
}

func (c *StatusConsumer) session(from broker.StreamOffset) broker.ConsumerConfig {
	return broker.ConsumerConfig{Queue: c.stream, Prefetch: statusPrefetch, MaxBatch: statusBatch, Stream: &from}
}
