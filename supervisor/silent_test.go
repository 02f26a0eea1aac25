package supervisor_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func silent(c *supervisor.Config) { c.Silent = true }

// A sniffer: it sees its peers and they do not see it. It says nothing, over its whole life, and takes no records.
func TestSilentEndpointsSeeAndAreNotSeen(t *testing.T) {
	b, writer, reader := both(t, quiet)
	b.world.RunFor(time.Second)
	said := func() (n int) {
		for _, stream := range []string{"orders.reader.status", "orders.writer.status"} {
			s, _ := b.world.Broker().Queue(stream)
			n += s.Ready
		}
		return n
	}
	before := said()
	out := b.writer(silent, named("silent-writer"))
	in := b.reader(silent, named("silent-reader"))
	out.opened()
	in.opened()
	b.world.RunFor(30 * time.Second)
	for _, e := range []*end{out, in} {
		e.opened() // again: a request to say so, of which nothing is said
		e.answered(e.stop(), nil)
		e.answered(e.start(), nil)
	}
	if s, _ := b.world.Broker().Queue("orders"); len(s.Consumers) != 1 {
		t.Errorf("the queue is consumed by %q", s.Consumers)
	}
	if names := out.snapshot().Peers.Names(); !slices.Equal(names, []string{"orders@reader"}) {
		t.Errorf("the silent writer sees %q", names)
	}
	if peers := in.snapshot().Peers; !slices.Equal(peers.Names(), []string{"orders@writer"}) || peers.All[0].State != messages.StatusStarted {
		t.Errorf("the silent reader sees %+v", peers.All)
	}
	flows(out, reader, "by the silent writer")
	for _, e := range []*end{out, in} {
		if m := await(b, e.close(time.Second), time.Second); m.Err != nil {
			t.Errorf("%s: %v", e.name, m.Err)
		}
	}
	b.world.RunFor(time.Second)
	if n := said(); n != before {
		t.Errorf("%d statuses were published", n-before)
	}
	for _, e := range []*end{writer, reader} {
		if n := len(e.snapshot().Peers.All); n != 1 {
			t.Errorf("the %s sees %d peers", e.name, n)
		}
	}
}

// What a silent reader cannot do is an error that says so, and nothing else is.
func TestSilentReaderReadsNothing(t *testing.T) {
	b, writer, _ := both(t)
	in := b.reader(silent, named("silent"), polls(time.Second))
	in.opened()
	written, _ := writer.write("x")
	await(b, written, time.Second)
	if m := await(b, in.demand(1), time.Second); m.Err != supervisor.ErrSilent {
		t.Errorf("%+v", m)
	}
	if m := await(b, in.remaining(), time.Second); m.Err != supervisor.ErrSilent {
		t.Errorf("%+v", m)
	}
	if m := await(b, in.acknowledgeInput(), time.Second); m.Err != supervisor.ErrSilent {
		t.Errorf("%+v", m)
	}
	for _, are := range []messages.PeersAre{messages.PeersAlive, messages.PeersSeen, messages.PeersFinished} {
		a, done := take[messages.Opened](b)
		in.send(&messages.AwaitPeers{Count: 1, Are: are, Done: done})
		if are == messages.PeersFinished {
			await(b, writer.close(time.Second), time.Second)
		}
		in.answered(a, nil)
	}
}

func (e *end) acknowledgeInput() *answer[messages.Opened] {
	a, done := take[messages.Opened](e.bed)
	e.send(&messages.AcknowledgeInput{Done: done})
	return a
}

// A silent endpoint creates nothing, whatever the config says, and waits for nothing but the streams.
func TestSilentEndpointCreatesNothing(t *testing.T) {
	b := newBed(t)
	in := b.reader(silent)
	opened := in.open()
	b.world.RunFor(time.Minute)
	if opened.got != nil || len(b.world.Broker().Queues())+len(b.world.Broker().Exchanges()) != 0 {
		t.Fatalf("%+v, %q", opened.got, b.world.Broker().Queues())
	}
	b.writer().opened()
	in.answered(opened, nil)
}

// Nor does it delete: what it is asked for is refused in the answer, in time or not, and it does not wait for anybody.
func TestSilentEndpointDeletesNothing(t *testing.T) {
	for _, force := range []bool{false, true} {
		b, _, reader := both(t)
		b.world.RunFor(10 * time.Second)
		in := b.reader(silent, named("silent"))
		in.opened()
		m := await(b, in.close(time.Minute, func(m *messages.Close) { m.Delete, m.Force = true, force }), time.Second)
		var left *supervisor.CloseError
		if !errors.As(m.Err, &left) || left.NotDeleted != supervisor.ErrSilent || !errors.Is(m.Err, supervisor.ErrSilent) {
			t.Errorf("%v", m.Err)
		}
		if n := len(b.world.Broker().Queues()); n != 4 {
			t.Errorf("%d queues are left", n)
		}
		if n := len(seen[*messages.ChildFailed](reader)); n != 0 {
			t.Errorf("%d children of the reader failed", n)
		}
	}
	b, _, _ := both(t)
	out := b.writer(silent, named("silent"))
	out.opened()
	b.world.Broker().Block(true)
	out.write("x")
	m := await(b, out.close(time.Second, deletes), 2*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || left.Unconfirmed != 1 || left.NotDeleted != supervisor.ErrSilent {
		t.Errorf("at the deadline: %v", m.Err)
	}
	b.world.Broker().Block(false)
}

// A peer's silence is news to a silent endpoint, too: who waits until all have finished is answered when the last has been unhealthy for long enough.
func TestSilentEndpointNoticesAPeerThatDies(t *testing.T) {
	for _, edit := range []func(*supervisor.Config){named("loud"), silent} {
		b, writer, _ := both(t)
		in := b.reader(named("observer"), edit)
		in.opened()
		b.world.RunFor(5 * time.Second)
		b.world.System().Root.Stop(writer.pid) // without a word
		finished, done := take[messages.Opened](b)
		in.send(&messages.AwaitPeers{Count: 1, Are: messages.PeersFinished, Done: done})
		left, asked := false, 0
		in.send(&messages.AwaitPeers{Count: 9, Done: func(*messages.Opened) { t.Error("it has left") }, Expired: func() bool { asked++; return left }})
		b.world.RunFor(10 * time.Second)
		left = true
		b.world.RunFor(10 * time.Second)
		asked = 0
		b.world.RunFor(110 * time.Second)
		if finished.got == nil || asked > 0 {
			t.Errorf("silent %v: %+v, somebody who has left was asked %d times", in.name != "loud", finished.got, asked)
		}
	}
}

// The parts of a silent endpoint fail and come back like others.
func TestSilentEndpointHeals(t *testing.T) {
	b, writer, reader := both(t)
	out, in := b.writer(silent, named("silent-writer")), b.reader(silent, named("silent-reader"))
	out.opened()
	in.opened()
	b.world.Broker().Cut()
	b.world.Broker().RefuseFor(20 * time.Second)
	b.world.RunFor(25 * time.Second)
	flows(out, reader, "after")
	writer.answered(writer.stop(), nil)
	b.world.RunFor(time.Second)
	if p := in.snapshot().Peers.All; len(p) != 1 || p[0].State != messages.StatusStopped {
		t.Errorf("%+v", p)
	}
}
