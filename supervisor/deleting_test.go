package supervisor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func deletes(c *messages.Close) { c.Delete = true }
func forced(c *messages.Close)  { c.Delete, c.Force = true, true }

// Streams go at once, also under live consumers, so deleting waits for the open peer and names it.
func TestDeletingWaitsForAnOpenPeerAndNamesIt(t *testing.T) {
	b, writer, reader := both(t)
	m := await(b, reader.close(5*time.Second, deletes), 6*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || left.NotDeleted == nil || !strings.Contains(left.NotDeleted.Error(), "peer orders@writer is open") {
		t.Errorf("%v", m.Err)
	}
	if ev := last[*messages.WaitsFor](reader); !strings.Contains(ev.Reason.Error(), "orders@writer") {
		t.Errorf("%+v", ev)
	}
	if n := len(b.world.Broker().Queues()); n != 4 {
		t.Errorf("%d queues are left", n)
	}
	if n := len(seen[*messages.ChildFailed](writer)); n != 0 {
		t.Error("the writer's children failed by it")
	}
}

func TestDeletingGoesOnWhenThePeerHasGone(t *testing.T) {
	for _, how := range []string{"closed", "died"} {
		t.Run(how, func(t *testing.T) {
			b, writer, reader := both(t)
			began := b.world.Now()
			closed := reader.close(5*time.Minute, deletes)
			b.world.RunFor(10 * time.Second)
			if closed.got != nil {
				t.Fatalf("%+v", closed.got)
			}
			limit := 10 * time.Second
			if how == "closed" {
				writer.close(time.Second)
			} else {
				b.world.System().Root.Stop(writer.pid)
				limit = 130 * time.Second // until its last message is 120 s old
			}
			if m := await(b, closed, limit); m.Err != nil {
				t.Error(m.Err)
			}
			if took := b.world.Now() - began; how == "died" && took < 120*time.Second {
				t.Errorf("a peer that died is taken for gone after %s", took)
			}
			if q, e := b.world.Broker().Queues(), b.world.Broker().Exchanges(); len(q)+len(e) != 0 {
				t.Errorf("left: %q, %q", q, e)
			}
		})
	}
}

// Data queues, exchange, reader stream, writer stream, dead letters.
func TestOrderOfDeletion(t *testing.T) {
	b, writer, reader := both(t)
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.world.Broker().Delay(10 * time.Millisecond)
	var order []string
	present := func() []string {
		return append(b.world.Broker().Queues(), "exchange "+strings.Join(b.world.Broker().Exchanges(), ""))
	}
	was := present()
	closed := reader.close(10*time.Second, deletes)
	b.until("it is deleted", 11*time.Second, func() bool {
		now := present()
		for _, name := range was {
			if !slices.Contains(now, name) {
				order = append(order, name)
			}
		}
		was = now
		return closed.got != nil
	})
	want := []string{"orders", "exchange orders", "orders.reader.status", "orders.writer.status", "orders.dead"}
	if closed.got.Err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, deleted %q, want %q", closed.got.Err, order, want)
	}
}

func TestForceDeletesUnderAnOpenPeer(t *testing.T) {
	b, _, reader := both(t)
	if m := await(b, reader.close(10*time.Second, forced), 10*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.world.RunFor(5 * time.Second)
	if q := b.world.Broker().Queues(); len(q) != 0 && !slices.Contains(q, "orders") { // a creating writer declares them again
		t.Errorf("%q", q)
	}
}

// A queue that has another consumer is not deleted, not even with Force: "not yet", and nothing behind it goes.
func TestQueueWithAConsumerIsNotDeleted(t *testing.T) {
	b, _, reader := both(t, noStatus)
	other := b.reader(noStatus, named("other"))
	other.opened()
	m := await(b, reader.close(3*time.Second, forced), 4*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || !errors.Is(left.NotDeleted, broker.ErrInUse) {
		t.Errorf("%v", m.Err)
	}
	if q := b.world.Broker().Queues(); !slices.Equal(q, []string{"orders", "orders.dead"}) {
		t.Errorf("%q", q)
	}
	if n := len(seen[*messages.ChildFailed](other)); n != 0 {
		t.Errorf("%d children of the other reader failed", n)
	}
}

// Deleting heals like everything else: a lost connection is one failure of the topology actor.
func TestDeletingGoesOnAfterALostConnection(t *testing.T) {
	b, writer, reader := both(t)
	await(b, writer.close(time.Second), time.Second)
	closed := reader.close(30*time.Second, deletes)
	b.until("it deletes", 10*time.Second, func() bool { return b.port.lease("orders/reader/topology-2") != nil })
	b.world.Broker().RefuseFor(3 * time.Second)
	b.world.Broker().Cut()
	if m := await(b, closed, 20*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if q := b.world.Broker().Queues(); len(q) != 0 {
		t.Errorf("%q", q)
	}
}

// Deleting what is gone already is fine.
func TestDeletingTwice(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"first", "second"} {
		reader := b.reader(named(name))
		reader.opened()
		if m := await(b, reader.close(10*time.Second, deletes), 10*time.Second); m.Err != nil {
			t.Error(m.Err)
		}
		declare(b, broker.DeleteQueue{Name: "orders"}, broker.DeleteExchange{Name: "orders"})
	}
}

// That no peer is known means nothing right after opening: whoever is there has three health intervals to be heard. Afterwards nothing is waited for.
func TestDeletingWaitsUntilPeersHadTimeToBeHeard(t *testing.T) {
	for _, test := range []struct {
		name   string
		opened time.Duration // before the close
		least  time.Duration // that the close takes
	}{
		{"at once", 0, 5900 * time.Millisecond}, {"soon", 4 * time.Second, 1900 * time.Millisecond}, {"later", 6 * time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			reader := b.reader()
			reader.opened()
			b.world.RunFor(test.opened)
			began := b.world.Now()
			if m := await(b, reader.close(10*time.Second, deletes), 10*time.Second); m.Err != nil {
				t.Error(m.Err)
			}
			if took := b.world.Now() - began; took < test.least || took > test.least+time.Second/5 {
				t.Errorf("took %s, want %s or little more", took, test.least)
			}
		})
	}
}

// A reader that deletes as soon as it runs does not do it under a writer that lives, whenever it hears of that.
func TestDeletingRightAfterOpeningSparesALiveWriter(t *testing.T) {
	for seed := range uint64(20) {
		b := seeded(t, seed)
		writer := b.writer()
		writer.opened()
		b.world.RunFor(3 * time.Second)
		b.world.Broker().Delay(200 * time.Millisecond)
		reader := b.reader()
		closed := reader.close(20*time.Second, deletes)
		m := await(b, closed, 21*time.Second)
		var left *supervisor.CloseError
		if !errors.As(m.Err, &left) || left.NotDeleted == nil || !strings.Contains(left.NotDeleted.Error(), "orders@writer") {
			t.Errorf("seed %d: %v", seed, m.Err)
		}
		if n := len(seen[*messages.ChildFailed](writer)); n != 0 {
			t.Errorf("seed %d: %d children of the writer failed", seed, n)
		}
		for _, started := range seen[*messages.ChildStarted](reader) {
			if started.Child == messages.DataConsumer {
				t.Errorf("seed %d: it consumes, though it closes", seed)
			}
		}
		b.world.Broker().Delay(0)
	}
}

// A queue that is deleted with records in it is told, an empty one is not.
func TestDeletingAQueueWithRecordsIsTold(t *testing.T) {
	for _, left := range []int{0, 2} {
		b, writer, reader := both(t)
		for range left {
			written, _ := writer.write("x")
			await(b, written, time.Second)
		}
		await(b, writer.close(time.Second), time.Second)
		if m := await(b, reader.close(20*time.Second, deletes), 20*time.Second); m.Err != nil {
			t.Error(m.Err)
		}
		events := seen[*messages.QueueNotEmpty](reader)
		if len(events) != min(left, 1) {
			t.Fatalf("%d left: %d events", left, len(events))
		}
		if left > 0 && (events[0].Queue != "orders" || events[0].Ready != left) {
			t.Errorf("%+v", events[0])
		}
	}
}

// A peer that has closed looks at its peers once more: its streams are not deleted under it.
func TestDeletingLeavesAPeerItsLastLook(t *testing.T) {
	b, writer, reader := both(t)
	b.world.RunFor(10 * time.Second) // everybody was heard
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	b.until("the reader knows", time.Second, func() bool { return reader.snapshot().Peers.All[0].State == messages.StatusClosed })
	began := b.world.Now()
	if m := await(b, reader.close(5*time.Second, deletes), 5*time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	if took := b.world.Now() - began; took < 400*time.Millisecond || took > time.Second {
		t.Errorf("deleted %s after the peer had closed, want half a second", took)
	}
}
