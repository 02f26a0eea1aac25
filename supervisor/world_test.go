package supervisor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/sim"
)

// bed is what the tests on virtual time stand on: a world, its ends of the channel "orders", and what they were seen to do.
type bed struct {
	*testing.T
	world    *sim.World
	port     *watchedPort
	ends     []*end
	inject   func(id string, msg any) // before each message of each actor
	before   int                      // actors in the registry before any of ours
	unlisted bool                     // a test that sends unknown messages itself
	always   func(*supervisor.Config) // edits the config of every end, if set
}

func newBed(t *testing.T) *bed { return seeded(t, 1) }

// seeded is for what depends on who comes first: such tests try many seeds.
func seeded(t *testing.T, seed uint64) *bed {
	b := &bed{T: t, world: sim.NewWorld(seed)}
	b.port = &watchedPort{Port: b.world.Broker()}
	b.before = actorsOf(b.world.System())
	t.Cleanup(b.finish)
	return b
}

// finish stops what still lives and checks what must hold after every test: nothing is left at the broker or in the registry, nobody got an unknown message.
func (b *bed) finish() {
	for _, e := range b.ends {
		b.world.System().Root.Stop(e.pid)
	}
	gone := func() bool {
		for _, e := range b.ends {
			if !e.stopped {
				return false
			}
		}
		return true
	}
	b.inject = nil
	if !b.world.RunUntil(gone, 10*time.Second) {
		b.Error("a supervisor does not stop")
	}
	b.world.Broker().Thaw()
	b.world.RunFor(20 * time.Second)
	if c := b.world.Broker().Counts(); c.Leases+c.Publishers+c.Consumers != 0 {
		b.Errorf("left at the broker: %+v", c)
	}
	if n := actorsOf(b.world.System()); n != b.before {
		b.Errorf("%d actors are left", n-b.before)
	}
	for _, e := range b.ends {
		for _, u := range seen[*messages.UnhandledMessage](e) {
			if !b.unlisted {
				b.Errorf("%s was sent %T, which it does not know", u.Child, u.Message)
			}
		}
	}
	b.world.Reset(0, sim.Fine) // ends the goroutines that hang
}

// actorsOf counts the processes in the registry.
func actorsOf(system *actor.ActorSystem) (n int) {
	for _, shard := range system.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += shard.Count()
	}
	return n
}

// end is one end of the channel.
type end struct {
	*bed
	name    string
	pid     *actor.PID
	props   *actor.Props
	events  []messages.Event
	on      func(messages.Event) // if set, is told of each, in the supervisor's handler
	stopped bool
}

func (e *end) saw(ev messages.Event) {
	e.events = append(e.events, ev)
	if e.on != nil {
		e.on(ev)
	}
}

// writer and reader spawn an end. Both create the resources, unless edit says otherwise.
func (b *bed) writer(edit ...func(*supervisor.Config)) *end {
	return b.spawn("writer", supervisor.WriterProps, edit)
}

func (b *bed) reader(edit ...func(*supervisor.Config)) *end {
	return b.spawn("reader", supervisor.ReaderProps, edit)
}

func (b *bed) spawn(name string, props func(supervisor.Config) (*actor.Props, error), edit []func(*supervisor.Config)) *end {
	b.Helper()
	e := &end{bed: b, name: name}
	env := b.world.Env()
	env.Options = append(env.Options, actor.WithReceiverMiddleware(b.middleware))
	config := supervisor.Config{Channel: "orders", Name: name, Port: b.port, Env: env, Create: true,
		Events: e.saw, Stopped: func() { e.stopped = true }}
	if b.always != nil {
		b.always(&config)
	}
	for _, f := range edit {
		f(&config)
	}
	p, err := props(config)
	if err != nil {
		b.Fatal(err)
	}
	e.name, e.props = config.Name, p
	if e.pid, err = b.world.System().Root.SpawnNamed(p, config.Name); err != nil {
		b.Fatal(err)
	}
	b.ends = append(b.ends, e)
	return e
}

func (b *bed) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		if b.inject != nil {
			b.inject(ctx.Self().Id, envelope.Message)
		}
		next(ctx, envelope)
	}
}

// at says whether an actor is an incarnation of that child: "writer/data-producer".
func at(id, child string) bool { return strings.HasPrefix(id, child+"-") }

// both opens both ends and waits until they run and see each other.
func both(t *testing.T, edit ...func(*supervisor.Config)) (b *bed, writer, reader *end) {
	t.Helper()
	b = newBed(t)
	writer, reader = b.both(edit...)
	return b, writer, reader
}

func (b *bed) both(edit ...func(*supervisor.Config)) (writer, reader *end) {
	b.Helper()
	reader, writer = b.reader(edit...), b.writer(edit...)
	writer.opened()
	reader.opened()
	return writer, reader
}

func noStatus(c *supervisor.Config)              { c.NoStatus = true }
func joins(c *supervisor.Config)                 { c.Create = false }
func named(name string) func(*supervisor.Config) { return func(c *supervisor.Config) { c.Name = name } }
func within(window time.Duration) func(c *supervisor.Config) {
	return func(c *supervisor.Config) { c.GraceWindow = window }
}

// until lets virtual time pass until the condition holds.
func (b *bed) until(what string, limit time.Duration, holds func() bool) {
	b.Helper()
	if !b.world.RunUntil(holds, limit) {
		b.Fatalf("not within %s: %s", limit, what)
	}
}

func (e *end) send(msg any) { e.world.System().Root.Send(e.pid, msg) }

// answer is where the answer to a request arrives. More than one is an error.
type answer[T any] struct {
	got *T
	at  time.Duration
}

func take[T any](b *bed) (*answer[T], func(*T)) {
	a := &answer[T]{}
	return a, func(m *T) {
		if a.got != nil {
			b.Errorf("answered twice: %+v", *m)
		}
		a.got, a.at = m, b.world.Now()
	}
}

func await[T any](b *bed, a *answer[T], limit time.Duration) *T {
	b.Helper()
	b.until(fmt.Sprintf("an answer %T", a.got), limit, func() bool { return a.got != nil })
	return a.got
}

func (e *end) open() *answer[messages.Opened] {
	a, done := take[messages.Opened](e.bed)
	e.send(&messages.Open{Done: done})
	return a
}

func (e *end) opened() {
	e.Helper()
	if m := await(e.bed, e.open(), time.Minute); m.Err != nil {
		e.Fatal(m.Err)
	}
}

// write writes records whose bodies are the texts.
func (e *end) write(texts ...string) (*answer[messages.Written], *messages.Write) {
	a, done := take[messages.Written](e.bed)
	m := &messages.Write{Done: done}
	for _, text := range texts {
		m.Records = append(m.Records, broker.Record{Body: []byte(text)})
	}
	e.send(m)
	return a, m
}

func (e *end) demand(most int) *answer[messages.Batch] {
	a, done := take[messages.Batch](e.bed)
	e.send(&messages.Demand{Max: most, Done: done})
	return a
}

func (e *end) commit(batch *messages.Batch) *answer[messages.Committed] {
	a, done := take[messages.Committed](e.bed)
	e.send(&messages.Commit{Batch: batch, Done: done})
	return a
}

func (e *end) close(timeout time.Duration, edit ...func(*messages.Close)) *answer[messages.Closed] {
	a, done := take[messages.Closed](e.bed)
	m := &messages.Close{Timeout: timeout, Done: done}
	for _, f := range edit {
		f(m)
	}
	e.send(m)
	return a
}

func (e *end) snapshot() *messages.Snapshot {
	e.Helper()
	a, done := take[messages.Snapshot](e.bed)
	e.send(&messages.Inspect{Done: done})
	return await(e.bed, a, time.Second)
}

func (e *end) child(part messages.Child) messages.ChildSnapshot {
	e.Helper()
	for _, c := range e.snapshot().Children {
		if c.Child == part {
			return c
		}
	}
	e.Fatalf("no %s", part)
	return messages.ChildSnapshot{}
}

func (e *end) has(state messages.State) bool { return e.state() == state }

// state is the channel's as it was told last.
func (e *end) state() messages.State {
	all := seen[*messages.StateChanged](e)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Is
}

// flows checks that a record goes through, whatever else is under way.
func flows(writer, reader *end, text string) {
	writer.Helper()
	written, _ := writer.write(text)
	if m := await(writer.bed, written, time.Minute); m.Err != nil {
		writer.Fatal(m.Err)
	}
	for {
		batch := await(reader.bed, reader.demand(100), time.Minute)
		if batch.Err != nil {
			reader.Fatal(batch.Err)
		}
		reader.commit(batch)
		for _, r := range batch.Records {
			if string(r.Body) == text {
				return
			}
		}
	}
}

// seen gives the events of a type.
func seen[E messages.Event](e *end) (out []E) {
	for _, ev := range e.events {
		if ev, ok := ev.(E); ok {
			out = append(out, ev)
		}
	}
	return out
}

// last gives the latest event of a type; the test ends when there is none.
func last[E messages.Event](e *end) E {
	e.Helper()
	all := seen[E](e)
	if len(all) == 0 {
		var none E
		e.Fatalf("no %T", none)
	}
	return all[len(all)-1]
}

var errInjected = errors.New("injected")

// failing makes every message to the child fail with a typed error until stop is called.
func (b *bed) failing(child string, err error) (stop func()) {
	b.inject = func(id string, msg any) {
		if _, stopping := msg.(*actor.Stopping); !stopping && at(id, child) {
			panic(&actors.Failure{Err: err})
		}
	}
	return func() { b.inject = nil }
}

// watchedPort notes the leases that are given out and what is aborted.
type watchedPort struct {
	broker.Port
	leases []*watchedLease
}

type watchedLease struct {
	broker.Lease
	owner   string
	aborted bool
}

func (p *watchedPort) Lease(owner string) broker.Lease {
	l := &watchedLease{Lease: p.Port.Lease(owner), owner: owner}
	p.leases = append(p.leases, l)
	return l
}

func (l *watchedLease) Abort() {
	l.aborted = true
	l.Lease.Abort()
}

func (p *watchedPort) lease(owner string) *watchedLease {
	for _, l := range p.leases {
		if l.owner == owner {
			return l
		}
	}
	return nil
}
