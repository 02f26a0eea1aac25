package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/sim"
)

// A request is sent and gives where its error arrives.
type request struct {
	name string
	send func(e *end) func() (got bool, err error)
	// what comes of it in each state, see codes
	preparing, opening, standby, running, closing, closed, failed string
}

func requestOf[T any](message func(done func(*T)) any, of func(*T) error) func(*end) func() (bool, error) {
	return func(e *end) func() (bool, error) {
		a, done := take[T](e.bed)
		e.send(message(done))
		return func() (bool, error) {
			if a.got == nil {
				return false, nil
			}
			return true, of(a.got)
		}
	}
}

func opens(message func(done func(*messages.Opened)) any) func(*end) func() (bool, error) {
	return requestOf(message, func(m *messages.Opened) error { return m.Err })
}

func commits(message func(done func(*messages.Committed)) any) func(*end) func() (bool, error) {
	return requestOf(message, func(m *messages.Committed) error { return m.Err })
}

func writes(n int) func(*end) func() (bool, error) {
	return requestOf(func(done func(*messages.Written)) any {
		return &messages.Write{Records: make([]broker.Record, n), Done: done}
	},
		func(m *messages.Written) error { return m.Err })
}

func code(err error) string {
	var failed *supervisor.ChannelError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &failed):
		return "failed"
	}
	for name, known := range map[string]error{"closed": supervisor.ErrClosed, "not started": supervisor.ErrNotStarted, "silent": supervisor.ErrSilent, "redelivered": supervisor.ErrRedelivered} {
		if errors.Is(err, known) {
			return name
		}
	}
	return "error"
}

var ofBoth = []request{
	{"open", opens(func(done func(*messages.Opened)) any { return &messages.Open{Done: done} }),
		"waits", "waits", "ok", "ok", "closed", "closed", "failed"},
	{"start", opens(func(done func(*messages.Opened)) any { return &messages.Start{Done: done} }),
		"waits", "waits", "ok", "ok", "closed", "closed", "failed"},
	{"stop", opens(func(done func(*messages.Opened)) any { return &messages.Stop{Done: done} }),
		"ok", "ok", "ok", "ok", "closed", "closed", "failed"},
	{"await none", opens(func(done func(*messages.Opened)) any { return &messages.AwaitPeers{Done: done} }),
		"ok", "ok", "ok", "ok", "closed", "closed", "failed"},
	{"await many", opens(func(done func(*messages.Opened)) any {
		return &messages.AwaitPeers{Count: 99, Are: messages.PeersSeen, Done: done}
	}),
		"waits", "waits", "waits", "waits", "closed", "closed", "failed"},
	{"inspect", requestOf(func(done func(*messages.Snapshot)) any { return &messages.Inspect{Done: done} }, func(*messages.Snapshot) error { return nil }),
		"ok", "ok", "ok", "ok", "ok", "ok", "ok"},
	{"close", requestOf(func(done func(*messages.Closed)) any { return &messages.Close{Timeout: time.Second, Done: done} }, func(m *messages.Closed) error { return m.Err }),
		"ok", "ok", "ok", "ok", "waits", "ok", "failed"},
}

var ofWriters = []request{
	{"write", writes(1), "waits", "waits", "not started", "ok", "closed", "closed", "failed"},
	{"empty write", writes(0), "ok", "ok", "not started", "ok", "closed", "closed", "failed"},
}

func demands(done func(*messages.Batch)) any { return &messages.Demand{Max: 1, Done: done} }
func remains(done func(*messages.Remainder)) any {
	return &messages.Remaining{Done: done}
}
func acknowledges(done func(*messages.Opened)) any { return &messages.AcknowledgeInput{Done: done} }

var ofReaders = []request{
	{"demand", requestOf(demands, func(m *messages.Batch) error { return m.Err }),
		"waits", "waits", "not started", "waits", "closed", "closed", "failed"},
	{"commit nothing", commits(func(done func(*messages.Committed)) any { return &messages.Commit{Done: done} }),
		"error", "error", "error", "error", "error", "error", "error"},
	{"commit an empty batch", commits(func(done func(*messages.Committed)) any {
		return &messages.Commit{Batch: &messages.Batch{}, Done: done}
	}),
		"ok", "ok", "ok", "ok", "closed", "closed", "failed"},
	{"commit a dead batch", commits(func(done func(*messages.Committed)) any {
		return &messages.Commit{Batch: &messages.Batch{First: 1, Last: 1, Records: make([]broker.Record, 1)}, Done: done}
	}), "redelivered", "redelivered", "redelivered", "redelivered", "closed", "closed", "failed"},
	{"commit up to none", commits(func(done func(*messages.Committed)) any { return &messages.CommitUpTo{Done: done} }),
		"ok", "ok", "ok", "ok", "closed", "closed", "failed"},
	{"commit up to too many", commits(func(done func(*messages.Committed)) any { return &messages.CommitUpTo{Count: 1, Done: done} }),
		"error", "error", "error", "error", "closed", "closed", "failed"},
	{"remaining", requestOf(remains, func(m *messages.Remainder) error { return m.Err }),
		"waits", "waits", "ok", "ok", "closed", "closed", "failed"},
	{"acknowledge input", opens(acknowledges),
		"not started", "not started", "ok", "ok", "closed", "closed", "failed"},
}

var ofSilentReaders = []request{
	{"demand", requestOf(demands, func(m *messages.Batch) error { return m.Err }), "silent", "silent", "silent", "silent", "silent", "closed", "failed"},
	{"remaining", requestOf(remains, func(m *messages.Remainder) error { return m.Err }), "silent", "silent", "silent", "silent", "silent", "closed", "failed"},
	{"acknowledge input", opens(acknowledges), "silent", "silent", "silent", "silent", "silent", "silent", "silent"},
}

// spawner spawns an end of the side that is looked at.
type spawner func(...func(*supervisor.Config)) *end

// inState makes an end that is in the state, and will be for a while.
var inState = []struct {
	state messages.State
	want  func(request) string
	make  func(b *bed, spawn spawner) *end
}{
	{messages.Preparing, func(r request) string { return r.preparing }, func(_ *bed, spawn spawner) *end { return spawn(joins) }},
	{messages.Opening, func(r request) string { return r.opening }, func(b *bed, spawn spawner) *end {
		b.reader(named("creates")).opened()
		b.world.RunFor(time.Second)
		b.world.Broker().HangOpens(100)
		return spawn(joins)
	}},
	{messages.Standby, func(r request) string { return r.standby }, func(b *bed, spawn spawner) *end {
		b.reader(named("creates")).opened()
		e := spawn(standsBy)
		e.opened()
		return e
	}},
	{messages.Running, func(r request) string { return r.running }, runs},
	{messages.Closing, func(r request) string { return r.closing }, func(b *bed, spawn spawner) *end {
		e := runs(b, spawn)
		b.world.Broker().Freeze()
		if e.name == "writer" {
			e.write("x")
		}
		e.close(time.Hour)
		return e
	}},
	{messages.ClosedNow, func(r request) string { return r.closed }, func(b *bed, spawn spawner) *end {
		e := runs(b, spawn)
		b.world.Fault(e.name+"/status-consumer", 1, sim.Freeze) // the supervisor waits for it, for two seconds, when all is over
		b.world.RunFor(3 * time.Second)                         // it hangs over a health check
		await(b, e.close(time.Second), time.Second)
		return e
	}},
	{messages.Failed, func(r request) string { return r.failed }, func(b *bed, spawn spawner) *end {
		e := runs(b, spawn)
		b.failing(e.name+"/status-consumer", broker.ErrPermission)
		b.until("it fails", 5*time.Second, func() bool { return e.has(messages.Failed) })
		return e
	}},
}

// runs makes an end that runs, among others on either side.
func runs(b *bed, spawn spawner) *end {
	b.reader(named("creates")).opened()
	b.writer(named("talks")).opened()
	e := spawn()
	e.opened()
	b.world.RunFor(time.Second)
	return e
}

// Every request in every state is answered exactly once, and with the right error: at once, or when what it waits for is over.
func TestEveryRequestInEveryState(t *testing.T) {
	for _, ends := range []struct {
		name     string
		edit     func(*supervisor.Config)
		requests []request
	}{
		{"writer", func(*supervisor.Config) {}, append(ofWriters, ofBoth...)},
		{"reader", func(*supervisor.Config) {}, append(ofReaders, ofBoth...)},
		{"silent reader", silent, ofSilentReaders},
	} {
		for _, in := range inState {
			if in.state == messages.Closing && ends.name == "silent reader" {
				continue // it has nothing under way that a close would wait for
			}
			for _, r := range ends.requests {
				t.Run(fmt.Sprint(ends.name, "/", in.state, "/", r.name), func(t *testing.T) {
					b := newBed(t)
					spawn := b.reader
					if ends.name == "writer" {
						spawn = b.writer
					}
					e := in.make(b, func(edit ...func(*supervisor.Config)) *end { return spawn(append(edit, ends.edit)...) })
					b.until("it is so", 2*time.Second, func() bool { return e.has(in.state) })
					answer := r.send(e)
					b.world.RunFor(100 * time.Millisecond)
					got, err := answer()
					want := in.want(r)
					if !got && want != "waits" || got && code(err) != want {
						t.Fatalf("answered %v: %v; want %s", got, err, want)
					}
					b.world.System().Root.Stop(e.pid)
					b.until("it stops", 5*time.Second, func() bool { return e.stopped })
					if got, err := answer(); !got || want == "waits" && code(err) != "closed" {
						t.Errorf("at the end: answered %v: %v", got, err)
					}
				})
			}
		}
	}
}

// An answer comes to the sender where a request has no Done: an embedder's way.
func TestRequestsWithoutDone(t *testing.T) {
	b := newBed(t)
	e := b.reader()
	for _, m := range []any{&messages.Open{}, &messages.Start{}, &messages.Stop{}, &messages.AwaitPeers{}, &messages.Demand{Max: 1}, &messages.Commit{}, &messages.CommitUpTo{}, &messages.Remaining{},
		&messages.AcknowledgeInput{}, &messages.SchemaKnown{}, &messages.Inspect{}, &messages.Close{}} {
		e.send(m) // nobody to answer: nothing comes of it
	}
	b.until("it stops", 20*time.Second, func() bool { return e.stopped })
	for _, ev := range seen[*messages.ChannelFailed](e) {
		t.Errorf("%v", ev.Err)
	}
}
