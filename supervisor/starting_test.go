package supervisor_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func standsBy(c *supervisor.Config) { c.StandBy = true }

// quiet leaves out the health checks but those that belong to something else.
func quiet(c *supervisor.Config) { c.HealthInterval = time.Hour }

var letterOf = map[messages.Kind]string{messages.StatusOpened: "O", messages.StatusStarted: "S", messages.StatusStopped: "X", messages.StatusClosed: "C",
	messages.StatusError: "E", messages.StatusHealthCheck: "h", messages.StatusWaitingForSchema: "W", messages.StatusAcknowledged: "A"}

// heard is what an end heard of a peer, in the order in which that said it: a letter for each status, those of several health checks in a row once.
func (e *end) heard(context string) string {
	said := map[int64]string{} // what comes both as history and live is one
	for _, ev := range seen[*messages.StatusReceived](e) {
		if ev.Peer.Context == context {
			said[ev.Status.Timestamp] = letterOf[ev.Status.Kind]
		}
	}
	var b strings.Builder
	for _, at := range slices.Sorted(maps.Keys(said)) {
		if said[at] != "h" || !strings.HasSuffix(b.String(), "h") {
			b.WriteString(said[at])
		}
	}
	return b.String()
}

// hears waits until it heard that of a peer, and a while longer: no more must come.
func (e *end) hears(context, want string) {
	e.Helper()
	e.world.RunUntil(func() bool { return e.heard(context) == want }, 10*time.Second)
	e.world.RunFor(200 * time.Millisecond)
	if got := e.heard(context); got != want {
		e.Fatalf("heard %s of %s, want %s", got, context, want)
	}
}

func (e *end) start() *answer[messages.Opened] {
	a, done := take[messages.Opened](e.bed)
	e.send(&messages.Start{Done: done})
	return a
}

func (e *end) stop() *answer[messages.Opened] {
	a, done := take[messages.Opened](e.bed)
	e.send(&messages.Stop{Done: done})
	return a
}

// answered waits for an answer that says so.
func (e *end) answered(a *answer[messages.Opened], want error) {
	e.Helper()
	if m := await(e.bed, a, time.Minute); !errors.Is(m.Err, want) {
		e.Fatalf("%v, want %v", m.Err, want)
	}
}

// Both sides tell their peers exactly what they do.
func TestStatusesOfStartAndStop(t *testing.T) {
	open := func(e *end) { e.opened() }
	start := func(e *end) { e.answered(e.start(), nil) }
	stop := func(e *end) { e.answered(e.stop(), nil) }
	bye := func(e *end) {
		if m := await(e.bed, e.close(10*time.Second), time.Second); m.Err != nil {
			e.Fatal(m.Err)
		}
	}
	type step struct {
		do   func(*end)
		want string // all that was heard until then
	}
	for _, test := range []struct {
		name  string
		edit  func(*supervisor.Config)
		steps []step
	}{
		{"at once", quiet, []step{{open, "OhS"}, {bye, "OhShXC"}}},
		{"stand by, start, stop, start, close", standsBy, []step{{open, "Oh"}, {start, "OhS"}, {stop, "OhShX"}, {start, "OhShXS"}, {bye, "OhShXShXC"}}},
		{"stop, close", quiet, []step{{open, "OhS"}, {stop, "OhShX"}, {bye, "OhShXhC"}}},
		{"stand by, close", standsBy, []step{{open, "Oh"}, {bye, "OhC"}}},
		{"start and stop twice", quiet, []step{{open, "OhS"}, {start, "OhS"}, {stop, "OhShX"}, {stop, "OhShX"}, {start, "OhShXS"}, {start, "OhShXS"}}},
		{"stop what never started", standsBy, []step{{open, "Oh"}, {stop, "Oh"}}},
		{"a second open", quiet, []step{{open, "OhS"}, {open, "OhSOS"}, {bye, "OhSOShXC"}}},
		{"a second open while standing by", standsBy, []step{{open, "Oh"}, {open, "OhO"}, {start, "OhOS"}, {open, "OhOSOS"}}},
		{"a second open when stopped", quiet, []step{{open, "OhS"}, {stop, "OhShX"}, {open, "OhShXO"}, {bye, "OhShXOhC"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, side := range []string{"writer", "reader"} {
				b := newBed(t)
				spawn, other := b.writer, b.reader
				if side == "reader" {
					spawn, other = b.reader, b.writer
				}
				peer := other()
				peer.opened()
				e := spawn(quiet, test.edit)
				for _, s := range test.steps {
					s.do(e)
					peer.hears(side, s.want)
				}
			}
		})
	}
}

// The states that the snapshot tells are those that the events told, with their times.
func TestHistoryOfStates(t *testing.T) {
	b := newBed(t)
	e := b.writer(quiet, standsBy)
	e.opened()
	e.answered(e.start(), nil)
	b.world.RunFor(time.Minute)
	e.answered(e.stop(), nil)
	s := e.snapshot()
	var got []string
	for i, at := range s.History {
		got = append(got, string(at.State))
		if ev := seen[*messages.StateChanged](e)[i]; ev.Is != at.State || !ev.At.Equal(at.At) {
			t.Errorf("%+v, the event was %+v", at, ev)
		}
	}
	if want := "preparing opening standby running standby"; strings.Join(got, " ") != want || s.State != messages.Standby {
		t.Errorf("%q, %s", got, s.State)
	}
	e.answered(e.start(), nil)
	if len(s.History) != 5 || s.History[4].State != messages.Standby {
		t.Errorf("a snapshot that was given away has changed: %+v", s.History)
	}
}

// While it stands by, writes and demands are refused and cost nothing; what was handed over before can still be committed.
func TestStandingByRefusesRecords(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("a", "b")
	await(b, written, time.Second)
	batch := await(b, reader.demand(1), time.Second)
	await(b, reader.demand(1), time.Second)
	waits := reader.demand(1)
	writer.answered(writer.stop(), nil)
	reader.answered(reader.stop(), nil)
	if m := await(b, waits, time.Second); m.Err != supervisor.ErrNotStarted {
		t.Errorf("the demand that waited got %+v", m)
	}
	if m := await(b, reader.demand(1), time.Second); m.Err != supervisor.ErrNotStarted {
		t.Errorf("%+v", m)
	}
	refused, _ := writer.write("c")
	if m := await(b, refused, time.Second); m.Err != supervisor.ErrNotStarted || len(m.Outcomes) != 1 || m.Outcomes[0] != messages.NotSent {
		t.Errorf("%+v", m)
	}
	if m := await(b, reader.commit(batch), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.until("it is acknowledged", time.Second, func() bool { return b.world.Broker().Depth("orders") == 1 })
	writer.answered(writer.start(), nil)
	reader.answered(reader.start(), nil)
	flows(writer, reader, "d")
}

// A writer says Stopped only after all is confirmed: a reader takes it to mean that no more comes.
func TestWriterSaysStoppedOnlyAfterAllIsConfirmed(t *testing.T) {
	b, writer, reader := both(t, quiet)
	reader.hears("writer", "OhS")
	b.world.Broker().LoseConfirms(1) // statuses pass, but the record's confirm is 60 s late
	written, _ := writer.write("x")
	stopped := writer.stop()
	b.world.RunFor(59 * time.Second)
	if stopped.got != nil || written.got != nil || reader.heard("writer") != "OhS" || !writer.has(messages.Standby) {
		t.Fatalf("stopped %+v, written %+v, heard %s", stopped.got, written.got, reader.heard("writer"))
	}
	writer.answered(stopped, nil)
	if written.got == nil || written.got.Err != nil {
		t.Errorf("%+v", written.got)
	}
	reader.hears("writer", "OhShX")
}

// Stop waits for the confirms. Meanwhile nothing new is taken, everybody who asks to stop is answered with the first, and who withdraws the last record ends it.
func TestStopWaitsForTheConfirms(t *testing.T) {
	for _, how := range []string{"confirmed", "withdrawn"} {
		t.Run(how, func(t *testing.T) {
			b, writer, reader := both(t, quiet)
			b.world.Broker().Block(true)
			written, request := writer.write("x")
			first := writer.stop()
			b.world.RunFor(time.Minute)
			second := writer.stop()
			late, _ := writer.write("y")
			if m := await(b, late, time.Second); m.Err != supervisor.ErrNotStarted || m.Outcomes[0] != messages.NotSent {
				t.Errorf("%+v", m)
			}
			if first.got != nil || second.got != nil || written.got != nil {
				t.Fatalf("%+v, %+v, %+v", first.got, second.got, written.got)
			}
			if how == "withdrawn" {
				writer.send(&messages.Withdraw{Write: request})
				b.world.Broker().CutOwner("orders/writer/data-producer") // what is with the broker's session may still be confirmed until that ends
			}
			b.world.RunFor(time.Second)
			b.world.Broker().Block(false)
			writer.answered(first, nil)
			writer.answered(second, nil)
			reader.hears("writer", "OhShX")
			if m := await(b, written, time.Second); (m.Err == nil) != (how == "confirmed") {
				t.Errorf("%+v", m)
			}
		})
	}
}

// Start, Close and a failure find a Stop that waits: it is answered at once, and peers hear what is the case.
func TestWhatComesWhileAStopWaits(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(e *end)
		want  error // of the Stop
		heard string
	}{
		{"start", func(e *end) { e.answered(e.start(), nil) }, nil, "OhSS"},
		{"close", func(e *end) { e.close(time.Minute) }, supervisor.ErrClosed, "OhShXC"},
		{"failure", func(e *end) {
			e.failing("writer/status-consumer", broker.ErrPermission)
			publish(e.bed, "orders.reader.status", said("somebody", messages.StatusOpened, 1))
		}, broker.ErrPermission, "OhSEXC"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, writer, reader := both(t, quiet)
			b.world.RunFor(time.Second)
			b.world.Broker().LoseConfirms(1)
			written, _ := writer.write("x")
			stopped := writer.stop()
			b.world.RunFor(time.Second)
			test.do(writer)
			before := b.world.Now()
			writer.answered(stopped, test.want)
			if took := b.world.Now() - before; took > time.Second {
				t.Errorf("answered after %s", took)
			}
			if test.name == "start" {
				flows(writer, reader, "y")
			}
			await(b, written, 2*time.Minute)
			b.inject = nil
			reader.hears("writer", test.heard)
		})
	}
}

// What is asked before the channel is open holds when it is.
func TestStartAndStopBeforeTheChannelIsOpen(t *testing.T) {
	start := func(e *end) { e.start() }
	stop := func(e *end) { e.answered(e.stop(), nil) }
	for _, test := range []struct {
		name  string
		edit  func(*supervisor.Config)
		do    []func(*end)
		state messages.State
		heard string
	}{
		{"stop", quiet, []func(*end){stop}, messages.Standby, "Oh"},
		{"start", standsBy, []func(*end){start}, messages.Running, "OhS"},
		{"stop, start", quiet, []func(*end){stop, start}, messages.Running, "OhS"},
		{"start, stop", standsBy, []func(*end){start, stop}, messages.Standby, "Oh"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			writer := b.writer(joins, quiet, test.edit)
			opened := writer.open()
			for _, do := range test.do {
				do(writer)
			}
			b.world.RunFor(time.Second)
			reader := b.reader()
			if m := await(b, opened, 5*time.Second); m.Err != nil || !writer.has(test.state) {
				t.Errorf("%v, %s", m.Err, writer.snapshot().State)
			}
			reader.hears("writer", test.heard)
		})
	}
}

// A write that comes before the channel is open is not published while it stands by.
func TestNothingIsPublishedWhileStandingBy(t *testing.T) {
	b := newBed(t)
	writer := b.writer(standsBy)
	written, _ := writer.write("x")
	writer.opened()
	b.world.RunFor(time.Second)
	if n := b.world.Broker().Depth("orders"); n != 0 {
		t.Errorf("%d records are at the broker, the writer is not started; the write's answer: %+v", n, written.got)
	}
}

// A demand that comes before the channel is open is not answered with records while it stands by.
func TestNothingIsHandedOverWhileStandingBy(t *testing.T) {
	b := newBed(t)
	writer := b.writer()
	flowsOut, _ := writer.write("x")
	await(b, flowsOut, 5*time.Second)
	reader := b.reader(standsBy)
	demand := reader.demand(1)
	reader.opened()
	b.world.RunFor(time.Second)
	if demand.got != nil && demand.got.Err == nil {
		t.Errorf("%+v, the reader is not started", demand.got)
	}
}

// A channel that fails while it stands by says so, and everything later gets the error.
func TestFailureWhileStandingBy(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	writer := b.writer(quiet, standsBy)
	writer.opened()
	reader.hears("writer", "Oh")
	b.failing("writer/status-consumer", broker.ErrPermission) // at the next health check of the reader
	b.until("it failed", 5*time.Second, func() bool { return writer.has(messages.Failed) })
	for _, a := range []*answer[messages.Opened]{writer.start(), writer.stop(), writer.open()} {
		var failed *supervisor.ChannelError
		if m := await(b, a, time.Second); !errors.As(m.Err, &failed) || failed.Child != messages.StatusConsumer {
			t.Errorf("%v", m.Err)
		}
	}
	reader.hears("writer", "OhEXC")
}

// Supervisors of the same props do not share what they are told: one that is stopped before it is open, or knows its schema, says nothing of the other.
func TestSupervisorsOfTheSamePropsStartApart(t *testing.T) {
	b := newBed(t)
	first := b.writer(joins, noStatus)
	pid, err := b.world.System().Root.SpawnNamed(first.props, "twin")
	if err != nil {
		t.Fatal(err)
	}
	second := &end{bed: b, name: "twin", pid: pid}
	first.answered(first.stop(), nil)
	b.reader(noStatus)
	first.opened()
	second.opened()
	if s := first.snapshot().State; s != messages.Standby {
		t.Errorf("the first is %s", s)
	}
	if s := second.snapshot().State; s != messages.Running {
		t.Errorf("the second, which nobody has stopped, is %s", s)
	}
	await(b, second.close(time.Second), time.Second)
}
