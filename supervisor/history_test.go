package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// publish puts bodies on a queue or stream, as a peer that is not weir.
func publish(b *bed, queue string, bodies ...string) {
	b.Helper()
	lease := b.world.Broker().Lease("test")
	batch := broker.Batch{First: 1}
	for _, body := range bodies {
		batch.Records = append(batch.Records, broker.Record{Body: []byte(body)})
	}
	confirmed := 0
	var p broker.Publisher
	p = lease.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: len(bodies)}, func(e broker.Event) {
		switch e := e.(type) {
		case *broker.Opened:
			p.Publish(batch)
		case *broker.Confirmed:
			confirmed += int(e.Last - e.First + 1)
		}
	})
	b.until("it is published", 10*time.Second, func() bool { return confirmed == len(bodies) })
	lease.Abort()
}

func said(context string, kind messages.Kind, timestamp int64) string {
	return fmt.Sprintf(`{"channel_name": "orders", "channel_context_name": %q, "status": %q, "timestamp": %d}`, context, kind, timestamp)
}

// A status consumer that dies while it reads the history, though it has heard something live, leaves no hole: the next one reads it all.
func TestHistoryIsReadToItsEndOverIncidents(t *testing.T) {
	b, _, _ := both(t)
	var bodies []string
	for i := range 350 {
		bodies = append(bodies, said(fmt.Sprint("old-", i), messages.StatusStarted, 10))
	}
	publish(b, "orders.writer.status", bodies...)
	b.world.Broker().Delay(300 * time.Millisecond) // history comes slowly, a hundred at a time
	live, fell := false, 0
	b.inject = func(id string, msg any) {
		if !at(id, "late/status-consumer") {
			return
		}
		switch fmt.Sprintf("%T", msg) {
		case "*broker.Delivered":
			live = true
		case "*actors.historyEvent":
			if live && fell < 2 {
				fell++
				panic(errInjected)
			}
		}
	}
	late := b.reader(named("late"))
	b.world.RunFor(30 * time.Second)
	peers := late.snapshot().Peers.All
	if len(peers) != 351 || fell == 0 {
		t.Errorf("%d peers are known after %d incidents, want 351", len(peers), fell)
	}
	for _, p := range peers {
		if p.Heard != (p.Context == "writer") {
			t.Errorf("%+v", p)
		}
	}
}

// A status whose confirm was lost is sent again: it holds up neither those behind it nor an orderly close.
func TestLostConfirmOfAStatusHeals(t *testing.T) {
	b, writer, _ := both(t)
	b.world.RunFor(5 * time.Second)
	b.world.Broker().LoseConfirms(2) // the next health check of each end
	b.until("the status producer is replaced", time.Minute, func() bool { return len(seen[*messages.ChildFailed](writer)) == 1 })
	if ev := last[*messages.ChildFailed](writer); ev.Child != messages.StatusProducer || !errors.Is(ev.Err, actors.ErrNoConfirm) {
		t.Errorf("%s: %v", ev.Child, ev.Err)
	}
	b.world.RunFor(5 * time.Second)
	if m := await(b, writer.close(2*time.Second), 3*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// What is no status is counted and skipped; nobody dies, its neighbours are heard.
func TestPoisonStatusesAreCountedAndSkipped(t *testing.T) {
	b, writer, reader := both(t)
	b.world.RunFor(time.Second)
	publish(b, "orders.writer.status", said("a", messages.StatusOpened, 1), "{", said("b", "Paused", 1), "\xff", said("c", messages.StatusOpened, 1))
	b.world.RunFor(time.Second)
	bad := 0
	for _, ev := range seen[*messages.BadStatuses](reader) {
		bad += ev.Count
	}
	if n := len(reader.snapshot().Peers.All); bad != 3 || n != 3 {
		t.Errorf("%d bad statuses, %d peers", bad, n)
	}
	if n := len(seen[*messages.ChildFailed](reader)); n != 0 {
		t.Errorf("%d children failed", n)
	}
	flows(writer, reader, "after")
}

// A status consumer that comes back goes on where the last one was: what peers said meanwhile is heard.
func TestStatusConsumerGoesOnWhereTheLastOneWas(t *testing.T) {
	b, writer, reader := both(t)
	b.world.RunFor(5 * time.Second)
	b.world.Broker().RefuseFor(3 * time.Second)
	b.world.Broker().CutOwner("orders/reader/status-consumer")
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	b.world.RunFor(10 * time.Second)
	var states []messages.Kind
	for _, ev := range seen[*messages.PeerChanged](reader) {
		states = append(states, ev.Peer.State)
	}
	if n := len(states); n < 2 || states[n-2] != messages.StatusStopped || states[n-1] != messages.StatusClosed {
		t.Errorf("%q", states)
	}
}

// Statuses are told in the stream's order, though a newcomer listens live first: a health check that comes while it reads a long history says at once that the peer is there, and does not make
// the peer's Opened, which the history has yet to bring, too old to count.
func TestStatusesAreToldInTheStreamsOrder(t *testing.T) {
	b, _, _ := both(t)
	var bodies []string
	for i := range 450 {
		bodies = append(bodies, said(fmt.Sprint("old-", i), messages.StatusStarted, 10))
	}
	bodies = append(bodies, said("peer", messages.StatusOpened, 1000), said("gone", messages.StatusStarted, 1000))
	publish(b, "orders.writer.status", bodies...)
	b.world.Broker().Delay(300 * time.Millisecond) // history comes slowly, a hundred at a time
	late := b.reader(named("late"))
	late.opened()
	publish(b, "orders.writer.status", said("peer", messages.StatusHealthCheck, 2000), said("gone", messages.StatusClosed, 2000))
	b.until("they are heard", 5*time.Second, func() bool { return late.snapshot().Peers.Count(messages.Named("peer")) == 1 })
	if p := late.snapshot().Peers.Where(messages.Named("peer")).All[0]; !p.Heard || p.State != "" {
		t.Fatalf("%+v: want one that is there, and whose state the history has yet to bring", p)
	}
	alive, done := take[messages.Opened](b)
	late.send(&messages.AwaitPeers{Count: 3, Done: done}) // the writer, and "peer": who has just closed does not count
	b.world.RunFor(30 * time.Second)
	if alive.got != nil {
		t.Errorf("%+v: a peer that was heard to close was taken for alive", alive.got)
	}
	for name, state := range map[string]messages.Kind{"peer": messages.StatusOpened, "gone": messages.StatusClosed} {
		if p := late.snapshot().Peers.Where(messages.Named(name)).All[0]; p.State != state {
			t.Errorf("%s: %+v", name, p)
		}
	}
	var last int64
	for _, ev := range seen[*messages.StatusReceived](late) {
		if ev.Peer.Context != "peer" {
			continue
		}
		if ev.Status.Timestamp <= last {
			t.Errorf("%d was told behind %d", ev.Status.Timestamp, last)
		}
		last = ev.Status.Timestamp
	}
	if last != 2000 {
		t.Errorf("the last status was of %d", last)
	}
}
