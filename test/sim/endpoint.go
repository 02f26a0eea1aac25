package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// endpoint is one end of the channel and its user, over all the generations in which it is opened again: after it failed, was closed, or its process was
// killed.
type endpoint struct {
	r       *run
	name    string // such as w0, r1
	writes  bool
	user    user
	index   int // among the readers
	gen     int
	skew    time.Duration // by how much its clock is wrong
	pid     *actor.PID
	state   messages.State
	begun   []life // each generation
	parts   map[messages.Child]*outage
	seen    map[string]messages.Kind // peers' last states, as it was told
	opens   int                      // Open and AwaitPeers requests without an answer
	closing bool                     // it was told to close
	closed  bool                     // that was answered
	stopped bool
	dead    bool  // its process was killed
	ran     bool  // it was Running
	crashed bool  // its supervisor was made to fail
	broken  error // the channel has failed
	lastErr error // of the last close
}

// life is when a generation began, by a right clock, and by how much its own was wrong.
type life struct{ at, skew time.Duration }

// user is what writes or reads at an end.
type user interface {
	// begin starts the user of a new generation.
	begin(gen int)
	// left says how many requests have no answer.
	left() int
	// forget gives up the requests of a killed generation.
	forget()
}

// actorName is the supervisor's: unique in the run.
func (e *endpoint) actorName() string { return e.name + "-" + strconv.Itoa(e.gen) }

// owner is the prefix of its leases' owners.
func (e *endpoint) owner() string { return channelName + "/" + e.name + "/" }

// open spawns the next generation.
func (e *endpoint) open() {
	p := &e.r.plan
	e.gen++
	e.begun = append(e.begun, life{e.r.w.now, e.skew})
	e.state, e.closing, e.closed, e.stopped, e.ran, e.dead, e.crashed, e.broken, e.lastErr = messages.Preparing, false, false, false, false, false, false, nil, nil
	e.parts, e.seen = map[messages.Child]*outage{}, map[string]messages.Kind{}
	gen := e.gen
	config := supervisor.Config{
		Channel: channelName, Name: e.name, Port: e.r.port, Env: e.r.w.env(e.skew), Resources: p.resources(),
		Events:  func(event messages.Event) { e.event(event) },
		Stopped: func() { e.onStopped(gen) },
		Create:  e.creates(), FanOut: p.fanOut, Compat: p.compat, Ordered: p.ordered,
		NoStatus: p.noStatus, NoMetrics: p.noMetrics, GraceWindow: p.grace, HealthInterval: p.health,
		Window: p.window, WindowBytes: p.windowBytes, StallAfter: p.stall, Poll: p.poll, Prefetch: p.prefetch, Stream: p.onStream(),
	}
	if p.group && !e.writes {
		config.Group, config.GroupIndex, config.GroupSize = "g", e.index, p.readers
	}
	propsOf := supervisor.ReaderProps
	if e.writes {
		propsOf = supervisor.WriterProps
	}
	props, err := propsOf(config)
	if err == nil {
		e.pid, err = e.r.w.system.Root.SpawnNamed(props, e.actorName())
	}
	if err != nil {
		panic(err)
	}
	e.r.w.Logf("user: %s opens", e.actorName())
	e.opens++
	e.send(&messages.Open{Done: func(m *messages.Opened) {
		e.opens--
		e.refused("open", m.Err)
	}})
	if !p.noStatus {
		e.opens++
		e.send(&messages.AwaitPeers{Count: 1, Done: func(m *messages.Opened) {
			e.opens--
			e.refused("await peers", m.Err)
		}})
	}
	e.user.begin(e.gen)
}

// creates: of a group only the principal declares.
func (e *endpoint) creates() bool {
	if e.writes {
		return e.r.plan.writersCreate
	}
	return e.r.plan.readersCreate && !(e.r.plan.group && e.index > 0)
}

// leaseOf gives the owner of the present incarnation's lease.
func (e *endpoint) leaseOf(p part) string {
	if p == supervising {
		return ""
	}
	return e.owner() + e.incarnation(p)
}

func (e *endpoint) incarnation(p part) string {
	return string(children[p]) + "-" + strconv.FormatUint(e.part(children[p]).epoch, 10)
}

// box gives the mailbox of the present incarnation, or of the supervisor.
func (e *endpoint) box(p part) *Mailbox {
	id := e.actorName()
	if p != supervising {
		id += "/" + e.incarnation(p)
	}
	for i := len(e.r.w.boxes) - 1; i >= 0; i-- {
		if m := e.r.w.boxes[i]; m.pid != nil && m.pid.Id == id {
			return m
		}
	}
	return nil
}

// ownerOf gives the end and the actor that a lease's owner or an actor's id names: c/w0/data-producer-3, w0-1/data-producer-3, w0-1. Nil: none.
func (r *run) ownerOf(name string) (*endpoint, part) {
	name = strings.TrimPrefix(name, channelName+"/")
	of, child, owned := strings.Cut(name, "/")
	for _, e := range r.endpoints {
		if of != e.name && !strings.HasPrefix(of, e.name+"-") {
			continue
		}
		if !owned {
			return e, supervising
		}
		return e, partOf(messages.Child(child[:strings.LastIndexByte(child, '-')]))
	}
	return nil, 0
}

func (e *endpoint) send(msg any) { e.r.w.system.Root.Send(e.pid, msg) }

// refused takes in a request's error: only what a failed or closed channel says is right.
func (e *endpoint) refused(what string, err error) {
	var channel *supervisor.ChannelError
	switch {
	case err == nil || errors.Is(err, supervisor.ErrClosed) || e.haunted(err) || e.expected(err):
	case errors.As(err, &channel):
		if channel.Cause == nil || channel.Child == "" || channel.Permanent {
			e.r.bad("%s of %s failed with %v", what, e.actorName(), err)
		}
	default:
		e.r.bad("%s of %s failed with %v", what, e.actorName(), err)
	}
}

// close asks for the end; then, after the pause, it opens again, unless that is negative.
func (e *endpoint) close(ask *messages.Close, again time.Duration) {
	if e.closing {
		return
	}
	e.closing = true
	gen, failed := e.gen, e.broken != nil
	ask.Done = func(m *messages.Closed) {
		if e.closed {
			e.r.bad("close of %s was answered twice", e.actorName())
		}
		e.closed, e.lastErr = true, m.Err
		var left *supervisor.CloseError
		if !errors.As(m.Err, &left) {
			e.refused("close", m.Err)
		}
	}
	e.r.w.Logf("user: %s closes, failed %v, within %s", e.actorName(), failed, ask.Timeout)
	e.send(ask)
	e.r.w.at(e.r.w.now+ask.Timeout+10*time.Second, func() {
		if e.gen == gen && (!e.closed && !e.crashed && !e.dead || !e.stopped) {
			e.r.bad("close of %s outlived its deadline: answered %v, stopped %v", e.actorName(), e.closed, e.stopped)
		}
	})
	if again >= 0 {
		e.r.w.at(e.r.w.now+ask.Timeout+20*time.Millisecond+again, func() { e.reopen(gen) })
	}
}

// reopen opens the next generation once this one has stopped.
func (e *endpoint) reopen(gen int) {
	switch {
	case e.gen != gen || e.r.finishing:
	case !e.stopped:
		e.r.w.at(e.r.w.now+100*time.Millisecond, func() { e.reopen(gen) })
	default:
		e.open()
	}
}

func (e *endpoint) onStopped(gen int) {
	if e.gen != gen {
		return
	}
	e.stopped = true
	e.r.w.Logf("user: %s has stopped", e.actorName())
	n := e.user.left() + e.opens - e.unread()
	if e.crashed {
		n-- // the one by which it crashed: who waits for that knows by Stopped
	}
	if n > 0 {
		e.r.bad("%s stopped with %d requests that it has read and not answered", e.actorName(), n)
	}
	e.user.forget()
	e.opens = 0
}

// unread counts the requests that the supervisor never got to see: they came while it stopped, and its user knows by Stopped.
func (e *endpoint) unread() (n int) {
	for _, m := range e.r.w.boxes {
		if m.pid != e.pid {
			continue
		}
		for _, msg := range m.user.q[m.user.head:] {
			n += request(msg)
		}
		for _, effect := range m.out[m.outHead:] {
			if effect.to == m {
				n += request(effect.msg)
			}
		}
	}
	return n
}

func request(msg any) int {
	switch bare(msg).(type) {
	case *messages.Open, *messages.AwaitPeers, *messages.Write, *messages.Demand, *messages.Commit, *messages.Remaining:
		return 1
	}
	return 0
}

// kill is the death of the process that this end lives in. The next one's clock is wrong by so much.
func (e *endpoint) kill(skew time.Duration) {
	w := e.r.w
	w.Logf("fault: process of %s killed", e.actorName())
	root := e.actorName()
	for _, m := range w.boxes {
		if !m.dead && m.pid != nil && (m.pid.Id == root || m.parent == root) {
			m.kill()
		}
	}
	for _, l := range slices.Clone(e.r.port.open) {
		if l.e == e {
			l.end()
		}
	}
	e.stopped, e.dead, e.closing, e.opens = true, true, false, 0
	e.user.forget()
	e.skew = max(e.skew, skew)
	gen := e.gen
	w.at(w.now, func() { w.broker.KillOwner(e.owner()) }) // behind what was posted before
	w.at(w.now+10*time.Millisecond+w.Jitter(50*time.Millisecond), func() { e.reopen(gen) })
}

// event takes in what the supervisor tells.
func (e *endpoint) event(event messages.Event) {
	r, now := e.r, e.r.w.Time()
	if r.w.Log != nil {
		r.w.Logf("event: %s %T %+v", e.actorName(), event, event)
	}
	r.events++
	switch m := event.(type) {
	case *messages.StateChanged:
		e.state = m.Is
		e.ran = e.ran || e.state == messages.Running
		r.changedAll(e)
	case *messages.ChildStarted:
		e.part(m.Child).started(m.From)
		r.changed(e, partOf(m.Child))
	case *messages.ChildReady:
		e.part(m.Child).becameReady(now)
		r.changed(e, partOf(m.Child))
	case *messages.WaitsFor:
		if m.Child == messages.Topology {
			e.part(m.Child).waits = true
			r.changed(e, topology)
		}
	case *messages.ChildFailed:
		e.part(m.Child).failed(now)
		r.childFailed(e, m)
		r.changed(e, partOf(m.Child))
	case *messages.Abandoned:
		r.result.Abandoned++
	case *messages.PublishedAgain:
		r.nacked = true
		r.result.Nacked += m.Records
	case *messages.PeerChanged:
		e.seen[m.Peer.Name] = m.Peer.State
	case *messages.UnhandledMessage:
		r.bad("%s: unhandled %T", e.actorName(), m.Message)
	case *messages.BadStatuses:
		if r.badSaid {
			break
		}
		r.bad("%s: %d bad statuses: %v", e.actorName(), m.Count, m.Why)
	case *messages.ChannelFailed:
		e.fell(m.Err)
	}
}

func (e *endpoint) part(c messages.Child) *outage {
	o := e.parts[c]
	if o == nil {
		o = &outage{}
		e.parts[c] = o
	}
	return o
}

// fell: the channel has failed. That is right only after an outage as long as the window. Its user closes it and opens it again.
func (e *endpoint) fell(err error) {
	r := e.r
	e.broken = err
	r.result.Failed++
	if !e.writes {
		r.readerDied()
	}
	var channel *supervisor.ChannelError
	switch {
	case e.crashed && errors.As(err, &channel) && channel.Child == supervisorName:
		gen := e.gen
		r.w.at(r.w.now+time.Second, func() { e.reopen(gen) }) // it stops by itself
		return
	case e.haunted(err) || e.expected(err):
		e.again()
		return
	case !errors.As(err, &channel) || channel.Permanent:
		r.bad("%s failed: %v", e.actorName(), err)
		return
	}
	o := e.part(channel.Child)
	window := r.plan.graceWindow()
	if o.down < window {
		r.bad("%s failed after an outage of %s of %s, window %s: %v", e.actorName(), channel.Child, o.down, window, err)
	}
	if r.outages < window && !r.excused {
		r.bad("%s failed, though all outages together took %s only: %v", e.actorName(), r.outages, err)
	}
	e.again()
}

// haunted: the broker does not know yet that the former life of a writer has ended, so its name is taken.
func (e *endpoint) haunted(err error) bool {
	return e.gen > 1 && errors.Is(err, actors.ErrNameInUse)
}

// expected: credentials were revoked, which no retry mends, or the supervisor was made to fail.
func (e *endpoint) expected(err error) bool {
	var channel *supervisor.ChannelError
	return errors.As(err, &channel) && channel.Permanent &&
		(e.r.revoked && errors.Is(err, broker.ErrPermission) || e.crashed && channel.Child == supervisorName)
}

// again closes what has failed and opens it again.
func (e *endpoint) again() {
	r, gen := e.r, e.gen
	r.w.at(r.w.now+time.Second, func() {
		if e.gen == gen && !e.closing && !e.stopped {
			e.close(&messages.Close{Timeout: 5 * time.Second}, time.Millisecond)
		}
	})
}

// hearsItsOwn: of a stream, readers that may delete it hear the others; so does a group's principal.
func (e *endpoint) hearsItsOwn() bool {
	p := &e.r.plan
	return !e.writes && !p.noStatus && (p.stream && e.creates() || p.group && e.index == 0)
}

// up says whether all that should be there is, or what is missing.
func (e *endpoint) up() error {
	if e.state != messages.Running {
		return fmt.Errorf("%s is %s", e.actorName(), e.state)
	}
	parts := []messages.Child{messages.DataConsumer}
	if e.writes {
		parts[0] = messages.DataProducer
	}
	if !e.r.plan.noStatus {
		parts = append(parts, messages.StatusProducer, messages.StatusConsumer, messages.HealthTicker, messages.MetricsAggregator)
		if e.hearsItsOwn() {
			parts = append(parts, messages.MemberConsumer)
		}
	}
	for _, part := range parts {
		if !e.part(part).ready {
			return fmt.Errorf("%s of %s is not ready", part, e.actorName())
		}
	}
	return nil
}
