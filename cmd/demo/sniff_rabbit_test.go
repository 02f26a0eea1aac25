package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func rabbitRuntime(t *testing.T, node *rabbit.Node) *weir.Runtime {
	t.Helper()
	rt, err := weir.Open(sniffContext(t), node.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(sniffContext(t)); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// say publishes bodies to a stream, as pypz peers do, and waits for their confirms.
func say(t *testing.T, rt *weir.Runtime, stream string, bodies ...string) {
	t.Helper()
	lease := rt.Port().Lease("test")
	defer lease.Abort()
	events := make(chan broker.Event, 100)
	p := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: stream, Window: len(bodies), ContentEncoding: "utf-8"}, flat(events))
	confirmed := uint64(0)
	for confirmed < uint64(len(bodies)) {
		switch e := nextEvent(t, events).(type) {
		case *broker.Opened:
			batch := broker.Batch{First: 1}
			for _, body := range bodies {
				batch.Records = append(batch.Records, broker.Record{Body: []byte(body)})
			}
			p.Publish(batch)
		case *broker.Confirmed:
			confirmed += e.Last - e.First + 1
		case *broker.Ended, *broker.Refused:
			t.Fatalf("publish to %s: %+v", stream, e)
		}
	}
}

// flat takes Pendings apart.
func flat(into chan<- broker.Event) broker.Sink {
	return func(e broker.Event) {
		if p, ok := e.(*broker.Pending); ok {
			for _, e := range p.Take() {
				into <- e
			}
			return
		}
		into <- e
	}
}

func nextEvent(t *testing.T, events <-chan broker.Event) broker.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(sniffLimit):
		t.Fatal("the broker says nothing")
		return nil
	}
}

// streamUpTo gives all bodies of a stream up to the one that is named.
func streamUpTo(t *testing.T, rt *weir.Runtime, stream, last string) (bodies []string) {
	t.Helper()
	lease := rt.Port().Lease("test")
	defer lease.Abort()
	events := make(chan broker.Event, 100)
	consumer := lease.OpenConsumer(broker.ConsumerConfig{Queue: stream, Prefetch: 10, MaxBatch: 10, Stream: &broker.StreamOffset{}}, flat(events))
	for {
		switch e := nextEvent(t, events).(type) {
		case *broker.Delivered:
			consumer.Ack(e.Last(), true)
			for _, r := range e.Records {
				if bodies = append(bodies, string(r.Body)); string(r.Body) == last {
					return bodies
				}
			}
		case *broker.Ended:
			t.Fatalf("read %s: %v", stream, e.Err)
		}
	}
}

// resources gives the names of all that is declared at the node.
func resources(t *testing.T, node *rabbit.Node) string {
	t.Helper()
	lists := [][]string{{"list_exchanges", "name", "type"}, {"list_queues", "name", "durable"}, {"list_bindings", "source_name", "destination_name"}}
	var wait sync.WaitGroup
	ctx, all, errs := sniffContext(t), make([]string, len(lists)), make([]error, len(lists))
	for i, list := range lists {
		wait.Go(func() {
			text, err := node.Ctl(ctx, append([]string{"--quiet"}, list...)...)
			lines := strings.Split(text, "\n")
			slices.Sort(lines)
			all[i], errs[i] = strings.Join(lines, "\n"), err
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n--\n")
}

func inspect(t *testing.T, rt *weir.Runtime, queue string) broker.QueueInfo {
	t.Helper()
	lease := rt.Port().Lease("test")
	defer lease.Abort()
	answer := make(chan broker.Result, 1)
	lease.Do(broker.InspectQueue{Name: queue}, func(r broker.Result) { answer <- r })
	select {
	case r := <-answer:
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Queue
	case <-time.After(sniffLimit):
		t.Fatal("the broker says nothing")
		return broker.QueueInfo{}
	}
}

func TestSniffLeavesNoTraceAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel := newName("sniff.trace", rand.Text())
		streams := []string{channel + ".reader.status", channel + ".writer.status"}
		rt := rabbitRuntime(t, node)
		leaveRecords(t, rt, channel, 3)
		for _, stream := range streams {
			say(t, rt, stream, "before")
		}
		was := resources(t, node)
		if !strings.Contains(was, channel) {
			t.Fatal(was)
		}

		own := rabbitRuntime(t, node) // whose connections nobody else uses
		w := watched(t, own, channel)
		w.until(t, func(r *roster) bool { return len(r.peers) == 2 && r.queues[0].exists && r.queues[1].exists })
		if now := inspect(t, rt, channel); now.Consumers != 0 || now.Ready != 3 || w.roster.queues[0].info != now {
			t.Errorf("the sniffer consumes: %+v, and sees %+v", now, w.roster.queues[0].info)
		}
		if now := resources(t, node); now != was {
			t.Errorf("there was\n%s\nand with the sniffer is\n%s", was, now)
		}
		if err := own.Close(sniffContext(t)); err != nil {
			t.Error(err)
		}
		out, _ := command(t, exitFine, "", "sniff", channel, "--broker", node.URL(), "--json", "--listen", "500ms")
		if s := decodeSnapshot(t, out); len(s.Peers) != 2 || s.Peers[0].Health != closed || *s.Queues[0].Ready != 3 || *s.Queues[0].Consumers != 0 {
			t.Errorf("%+v", s)
		}

		for _, stream := range streams {
			say(t, rt, stream, "after")
			if all := streamUpTo(t, rt, stream, "after"); len(all) < 3 || all[len(all)-2] != "before" {
				t.Errorf("%s: the sniffer said something: %q", stream, all)
			}
		}
		if now := resources(t, node); now != was {
			t.Errorf("there was\n%s\nand behind the sniffer is\n%s", was, now)
		}
		if now := inspect(t, rt, channel); now.Ready != 3 {
			t.Errorf("%d of 3 records are left", now.Ready)
		}
	})
}

// leaveRecords makes a channel and leaves records in its queue, and nobody there.
func leaveRecords(t *testing.T, rt *weir.Runtime, channel string, n int) {
	t.Helper()
	ctx := sniffContext(t)
	r, err := weir.OpenReader(ctx, rt, channel, weir.Text(), weir.Name("reader"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := weir.OpenWriter(ctx, rt, channel, weir.Text(), weir.Name("writer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ctx, slices.Repeat([]string{"x"}, n)...); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(ctx), r.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	for inspect(t, rt, channel).Ready != n { // what the reader had prefetched goes back
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
}

func TestSniffOfLivePeersAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel := newName("sniff-live", rand.Text())
		rt := rabbitRuntime(t, node)
		openPeers(t, rt, channel, 1200)
		out, said := command(t, exitFine, "", "sniff", channel, "--broker", node.URL(), "--for", "1s")
		for _, want := range []string{"worker-0 (reader, workers 0*) is there: started, healthy\n", "shop (writer) is there: started, healthy\n",
			"2 readers, 2 healthy, read 0/s; 1 writer, 1 healthy, written 0/s; queue " + channel + ": 0 ready, 2 consumers\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s%s", want, out, said)
			}
		}
		if now := inspect(t, rt, channel); now.Consumers != 2 {
			t.Errorf("%d consumers", now.Consumers)
		}
	})
}

// TestSniffOfPypzPeersAtRabbitMQ lets a pypz reader and writer speak: group null, names with dots, a space behind each colon. (What they say is as in messages/testdata/pypz.json.)
func TestSniffOfPypzPeersAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel := newName("pipe.sink_op.in_port", rand.Text())
		rt := rabbitRuntime(t, node)
		ctx := sniffContext(t)
		maker, err := weir.OpenReader(ctx, rt, channel, weir.Text(), weir.Name("maker"), weir.Compat())
		if err != nil {
			t.Fatal(err)
		}
		if err := maker.Close(ctx); err != nil {
			t.Fatal(err)
		}
		began := time.Now().UnixMilli() - 4000
		pypz := func(side, name, status, payload string, after int64) {
			say(t, rt, channel+"."+side+".status", fmt.Sprintf(`{"channel_name": %q, "channel_context_name": %q, "channel_group_name": null, "channel_group_index": 0, "status": %q, "payload": %s, "timestamp": %d}`,
				channel, name, status, payload, began+after))
		}
		w := watched(t, rt, channel)
		both := func(records uint64) func(*roster) bool {
			return func(r *roster) bool {
				n := 0
				for _, row := range r.peers {
					if strings.HasPrefix(row.Context, "pipe.") && row.records == records && row.told {
						n++
					}
				}
				return n == 2
			}
		}
		each := func(f func(side, name, key string)) {
			f("reader", "pipe.reader_op.port", messages.ReceivedRecordCount)
			f("writer", "pipe.writer_op.port", messages.SentRecordCount)
		}
		each(func(side, name, key string) {
			pypz(side, name, "Opened", "null", 0)
			pypz(side, name, "HealthCheck", "{}", 1)
			pypz(side, name, "Started", "null", 2)
			pypz(side, name, "HealthCheck", fmt.Sprintf(`{%q: 40}`, key), 2001)
		})
		w.until(t, both(40))
		each(func(side, name, key string) {
			pypz(side, name, "HealthCheck", fmt.Sprintf(`{%q: 240, "note": "été"}`, key), 4001)
		})
		w.until(t, both(240))
		for _, row := range w.roster.peers[:2] {
			if rate, known := row.speed(); !known || rate != 100 || row.state != messages.StatusStarted || row.health != healthy || row.group() != "" || entriesText(row.entries()) != "note=été" {
				t.Errorf("%+v", row)
			}
		}
	})
}

func TestSniffWaitsForAReaderAtRabbitMQ(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	_, said := command(t, exitFailed, "", "sniff", "sniff-nobody", "--json", "--timeout", "500ms", "--broker", node.URL())
	if !strings.Contains(said, "sniff-nobody.reader.status") || !strings.Contains(said, "a reader makes the channel") || strings.Contains(said, "guest:guest") {
		t.Error(said)
	}
	if all := resources(t, node); strings.Contains(all, "sniff-nobody") {
		t.Error(all)
	}
}
