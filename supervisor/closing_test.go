package supervisor_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// A writer tells Stopped and Closed only after all is confirmed: a reader takes them to mean that no more comes.
func TestWriterSaysClosedOnlyAfterAllIsConfirmed(t *testing.T) {
	for seed := range uint64(20) {
		b := seeded(t, seed)
		writer, reader := b.both(func(c *supervisor.Config) { c.Window = 2 })
		b.world.Broker().Delay(50 * time.Millisecond)
		written, _ := writer.write("a", "b", "c", "d", "e")
		closed := writer.close(10 * time.Second)
		late, _ := writer.write("late")
		if m := await(b, late, time.Second); m.Err != supervisor.ErrClosed || m.Outcomes[0] != messages.NotSent {
			t.Errorf("intake goes on: %+v", m)
		}
		goneBefore := func() bool {
			for _, p := range reader.snapshotNow() {
				if p.State == messages.StatusStopped || p.State == messages.StatusClosed {
					return true
				}
			}
			return false
		}
		early := false
		b.until("it is closed", 5*time.Second, func() bool {
			early = early || written.got == nil && goneBefore()
			return closed.got != nil
		})
		if early {
			t.Error("the reader heard of the end before the records were confirmed")
		}
		if closed.got.Err != nil || written.got == nil || written.got.Err != nil {
			t.Errorf("%v, %+v", closed.got.Err, written.got)
		}
		b.world.Broker().Delay(0)
		b.until("the reader sees it closed", 5*time.Second, func() bool {
			peers := reader.snapshotNow()
			return len(peers) == 1 && peers[0].State == messages.StatusClosed
		})
	}
}

// snapshotNow gives the peers as the events tell them.
func (e *end) snapshotNow() (peers []messages.Peer) {
	for _, ev := range seen[*messages.PeerChanged](e) {
		peers = []messages.Peer{ev.Peer}
	}
	return peers
}

// A reader's acknowledgements are certain before it says Stopped and Closed; commits that come too late are refused, not lost in silence.
func TestReaderSaysClosedOnlyAfterItsAcknowledgementsAreCertain(t *testing.T) {
	for seed := range uint64(20) {
		b := seeded(t, seed)
		writer, reader := b.both()
		written, _ := writer.write("a", "b")
		await(b, written, time.Second)
		batch := await(b, reader.demand(10), time.Second)
		b.world.Broker().Delay(50 * time.Millisecond)
		reader.commit(batch)
		demand := reader.demand(1)
		closed := reader.close(10 * time.Second)
		late := reader.commit(batch)
		if m := await(b, demand, time.Second); m.Err != supervisor.ErrClosed {
			t.Errorf("%v", m.Err)
		}
		if m := await(b, late, time.Second); m.Err != supervisor.ErrClosed {
			t.Errorf("%v", m.Err)
		}
		told := func() bool { s, _ := b.world.Broker().Queue("orders.reader.status"); return s.Ready >= 6 }
		early := false
		b.until("it is closed", 5*time.Second, func() bool {
			early = early || told() && b.world.Broker().Depth("orders") != 0
			return closed.got != nil
		})
		if early {
			t.Error("it told its end before the acknowledgements were certain")
		}
		if closed.got.Err != nil || b.world.Broker().Depth("orders") != 0 || !told() {
			t.Errorf("%v, %d records are left", closed.got.Err, b.world.Broker().Depth("orders"))
		}
	}
}

// Nil means certain: when the session is lost while it ends, or was lost before, the answer says so.
func TestCloseSaysWhenAcknowledgementsAreNotCertain(t *testing.T) {
	for _, when := range []string{"before", "meanwhile", "frozen", "nothing was acknowledged"} {
		t.Run(when, func(t *testing.T) {
			b, writer, reader := both(t)
			written, _ := writer.write("a", "b")
			await(b, written, time.Second)
			batch := await(b, reader.demand(10), time.Second)
			if when != "nothing was acknowledged" {
				reader.commit(batch)
			}
			b.world.RunFor(time.Second)
			cut := func() { b.world.Broker().CutOwner("orders/reader/data-consumer") }
			switch when {
			case "frozen":
				b.world.Broker().FreezeConsumer(2) // in order of opening: two status consumers, then the data's; all of the reader's are tried
				b.world.Broker().FreezeConsumer(0)
				b.world.Broker().FreezeConsumer(1)
			case "meanwhile":
				b.world.Broker().Delay(100 * time.Millisecond)
			default:
				b.world.Broker().RefuseFor(time.Minute)
				cut()
				b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
			}
			closed := reader.close(5 * time.Second)
			if when == "meanwhile" {
				b.world.RunFor(20 * time.Millisecond)
				cut()
			}
			m := await(b, closed, 6*time.Second)
			var left *supervisor.CloseError
			uncertain := errors.As(m.Err, &left) && left.Uncertain
			if uncertain != (when != "nothing was acknowledged") {
				t.Errorf("%v", m.Err)
			}
			if uncertain && !strings.Contains(m.Err.Error(), "acknowledgements not certain") {
				t.Error(m.Err)
			}
		})
	}
}

// A close over a frozen broker ends by its deadline and says what was left.
func TestCloseOverAFrozenBrokerSaysWhatWasLeft(t *testing.T) {
	b, writer, _ := both(t)
	b.world.Broker().Freeze()
	written, _ := writer.write("a", "b", "c")
	began := b.world.Now()
	m := await(b, writer.close(3*time.Second), 4*time.Second)
	if took := b.world.Now() - began; took < 3*time.Second || took > 3100*time.Millisecond {
		t.Errorf("closed after %s", took)
	}
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || left.Unconfirmed != 3 || left.Uncertain || left.NotDeleted != nil || left.Channel != "orders" || left.Name != "writer" {
		t.Fatalf("%+v", m.Err)
	}
	if w := await(b, written, time.Second); w.Err != supervisor.ErrClosed || w.Outcomes[0] != messages.Unknown {
		t.Errorf("%+v", w)
	}
	b.until("it stops", 5*time.Second, func() bool { return writer.stopped })
}

func TestCloseWaitsTenSecondsByDefault(t *testing.T) {
	b, writer, _ := both(t)
	b.world.Broker().Block(true)
	writer.write("a")
	began := b.world.Now()
	await(b, writer.close(0), time.Minute)
	if took := b.world.Now() - began; took.Round(100*time.Millisecond) != 10*time.Second {
		t.Errorf("%s", took)
	}
	b.world.Broker().Block(false)
}

// A close in an outage that ends in time is in order: children still come back while it waits.
func TestCloseHealsWithinItsTime(t *testing.T) {
	b, writer, _ := both(t)
	b.world.Broker().Cut()
	b.world.Broker().RefuseFor(5 * time.Second)
	written, _ := writer.write("a")
	m := await(b, writer.close(20*time.Second), 20*time.Second)
	if m.Err != nil || written.got == nil || written.got.Err != nil {
		t.Errorf("%v, %+v", m.Err, written.got)
	}
	if s, _ := b.world.Broker().Queue("orders.writer.status"); s.Ready < 6 {
		t.Errorf("%d statuses", s.Ready)
	}
}

// Closing what is not open yet is fine, and a waiting open is answered.
func TestCloseBeforeTheChannelIsOpen(t *testing.T) {
	for _, state := range []messages.State{messages.Preparing, messages.Opening} {
		t.Run(string(state), func(t *testing.T) {
			b := newBed(t)
			if state == messages.Opening {
				b.world.Broker().HangOpens(2)
				b.world.RunFor(0)
			}
			writer := b.writer(func(c *supervisor.Config) { c.Create = state == messages.Opening })
			opened := writer.open()
			b.world.RunFor(time.Second)
			if !writer.has(state) {
				t.Fatalf("%+v", last[*messages.StateChanged](writer))
			}
			if m := await(b, writer.close(5*time.Second), time.Second); m.Err != nil {
				t.Error(m.Err)
			}
			if m := await(b, opened, time.Second); m.Err != supervisor.ErrClosed {
				t.Error(m.Err)
			}
			if s, _ := b.world.Broker().Queue("orders.writer.status"); s.Ready != 0 {
				t.Errorf("%d statuses of a channel that never was open", s.Ready)
			}
			b.until("it stops", time.Second, func() bool { return writer.stopped })
		})
	}
}

// A channel that fails while it closes answers the close with its error, and peers are told all the same.
func TestChannelThatFailsWhileItCloses(t *testing.T) {
	b, writer, reader := both(t)
	b.world.Broker().Block(true)
	writer.write("a")
	closed := writer.close(time.Minute)
	b.world.RunFor(time.Second)
	b.world.Broker().Block(false)
	b.failing("writer/data-producer", broker.ErrPermission)
	m := await(b, closed, 5*time.Second)
	var failed *supervisor.ChannelError
	if !errors.As(m.Err, &failed) || !errors.Is(failed, broker.ErrPermission) {
		t.Errorf("%v", m.Err)
	}
	b.until("the reader is told", 5*time.Second, func() bool {
		peers := reader.snapshotNow()
		return len(peers) == 1 && peers[0].State == messages.StatusError
	})
}

// Every close is answered, the second with the first.
func TestSecondCloseIsAnsweredWithTheFirst(t *testing.T) {
	b, writer, _ := both(t)
	written, _ := writer.write("a")
	first, second := writer.close(5*time.Second), writer.close(time.Hour)
	for _, a := range []*answer[messages.Closed]{first, second} {
		if m := await(b, a, time.Second); m.Err != nil {
			t.Error(m.Err)
		}
	}
	if written.got == nil || written.got.Err != nil {
		t.Errorf("%+v", written.got)
	}
	if n := len(seen[*messages.StateChanged](writer)); n != 5 {
		t.Errorf("%d changes of state, want preparing, opening, running, closing, closed", n)
	}
}

// Whoever owns the supervisor stops it in mid-run: every call is answered, nothing remains (see finish).
func TestStoppedSupervisorAnswersEverybody(t *testing.T) {
	b, writer, reader := both(t)
	b.world.Broker().Block(true)
	written, _ := writer.write("a")
	b.world.RunFor(time.Second)
	unsent, _ := writer.write("b")
	peers, done := take[messages.Opened](b)
	writer.send(&messages.AwaitPeers{Count: 9, Done: done})
	closed := writer.close(time.Hour)
	demand := reader.demand(1)
	b.world.RunFor(time.Second)
	b.world.System().Root.Stop(writer.pid)
	b.world.System().Root.Stop(reader.pid)
	if m := await(b, written, time.Second); m.Err != supervisor.ErrClosed || m.Outcomes[0] != messages.Unknown {
		t.Errorf("%+v", m)
	}
	for what, err := range map[string]error{"write": await(b, unsent, time.Second).Err, "await": await(b, peers, time.Second).Err,
		"close": await(b, closed, time.Second).Err, "demand": await(b, demand, time.Second).Err} {
		if err != supervisor.ErrClosed {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.world.Broker().Block(false)
}

// The supervisor's own panic: it is never restarted, every waiting call gets a ChannelError, its leases end.
func TestSupervisorThatPanicsIsNeverRestarted(t *testing.T) {
	for _, goexit := range []bool{false, true} {
		b, writer, reader := both(t)
		b.world.Broker().Block(true)
		written, _ := writer.write("a", "b")
		peers, done := take[messages.Opened](b)
		writer.send(&messages.AwaitPeers{Count: 9, Done: done})
		b.world.RunFor(time.Second)
		crash(b, "writer", goexit)
		writer.send(&messages.Inspect{Done: func(*messages.Snapshot) { t.Error("the message over which it crashed was handled") }})
		m := await(b, written, time.Second)
		var failed *supervisor.ChannelError
		if !errors.As(m.Err, &failed) || failed.Child != "supervisor" || !goexit && !errors.Is(failed, errInjected) || len(m.Outcomes) != 2 || m.Outcomes[0] != messages.Unknown {
			t.Errorf("%+v", m)
		}
		if m := await(b, peers, time.Second); m.Err != error(failed) {
			t.Error(m.Err)
		}
		b.until("it stops", time.Second, func() bool { return writer.stopped })
		if n := len(seen[*messages.ChannelFailed](writer)); n != 1 {
			t.Errorf("%d events", n)
		}
		b.until("its leases end", time.Second, func() bool {
			s, _ := b.world.Broker().Queue("orders.reader.status")
			return len(s.Consumers) == 0 && b.world.Broker().Counts().Publishers == 1
		})
		b.world.Broker().Block(false)
		flows(b.writer(named("another")), reader, "after")
	}
}

// A supervisor that fails over its own Stopped has stopped all the same: whoever waits for it is told, once.
func TestSupervisorThatFailsOverItsLastMessageHasStopped(t *testing.T) {
	for _, goexit := range []bool{false, true} {
		b, writer, _ := both(t)
		stops := 0
		b.inject = func(id string, msg any) {
			if _, last := msg.(*actor.Stopped); last && id == "writer" {
				stops++
				if goexit {
					runtime.Goexit()
				}
				panic(errInjected)
			}
		}
		if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
			t.Error(m.Err)
		}
		b.until("it says that it has stopped", 3*time.Second, func() bool { return writer.stopped })
		if stops != 1 {
			t.Errorf("it was told %d times to stop", stops)
		}
	}
}

// Two supervisors of the same props are two: each has a guard of its own.
func TestSupervisorsOfTheSamePropsCrashApart(t *testing.T) {
	b := newBed(t)
	first := b.writer(noStatus)
	twin, err := b.world.System().Root.SpawnNamed(first.props, "twin")
	if err != nil {
		t.Fatal(err)
	}
	second := &end{bed: b, name: "twin", pid: twin}
	for _, e := range []*end{second, first} {
		crash(b, e.name, false)
		e.send(&messages.Inspect{})
		b.until("it stops", time.Second, func() bool {
			_, there := b.world.System().ProcessRegistry.Get(e.pid)
			return !there
		})
	}
}

// crash makes a supervisor fail over the next Inspect.
func crash(b *bed, name string, goexit bool) {
	b.inject = func(id string, msg any) {
		if _, inspect := msg.(*messages.Inspect); inspect && id == name {
			b.inject = nil
			if goexit {
				runtime.Goexit()
			}
			panic(errInjected)
		}
	}
}
