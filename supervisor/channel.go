package supervisor

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// channel is what a reading and a writing supervisor have in common: the life cycle, the children and their replacement, statuses, peers, events.
//
//	Preparing   the topology actor creates or awaits resources; all other children are down
//	Opening     all children are up, not all were ready yet
//	Standby     Opened and a health check were said; waiting Opens are answered. Goes on at once, unless the config says StandBy
//	Running     Started was said
//	Closing     see closing.go
//	ClosedNow   everything is cut off, the supervisor stops
//	Failed      everything is cut off, every call gets the ChannelError; last words may still be under way
type channel struct {
	cfg   *Config
	env   *actors.Env
	half  half
	state messages.State
	err   error // of a failed channel: a *ChannelError
	past  []messages.StateAt
	begun bool // resources were there once, children were started
	ready bool // it was open once
	spoke bool // peers were told Opened
	// started: peers were told Started, and not Stopped since
	started bool
	parts   bool // a failed channel still tries to tell its peers
	// crashed: the supervisor itself has failed; gone: it has stopped
	crashed, gone bool

	topology, data, statusProducer, statusConsumer, memberConsumer, ticker, metrics *child
	all                                                                             []*child // in the order in which they are started

	side, otherSide        messages.Side
	outbox                 outbox
	peers                  peers
	statusNext, memberNext uint64 // where to go on in the peers' stream, and in one's own side's
	cycles                 cycles
	check                  healthCheck
	abandoned              int
	watchdog               actors.Timer
	opens                  []*messages.Open
	awaits                 []*messages.AwaitPeers
	stops                  []func(*messages.Opened) // what they wait for is being confirmed
	closing                closing
	standBy, awaitSchema   bool // as the config says, until it is told otherwise
}

// half is what differs between the two ends. Its methods run in the supervisor.
type half interface {
	// streams gives where this side publishes its statuses, and where it hears the other.
	streams(*actors.Resources) (own, others string)
	// newData makes an incarnation of the data child.
	newData(in actors.Incarnation) actor.Actor
	// dataOpened takes in what the data child's session found; an error fails it.
	dataOpened(ctx actor.Context, m *messages.Ready) error
	// dataReady: the data child can work from now on. dataLost: its incarnation has ended.
	dataReady(ctx actor.Context)
	dataLost()
	// intakeStopped: the channel closes or stands by; requests that nothing was done for are refused.
	intakeStopped(err error)
	// drained says whether nothing is under way that a close waits for; left notes what is.
	drained() bool
	left(*CloseError)
	// flushed: the data child, which is ready, is about to be told to finish.
	flushed(ctx actor.Context)
	// released: the channel has ended; whoever waits gets the error.
	released(err error)
	// payload is what a health check counts; nil values are left out.
	payload() messages.Payload
	metricNames() [4]string
	snapshot(*messages.Snapshot)
}

func (c *channel) init(cfg *Config, h half, side messages.Side, dataPart messages.Child) {
	c.cfg, c.env, c.half, c.state = cfg, cfg.Env, h, messages.Preparing
	c.standBy, c.awaitSchema = cfg.StandBy, cfg.AwaitSchema
	c.side, c.otherSide = side, messages.Writing
	if side == messages.Writing {
		c.otherSide = messages.Reading
	}
	self := messages.Endpoint{Side: side, Name: cfg.Channel + "@" + cfg.Name, Context: cfg.Name, Group: cfg.Group, GroupIndex: cfg.GroupIndex}
	c.peers = newPeers(self, cfg.GroupSize, cfg.PeerTimeout, cfg.HealthInterval)
	c.topology = c.child(messages.Topology, c.newTopology)
	c.data = &child{part: dataPart, owner: c, spawn: h.newData, grace: grace{window: cfg.GraceWindow}}
	if !cfg.Silent || side == messages.Writing {
		c.all = append(c.all, c.data)
	}
	if !cfg.NoStatus {
		c.initStatus()
	}
}

// initStatus makes the children that hear the peers (a peer's silence is noticed at a tick), and unless the endpoint is silent those that speak to them.
func (c *channel) initStatus() {
	own, others := c.half.streams(c.cfg.Resources)
	c.statusConsumer = c.child(messages.StatusConsumer, func(in actors.Incarnation) actor.Actor {
		return actors.NewStatusConsumer(in, others, c.cfg.Channel, c.statusNext)
	})
	if c.hearsItsOwn() {
		c.memberConsumer = c.child(messages.MemberConsumer, func(in actors.Incarnation) actor.Actor {
			return actors.NewStatusConsumer(in, own, c.cfg.Channel, c.memberNext)
		})
	}
	c.ticker = c.child(messages.HealthTicker, func(in actors.Incarnation) actor.Actor {
		return actors.NewHealthTicker(in, c.cfg.HealthInterval)
	})
	if c.cfg.Silent {
		return
	}
	c.statusProducer = c.child(messages.StatusProducer, func(in actors.Incarnation) actor.Actor {
		return actors.NewStatusProducer(in, own, "")
	})
	c.metrics = c.child(messages.MetricsAggregator, func(in actors.Incarnation) actor.Actor {
		return actors.NewMetricsAggregator(in)
	})
}

// hearsItsOwn: a principal hears its group. A stream can be deleted under others who read it, so who may do that hears them.
func (c *channel) hearsItsOwn() bool {
	return c.cfg.Group != "" && c.cfg.GroupIndex == 0 && c.cfg.GroupSize > 1 || c.cfg.Stream != nil && c.side == messages.Reading && c.cfg.Create
}

// portOf gives what a child reaches the broker by.
func (c *channel) portOf(k *child) broker.Port {
	if k == c.data {
		return c.cfg.DataPort
	}
	return c.cfg.Port
}

func (c *channel) child(part messages.Child, spawn func(actors.Incarnation) actor.Actor) *child {
	k := &child{part: part, owner: c, spawn: spawn, grace: grace{window: c.cfg.GraceWindow}}
	c.all = append(c.all, k)
	return k
}

func (c *channel) newTopology(in actors.Incarnation) actor.Actor {
	task, resources := actors.AwaitResources, *c.cfg.Resources
	switch {
	case c.cfg.Silent: // who only looks on needs the streams
		resources.Exchange, resources.Queue = "", ""
	case c.closing.deleting:
		task = actors.DeleteResources
	case c.cfg.Create:
		task = actors.CreateResources
	}
	return actors.NewTopologyActor(in, task, &resources)
}

// receive handles what both ends handle alike.
func (c *channel) receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.Pong:
		c.current(m.From)
	case *watchdog:
		c.onWatchdog(ctx)
	case *messages.Ready:
		c.onReady(ctx, m)
	case *messages.NotYet:
		c.onNotYet(ctx, m)
	case *messages.Finished:
		c.onFinished(ctx, m)
	case *messages.NotEmpty:
		if c.current(m.From) != nil {
			c.emit(&messages.QueueNotEmpty{Head: c.head(), Queue: m.Queue, Ready: m.Ready})
		}
	case *messages.StatusSent:
		c.onStatusSent(ctx, m)
	case *messages.PeersSaid:
		c.onPeersSaid(ctx, m)
	case *messages.Tick:
		c.onTick(ctx, m)
	case *messages.Measured:
		c.onMeasured(ctx, m)
	case *healthEntries:
		c.onHealthEntries(ctx, m)
	case *childFailed:
		c.onChildFailed(ctx, m)
	case *respawn:
		c.onRespawn(ctx, m)
	case *proven:
		c.onProven(m)
	case *reap:
		c.onReap(ctx, m)
	case *messages.StopFailed:
		c.onStopFailed(ctx, m)
	case *messages.Unhandled:
		c.emit(&messages.UnhandledMessage{Head: c.head(), From: m.From, Message: m.Message})
	case *messages.Open:
		c.onOpen(ctx, m)
	case *messages.AwaitPeers:
		c.onAwaitPeers(ctx, m)
	case *messages.Start:
		c.onStart(ctx, m)
	case *messages.Stop:
		c.onStop(ctx, m)
	case *messages.SchemaKnown:
		c.awaitSchema = false
	case *messages.Inspect:
		c.onInspect(ctx, m)
	case *messages.Close:
		c.onClose(ctx, m)
	case *closeDeadline:
		c.onCloseDeadline(ctx)
	case *lookAgain:
		c.advance(ctx)
	case *lastWords:
		c.onLastWords(ctx)
	case *actor.Started:
		c.onStarted(ctx)
	case *actor.Stopping:
		c.onStopping(ctx)
	case *actor.Stopped:
		c.onStopped()
	case *actor.Terminated:
	default:
		c.emit(&messages.UnhandledMessage{Head: c.head(), Message: m})
	}
}

func (c *channel) now() time.Time { return c.env.Clock.Now() }
func (c *channel) head() messages.Head {
	return messages.Head{At: c.now(), Channel: c.cfg.Channel, Name: c.cfg.Name}
}
func (c *channel) emit(e messages.Event) { c.cfg.Events(e) }
func (c *channel) over() bool            { return c.state == messages.ClosedNow || c.state == messages.Failed }
func (c *channel) become(is messages.State) {
	was := c.state
	c.state = is
	c.past = append(c.past, messages.StateAt{State: is, At: c.now()})
	c.emit(&messages.StateChanged{Head: c.head(), Was: was, Is: is})
}

func (c *channel) find(part messages.Child) *child {
	for _, k := range c.all {
		if k.part == part {
			return k
		}
	}
	return nil
}

// current gives the child that has sent a message, or nil when it is stale. It notes that the child handles messages: nothing else makes it say something.
func (c *channel) current(f messages.From) *child {
	if k := c.find(f.Child); k != nil && k.is(f) {
		k.heard = true
		return k
	}
	return nil
}

func (c *channel) onStarted(ctx actor.Context) {
	c.past = append(c.past, messages.StateAt{State: c.state, At: c.now()})
	c.emit(&messages.StateChanged{Head: c.head(), Is: c.state})
	c.topology.start(ctx)
	c.watch(ctx)
}

// watch has the supervisor look at its children.
func (c *channel) watch(ctx actor.Context) {
	c.watchdog = c.env.After(ctx.ActorSystem(), lookEvery, ctx.Self(), &watchdog{})
}

func (c *channel) onWatchdog(ctx actor.Context) {
	if c.over() {
		return
	}
	c.watch(ctx)
	for _, k := range c.all {
		if k.look(ctx) {
			c.replace(ctx, k, &actors.Failure{Err: ErrHung})
		}
	}
	c.renewStatuses(ctx)
}

func (c *channel) onProven(m *proven) {
	if k := c.find(m.Child); k != nil && k.is(m.From) {
		k.proved()
	}
}

func (c *channel) onReady(ctx actor.Context, m *messages.Ready) {
	k := c.current(m.From)
	if k == nil {
		return
	}
	k.becameReady(ctx)
	switch k {
	case c.topology:
		c.onResources(ctx)
	case c.data:
		if err := c.half.dataOpened(ctx, m); err != nil {
			c.replace(ctx, k, &actors.Failure{Err: err})
			return
		}
		c.half.dataReady(ctx)
	case c.statusProducer:
		c.sendStatuses(ctx)
	case c.statusConsumer:
		c.peers.listen(c.now())
	}
	c.open(ctx)
}

// onResources: everything that the channel needs is there.
func (c *channel) onResources(ctx actor.Context) {
	c.topology.proved()
	c.topology.end(ctx)
	first := !c.begun
	c.begun = true
	if c.state == messages.Preparing {
		c.become(messages.Opening)
	}
	for _, k := range c.all[1:] {
		if (first || k.waiting) && !c.closing.finishing(k, c) {
			k.start(ctx)
		}
	}
}

// open goes on from Opening when every child is ready.
func (c *channel) open(ctx actor.Context) {
	if c.state != messages.Opening {
		return
	}
	for _, k := range c.all[1:] {
		if !k.ready {
			return
		}
	}
	c.ready = true
	if c.standBy {
		c.become(messages.Standby)
	} else {
		c.become(messages.Running)
	}
	c.spoke = c.statusProducer != nil
	c.say(ctx, messages.StatusOpened, nil)
	c.sayHealth(ctx)
	if c.state == messages.Running {
		c.sayStarted(ctx)
	}
	for _, m := range c.opens {
		answer(ctx, m.Done, &messages.Opened{})
	}
	c.opens = nil
	c.resume(ctx)
}

// resume lets go on what waited for the channel to open.
func (c *channel) resume(ctx actor.Context) {
	if c.data.ready {
		c.half.dataReady(ctx)
	}
}

func (c *channel) onNotYet(ctx actor.Context, m *messages.NotYet) {
	k := c.current(m.From)
	if k == nil {
		return
	}
	k.works(ctx)
	c.emit(&messages.WaitsFor{Head: c.head(), From: m.From, Reason: m.Reason})
	c.closing.notYet = m.Reason
}

// answer answers a request: by its Done, or by a message to its sender.
func answer[T any](ctx actor.Context, done func(*T), reply *T) {
	replyTo(ctx, done)(reply)
}

// replyTo gives the way to answer a request, now or later.
func replyTo[T any](ctx actor.Context, done func(*T)) func(*T) {
	if done != nil {
		return done
	}
	sender := ctx.Sender()
	if sender == nil {
		return func(*T) {}
	}
	root := ctx.ActorSystem().Root
	return func(reply *T) { root.Send(sender, reply) }
}

func (c *channel) onOpen(ctx actor.Context, m *messages.Open) {
	reply := replyTo(ctx, m.Done)
	switch {
	case c.over() || c.state == messages.Closing:
		reply(&messages.Opened{Err: c.refusal()})
	case c.isOpen():
		c.announce(ctx)
		reply(&messages.Opened{})
	default:
		c.opens = append(c.opens, &messages.Open{Done: reply})
	}
}

// refusal is what a request gets that comes too late.
func (c *channel) refusal() error {
	if c.err != nil {
		return c.err
	}
	return ErrClosed
}

func (c *channel) onInspect(ctx actor.Context, m *messages.Inspect) {
	now := c.now()
	s := &messages.Snapshot{Channel: c.cfg.Channel, Name: c.cfg.Name, State: c.state, History: slices.Clone(c.past), Err: c.err, Peers: c.peers.snapshot(now)}
	for _, k := range c.all {
		s.Children = append(s.Children, k.snapshot(now))
	}
	c.half.snapshot(s)
	answer(ctx, m.Done, s)
}
