package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// A writer creates nothing, unless it is told to: its open answers "not yet", with what is missing, until a reader has created everything.
func TestWriterWaitsForTheReadersResources(t *testing.T) {
	b := newBed(t)
	writer := b.writer(joins)
	opened := writer.open()
	b.world.RunFor(10 * time.Minute) // waiting is no failure
	if opened.got != nil || len(b.world.Broker().Queues()) != 0 {
		t.Fatalf("%+v, %v", opened.got, b.world.Broker().Queues())
	}
	waits := seen[*messages.WaitsFor](writer)
	if len(waits) < 500 || waits[0].Child != messages.Topology || !errors.Is(waits[0].Reason, broker.ErrNotFound) || !strings.Contains(waits[0].Reason.Error(), "orders") {
		t.Errorf("%d reasons", len(waits))
	}
	b.reader()
	if m := await(b, opened, 2*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// Waiting takes nothing of the grace window: two interruptions while it waits, however long, are not one long failure.
func TestWaitingTakesNothingOfTheWindow(t *testing.T) {
	b := newBed(t)
	writer := b.writer(joins)
	for range 100 {
		b.world.Broker().RefuseFor(2 * time.Second)
		b.world.RunFor(2 * time.Minute)
	}
	if !writer.has(messages.Preparing) {
		t.Errorf("%v", last[*messages.ChannelFailed](writer).Err)
	}
}

// A window opens when the broker cannot be reached, also before the channel was ever open.
func TestBrokerThatIsNotThereFailsTheOpenWhenTheWindowHasRunOut(t *testing.T) {
	b := newBed(t)
	b.world.Broker().RefuseFor(time.Hour)
	writer := b.writer()
	m := await(b, writer.open(), 63*time.Second)
	var failed *supervisor.ChannelError
	if !errors.As(m.Err, &failed) || failed.Child != messages.Topology || !errors.Is(failed, broker.ErrUnavailable) || len(seen[*messages.ChildFailed](writer)) < 30 {
		t.Errorf("%v after %d failures", m.Err, len(seen[*messages.ChildFailed](writer)))
	}
	late := writer.open()
	if m := await(b, late, time.Second); m.Err != error(failed) {
		t.Error(m.Err)
	}
}

// A session that does not open within 5 s, and a request that is not answered within 10 s, are failures.
func TestDeadlinesOfOpeningAndRequests(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.world.Broker().HangOpens(1)
	b.world.Broker().CutOwner("orders/writer")
	b.until("it fails a second time", 7*time.Second, func() bool { return len(seen[*messages.ChildFailed](writer)) == 2 })
	all := seen[*messages.ChildFailed](writer)
	if took := all[1].At.Sub(all[0].At) - all[0].Retry; took.Round(100*time.Millisecond) != 5*time.Second || all[1].WasReady {
		t.Errorf("failed %s after its start: %v", took, all[1].Err)
	}
	b.world.Broker().SetHeartbeat(time.Hour)
	b.world.Broker().Freeze()
	late := b.writer(named("late"))
	began := b.world.Now()
	b.until("the request fails", 11*time.Second, func() bool { return len(seen[*messages.ChildFailed](late)) == 1 })
	if took := b.world.Now() - began; took < 8*time.Second {
		t.Errorf("failed after %s", took)
	}
}

func TestAwaitPeers(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	var reasons []string
	await2, done := take[messages.Opened](b)
	reader.send(&messages.AwaitPeers{Count: 2, NotYet: func(err error) { reasons = append(reasons, err.Error()) }, Done: done})
	none, done0 := take[messages.Opened](b)
	reader.send(&messages.AwaitPeers{Count: 0, Done: done0})
	if m := await(b, none, time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.writer().opened()
	b.world.RunFor(5 * time.Second)
	latest := reasons[len(reasons)-1]
	if await2.got != nil || reasons[0] != "0 of 2 writers are there (none was seen)" || !strings.HasPrefix(latest, "1 of 2 writers are there (writer is started, last heard ") {
		t.Errorf("%+v, %q", await2.got, reasons)
	}
	b.writer(named("second")).opened()
	if m := await(b, await2, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// A reason says what is waited for, and for whom.
func TestReasonsWhyPeersAreWaitedFor(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	reasons := map[messages.PeersAre]string{}
	for _, are := range []messages.PeersAre{messages.PeersAlive, messages.PeersSeen, messages.PeersFinished} {
		reader.send(&messages.AwaitPeers{Count: 2, Are: are, NotYet: func(err error) { reasons[are] = err.Error() }})
	}
	writer := b.writer()
	writer.opened()
	b.world.RunFor(time.Second)
	await(b, writer.close(time.Second), time.Second)
	b.world.RunFor(time.Second)
	for are, want := range map[messages.PeersAre]string{messages.PeersAlive: "0 of 2 writers are there (writer is closed, last heard ",
		messages.PeersSeen: "1 of 2 writers were seen (writer is closed, last heard ", messages.PeersFinished: "1 of 2 writers have finished (writer is closed, last heard "} {
		if !strings.HasPrefix(reasons[are], want) {
			t.Errorf("%q, want %q", reasons[are], want)
		}
	}
}

// Each status is told once, whether it comes by the history, live or both ways.
func TestEachStatusIsToldOnce(t *testing.T) {
	for seed := range uint64(40) {
		b := seeded(t, seed)
		writer := b.writer(func(c *supervisor.Config) { c.HealthInterval = 5 * time.Millisecond })
		writer.opened()
		b.world.RunFor(b.world.Jitter(20 * time.Millisecond))
		reader := b.reader()
		reader.opened()
		b.world.RunFor(100 * time.Millisecond)
		await(b, writer.close(time.Second), time.Second)
		b.world.RunFor(100 * time.Millisecond)
		times := reader.times("writer")
		for at, n := range times {
			if n != 1 {
				t.Errorf("seed %d: the status of %d was told %d times", seed, at, n)
			}
		}
		said, together := b.world.Broker().Depth("orders.writer.status"), 0
		for _, ev := range seen[*messages.StatusesReceived](reader) {
			together += len(ev.Statuses)
		}
		if len(times) != said || together != said {
			t.Errorf("seed %d: %d statuses were told, %d of them together, and %d were said", seed, len(times), together, said)
		}
	}
}

// Whoever does not wait any more is forgotten, without an answer: by the next tick, or when another comes.
func TestAwaitPeersOfThoseWhoHaveLeft(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	const callers, leave = 100, 60
	left, asked, answered := false, 0, 0
	for i := range callers {
		reader.send(&messages.AwaitPeers{Count: 1,
			Expired: func() bool {
				asked++
				return left && i < leave
			},
			Done: func(*messages.Opened) {
				if answered++; i < leave {
					t.Errorf("%d has left and is answered", i)
				}
			}})
	}
	b.world.RunFor(time.Second)
	left = true
	b.world.RunFor(5 * time.Second)
	asked = 0
	reader.send(&messages.AwaitPeers{Count: 2})
	b.world.RunFor(time.Millisecond)
	if asked != callers-leave {
		t.Errorf("%d are kept, want %d", asked, callers-leave)
	}
	b.writer().opened()
	b.until("the others are answered", 5*time.Second, func() bool { return answered == callers-leave })
}

func TestPeersCannotBeAwaitedWithoutStatus(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	a, done := take[messages.Opened](b)
	writer.send(&messages.AwaitPeers{Count: 1, Done: done})
	if m := await(b, a, time.Second); m.Err == nil {
		t.Error("answered as if there were peers")
	}
}

// Status off: no streams, no status actors; records flow and the end is in order.
func TestChannelWithoutStatus(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	flows(writer, reader, "x")
	if q := b.world.Broker().Queues(); len(q) != 2 {
		t.Errorf("%q", q)
	}
	if n := len(writer.snapshot().Children); n != 2 {
		t.Errorf("%d children", n)
	}
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// Both ends see each other, with what they count; history tells a newcomer the state and makes nobody look alive.
func TestPeersSeeEachOther(t *testing.T) {
	b, writer, reader := both(t)
	flows(writer, reader, "x")
	b.world.RunFor(5 * time.Second)
	for _, e := range []*end{writer, reader} {
		peers := e.snapshot().Peers.All
		if len(peers) != 1 || !peers[0].Healthy || peers[0].State != messages.StatusStarted || peers[0].Records != 1 {
			t.Errorf("the %s sees %+v", e.name, peers)
		}
	}
	b.world.System().Root.Stop(writer.pid) // without a word
	b.until("it is gone", time.Second, func() bool { return writer.stopped })
	newcomer := b.reader(named("newcomer"))
	newcomer.opened()
	b.world.RunFor(time.Second)
	for _, p := range newcomer.snapshot().Peers.All {
		if p.Context == "writer" && (p.Heard || p.State != messages.StatusStarted) {
			t.Errorf("%+v", p)
		}
	}
	if n := len(seen[*messages.PeerChanged](newcomer)); n != 0 {
		t.Errorf("%d events of history", n)
	}
	b.world.RunFor(120 * time.Second)
	if p := reader.snapshot().Peers.All[0]; p.Healthy {
		t.Errorf("%+v", p)
	}
}

// An invalid config is said at once.
func TestConfigIsChecked(t *testing.T) {
	b := newBed(t)
	for name, edit := range map[string]func(*supervisor.Config){
		"channel name is empty":   func(c *supervisor.Config) { c.Channel = "" },
		"endpoint name":           func(c *supervisor.Config) { c.Name = "a@b" },
		"200 are allowed":         func(c *supervisor.Config) { c.Name = strings.Repeat("x", 201) },
		"Port is missing":         func(c *supervisor.Config) { c.Port = nil },
		"Env is missing":          func(c *supervisor.Config) { c.Env = nil },
		"group index":             func(c *supervisor.Config) { c.GroupIndex = 1 },
		"without a group name":    func(c *supervisor.Config) { c.GroupIndex, c.GroupSize = 1, 2 },
		"prefetch":                func(c *supervisor.Config) { c.Prefetch = 65536 },
		"grace window is":         func(c *supervisor.Config) { c.GraceWindow = -1 },
		"window bytes is":         func(c *supervisor.Config) { c.WindowBytes = -1 },
		"stall after is negative": func(c *supervisor.Config) { c.StallAfter = -1 },
		"poll timeout is":         func(c *supervisor.Config) { c.PollTimeout = -1 },
		"-1 expected peers":       func(c *supervisor.Config) { c.Expected = -1 },
		"Silent with NoStatus":    func(c *supervisor.Config) { c.Silent, c.NoStatus = true, true },
	} {
		c := supervisor.Config{Channel: "orders", Name: "x", Port: b.port, Env: b.world.Env()}
		edit(&c)
		for side, props := range map[string]func(supervisor.Config) error{
			"reader": func(c supervisor.Config) error { _, err := supervisor.ReaderProps(c); return err },
			"writer": func(c supervisor.Config) error { _, err := supervisor.WriterProps(c); return err },
		} {
			if err := props(c); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s, %s: %v", side, name, err)
			}
		}
	}
}
