package weir_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// What the original's ports and channels have, on every broker.

func in(kind messages.Kind) func(weir.Peers) bool {
	return func(p weir.Peers) bool { return p.Count(weir.InState(kind)) == 1 }
}

func TestStandByStartStopAnnounce(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r", weir.Create())
		heard := r.Subscribe()
		defer heard.Close()
		w := writer(ctx, t, rt, channel, "w", weir.StandBy())
		if err := w.Write(ctx, "early"); !errors.Is(err, weir.ErrNotStarted) {
			t.Errorf("write while it stands by: %v", err)
		}
		until(ctx, t, r, "opened", in(messages.StatusOpened))
		ok(t, w.Start(ctx))
		until(ctx, t, r, "started", in(messages.StatusStarted))
		ok(t, w.Write(ctx, "a"))
		ok(t, w.Stop(ctx))
		until(ctx, t, r, "stopped", in(messages.StatusStopped))
		if err := w.Write(ctx, "late"); !errors.Is(err, weir.ErrNotStarted) {
			t.Errorf("write after Stop: %v", err)
		}
		ok(t, w.Start(ctx))
		ok(t, w.Announce(ctx))
		ok(t, w.Write(ctx, "b"))
		if got := read(ctx, t, r, 2); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("read %q", got)
		}
		snapshot := must[*messages.Snapshot](t)(w.Inspect(ctx))
		var states []messages.State
		for _, s := range snapshot.History {
			states = append(states, s.State)
		}
		want := []messages.State{messages.Preparing, messages.Opening, messages.Standby, messages.Running, messages.Standby, messages.Running}
		if !slices.Equal(states, want) {
			t.Errorf("its states were %q, want %q", states, want)
		}
		ok(t, w.Close(ctx))
		var said []messages.Kind
		for len(said) == 0 || said[len(said)-1] != messages.StatusClosed {
			event, err := heard.Next(ctx)
			ok(t, err)
			if s, is := event.(*messages.StatusReceived); is && s.Status.Kind.IsState() {
				said = append(said, s.Status.Kind)
			}
		}
		if got, want := fmt.Sprint(said), "[Opened Started Stopped Started Opened Started Stopped Closed]"; got != want {
			t.Errorf("peers were told %s, want %s", got, want)
		}
	})
}

func TestSilentEndpointsSeeAndAreNotSeen(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r")
		w := writer(ctx, t, rt, channel, "w")
		hearsReaders, hearsWriters := writer(ctx, t, rt, channel, "sniffer-w", weir.Silent()), reader(ctx, t, rt, channel, "sniffer-r", weir.Silent())
		until(ctx, t, hearsReaders, "the reader is seen", in(messages.StatusStarted))
		until(ctx, t, hearsWriters, "the writer is seen", in(messages.StatusStarted))
		if _, err := hearsWriters.Read(ctx); !errors.Is(err, weir.ErrSilent) {
			t.Errorf("read: %v", err)
		}
		if _, err := hearsWriters.HasRecords(ctx); !errors.Is(err, weir.ErrSilent) {
			t.Errorf("has records: %v", err)
		}
		if err := hearsWriters.Acknowledge(ctx); !errors.Is(err, weir.ErrSilent) {
			t.Errorf("acknowledge: %v", err)
		}
		ok(t, w.Write(ctx, "a"))
		ok(t, hearsReaders.Write(ctx, "b"))
		if got := read(ctx, t, r, 2); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("read %q: a silent reader must take nothing", got)
		}
		if err := hearsWriters.CloseAndDelete(ctx, true); !errors.Is(err, weir.ErrSilent) {
			t.Errorf("delete: %v", err)
		}
		ok(t, hearsReaders.Close(ctx))
		ok(t, w.Write(ctx, "c"))
		read(ctx, t, r, 1)
		for _, e := range []asker{r, w} {
			if peers := must[weir.Peers](t)(e.Peers(ctx)); peers.Count() != 1 {
				t.Errorf("the peers are %v", peers.Names())
			}
		}
	})
}

func TestPrincipalHearsItsGroup(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		principal := reader(ctx, t, rt, channel, "r", weir.Group("g", 0, 2), weir.FanOut())
		if can := must[bool](t)(principal.CanClose(ctx)); !can {
			t.Error("without any peer a principal can close")
		}
		member := reader(ctx, t, rt, channel, "r_0", weir.Group("g", 1, 2), weir.FanOut(), weir.OnUndecodable(weir.FailRead))
		w := writer(ctx, t, rt, channel, "w")
		peers := until(ctx, t, principal, "the member is heard", func(p weir.Peers) bool { return p.Members().Any(weir.InState(messages.StatusStarted)) })
		if m := peers.Members().All[0]; m.Context != "r_0" || m.Side != messages.Reading || m.Group != "g" || m.GroupIndex != 1 {
			t.Errorf("the member is %+v", m)
		}
		if can := must[bool](t)(principal.CanClose(ctx)); can {
			t.Error("it can close while its member is at work")
		}
		if can := must[bool](t)(member.CanClose(ctx)); !can {
			t.Error("who is no principal can always close")
		}
		ok(t, w.Write(ctx, "x"))
		for _, r := range []*weir.Reader[string]{principal, member} {
			if got := read(ctx, t, r, 1); got[0] != "x" {
				t.Errorf("%q", got)
			}
		}
		if n := must[weir.Peers](t)(member.Peers(ctx)).Members().Count(); n != 0 {
			t.Errorf("the member hears %d of its group", n)
		}
		ok(t, member.Close(ctx))
		until(ctx, t, principal, "it can close", weir.Peers.CanClose)
		ok(t, w.Close(ctx))
		ok(t, principal.CloseAndDelete(ctx, false))
	})
}

func TestOpeningSaysWhichPeersAreMissing(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		reader(ctx, t, rt, channel, "r")
		writer(ctx, t, rt, channel, "w-1")
		_, err := weir.OpenReader(ctx, rt, channel, weir.Text(), quick("late", weir.Expect(2), weir.Synchronous(), weir.OpenTimeout(time.Second))...)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 of 2 writers were seen (w-1 is started, last heard ") {
			t.Fatalf("%v", err)
		}
		one := reader(ctx, t, rt, channel, "one", weir.Expect(2)) // one of them is enough
		ok(t, one.Close(ctx))
		opened := make(chan error, 1)
		go func() {
			_, err := weir.OpenReader(ctx, rt, channel, weir.Text(), quick("both", weir.Expect(2), weir.Synchronous())...)
			opened <- err
		}()
		w2 := writer(ctx, t, rt, channel, "w-2")
		ok(t, <-opened)
		ok(t, w2.Close(ctx))
	})
}

func TestSequentialReaderWaitsUntilWritersHaveFinished(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "w", weir.Create())
		opened := make(chan *weir.Reader[string], 1)
		go func() {
			r, err := weir.OpenReader(ctx, rt, channel, weir.Text(), quick("r", weir.Expect(1), weir.Sequential())...)
			if err != nil {
				t.Error(err)
			}
			opened <- r
		}()
		until(ctx, t, w, "the reader is there", in(messages.StatusStarted))
		ok(t, w.Write(ctx, "a", "b"))
		select {
		case <-opened:
			t.Error("it is open before the writer has finished")
		default:
		}
		ok(t, w.Close(ctx))
		r := <-opened
		if got := read(ctx, t, r, 2); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Batches end by themselves, and never before the last record: also of a writer that writes and goes at once.
func TestBatchesEndWhenAllHaveFinished(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		const rounds, records = 5, 300
		for round := range rounds {
			name := fmt.Sprint(channel, ".", round)
			w1, w2 := writer(ctx, t, rt, name, "w-1", weir.Create()), writer(ctx, t, rt, name, "w-2")
			r := reader(ctx, t, rt, name, "r", weir.Expect(2), weir.Poll(7))
			for i := range records {
				_, err := w1.Send(ctx, fmt.Sprint(i))
				ok(t, err)
			}
			ok(t, w2.Close(ctx))
			closed := make(chan error, 1)
			go func() { closed <- w1.Close(ctx) }()
			n := 0
			for b, err := range r.Batches(ctx) {
				ok(t, err)
				n += len(b.Values)
				ok(t, b.Commit(ctx))
			}
			ok(t, <-closed)
			if n != records {
				t.Fatalf("round %d: %d records of %d", round, n, records)
			}
			ok(t, r.CloseAndDelete(ctx, true))
		}
	})
}

func TestHasRecords(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r", weir.Prefetch(1), weir.Poll(1))
		w := writer(ctx, t, rt, channel, "w")
		has := func(want bool) {
			t.Helper()
			if got := must[bool](t)(r.HasRecords(ctx)); got != want {
				t.Errorf("has records: %v, want %v", got, want)
			}
		}
		has(false)
		ok(t, w.Write(ctx, "a", "b"))
		has(true)
		first := must[*weir.Batch[string]](t)(r.Read(ctx))
		has(true) // the second is at the broker
		ok(t, first.Commit(ctx))
		second := must[*weir.Batch[string]](t)(r.Read(ctx))
		has(false) // what is read and not committed is nobody's any more
		ok(t, second.Commit(ctx))
	})
}

func TestAcknowledgements(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "w", weir.Create())
		all := func() bool { return must[bool](t)(w.AllAcknowledged(ctx)) }
		if !all() {
			t.Error("without readers all have acknowledged")
		}
		r := reader(ctx, t, rt, channel, "r")
		until(ctx, t, w, "the reader is there", weir.Peers.AnyHealthy)
		if all() {
			t.Error("the reader has acknowledged nothing")
		}
		ok(t, r.Acknowledge(ctx))
		until(ctx, t, w, "acknowledged", weir.Peers.AllAcknowledged)
		ok(t, w.Write(ctx, "a"))
		if all() {
			t.Error("a write clears the marks")
		}
	})
}

func TestCommitUpToAndOffsets(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r", weir.Poll(5))
		w := writer(ctx, t, rt, channel, "w")
		offsets := func(current, committed int64) {
			t.Helper()
			if got, want := must[weir.Offsets](t)(r.Offsets(ctx)), (weir.Offsets{Initial: -1, Current: current, Committed: committed}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		offsets(-1, -1)
		ok(t, w.Write(ctx, "1", "2", "3", "4", "5"))
		for n := 0; n < 5; {
			n += len(must[*weir.Batch[string]](t)(r.Read(ctx)).Values)
		}
		offsets(4, -1)
		ok(t, r.CommitUpTo(ctx, 3))
		offsets(4, 2)
		ok(t, r.CommitUpTo(ctx, 2)) // ignored
		offsets(4, 2)
		if err := r.CommitUpTo(ctx, 6); err == nil {
			t.Error("more than were read")
		}
		ok(t, r.Close(ctx))
		if got := read(ctx, t, reader(ctx, t, rt, channel, "r-2"), 2); !slices.Equal(got, []string{"4", "5"}) {
			t.Errorf("%q come again", got)
		}
	})
}

func TestPollTimeoutGivesEmptyBatches(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r", weir.PollTimeout(20*time.Millisecond))
		w := writer(ctx, t, rt, channel, "w")
		empty := must[*weir.Batch[string]](t)(r.Read(ctx))
		if len(empty.Values) != 0 {
			t.Errorf("%q", empty.Values)
		}
		ok(t, empty.Commit(ctx))
		ok(t, w.Write(ctx, "a"))
		for {
			b := must[*weir.Batch[string]](t)(r.Read(ctx))
			ok(t, b.Commit(ctx))
			if len(b.Values) > 0 {
				return
			}
		}
	})
}

// Who deletes a queue with records in it is told how many.
func TestDeletingTellsHowManyRecordsAreLost(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "w", weir.Create())
		ok(t, w.Write(ctx, "a", "b", "c"))
		ok(t, w.Close(ctx))
		r := reader(ctx, t, rt, channel, "r", weir.Prefetch(1), weir.Poll(1))
		ok(t, must[*weir.Batch[string]](t)(r.Read(ctx)).Commit(ctx))
		events := r.Subscribe()
		defer events.Close()
		ok(t, r.CloseAndDelete(ctx, false))
		for {
			event, err := events.Next(ctx)
			ok(t, err)
			if lost, is := event.(*messages.QueueNotEmpty); is {
				if lost.Queue != channel || lost.Ready != 2 {
					t.Errorf("%+v, want 2 records of %s", lost, channel)
				}
				return
			}
		}
	})
}

// An output port with several connections: each channel gets all.
func TestMultiWriterWritesToAllChannels(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		var writers []*weir.Writer[string]
		var readers []*weir.Reader[string]
		for _, name := range []string{channel + ".1", channel + ".2"} {
			writers = append(writers, writer(ctx, t, rt, name, "w", weir.Create()))
			readers = append(readers, reader(ctx, t, rt, name, "r", weir.Expect(1)))
		}
		m := weir.MultiWriter(writers...)
		ok(t, m.WaitForReaders(ctx, 1))
		ok(t, m.Write(ctx, "a", "b"))
		ok(t, m.Close(ctx))
		for i, r := range readers {
			var got []string
			for b, err := range r.Batches(ctx) {
				ok(t, err)
				got = append(got, b.Values...)
				ok(t, b.Commit(ctx))
			}
			if !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("channel %d: %q", i, got)
			}
		}
	})
}

// Replicas without fan-out share the load: each record goes to one of them.
func TestGroupSharesTheLoad(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		const records = 400
		w := writer(ctx, t, rt, channel, "w", weir.Create())
		var readers []*weir.Reader[string]
		for i := range 2 {
			readers = append(readers, reader(ctx, t, rt, channel, fmt.Sprint("r_", i), weir.Group("g", i, 2), weir.Poll(10), weir.Prefetch(10), weir.Expect(1)))
		}
		for i := range records {
			_, err := w.Send(ctx, fmt.Sprint(i))
			ok(t, err)
		}
		ok(t, w.Close(ctx))
		type share struct {
			values []string
			err    error
		}
		shares := make(chan share)
		for _, r := range readers {
			go func() {
				var s share
				for b, err := range r.Batches(ctx) {
					if err == nil {
						s.values = append(s.values, b.Values...)
						err = b.Commit(ctx)
					}
					if s.err = err; err != nil {
						break
					}
				}
				shares <- s
			}()
		}
		seen := map[string]int{}
		for range readers {
			s := <-shares
			ok(t, s.err)
			if len(s.values) == 0 {
				t.Error("one of them got nothing")
			}
			for _, v := range s.values {
				seen[v]++
			}
		}
		if len(seen) != records {
			t.Errorf("%d records of %d", len(seen), records)
		}
		for v, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", v, n)
			}
		}
	})
}

// The original's configuration opens both ends of a channel where it says.
func TestPypzConfigurationOnRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		config := must[*weir.PypzConfig](t)(weir.ParsePypz([]byte(`{"channelLocation": "` + node.Address() + `", "channelConfig": {"max_poll_records": 2, "metricsEnabled": true}, "portOpenTimeoutMs": 20000}`)))
		rt := must[*weir.Runtime](t)(weir.Open(ctx, config.URL()))
		options := func(name string, more ...weir.Option) []weir.Option {
			return append(config.Options(), quick(name, more...)...)
		}
		r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "pypz.config.in", weir.Text(), options("r")...))
		w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "pypz.config.in", weir.Text(), options("w", weir.Expect(1))...))
		ok(t, w.Write(ctx, "a", "b", "c"))
		for n := 0; n < 3; {
			b := must[*weir.Batch[string]](t)(r.Read(ctx))
			if n += len(b.Values); len(b.Values) > 2 {
				t.Errorf("a batch of %d", len(b.Values))
			}
			ok(t, b.Commit(ctx))
		}
		until(ctx, t, r, "metrics come", func(p weir.Peers) bool {
			_, has := p.All[0].Payload.Get("averageTimePerOutputCycleMs")
			return has
		})
		ok(t, rt.Close(ctx))
	})
}
