package rabbitmq

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// recorded is a stream of a broker's bytes to a consumer on channel 1, with frames between that are amqp091's, and what amqp091 is to see.
func recorded() (stream, passed []byte) {
	pass := func(b []byte) {
		stream = append(stream, b...)
		passed = append(passed, b...)
	}
	stream = appendDelivery(stream, 1, 1, false, []byte("first"), &broker.Properties{ContentEncoding: "utf-8"})
	pass(appendMethod(nil, 0, connectionUnblocked))
	stream = appendDelivery(stream, 1, 2, true, nil, &broker.Properties{})
	stream = appendDelivery(stream, 1, 3, false, bytes.Repeat([]byte("large "), 1000), &broker.Properties{MessageID: "3"})
	heartbeat, at := openFrame(nil, 8, 0)
	pass(closeFrame(heartbeat, at))
	pass(appendMethod(nil, 2, channelOpen+1, 0, 0, 0, 0))
	stream = appendDelivery(stream, 1, 4, false, []byte("last"), &broker.Properties{})
	return stream, passed
}

// However the network slices the stream, the session and amqp091 get the same: cut once at every byte, and into pieces of every small size.
func TestSplitAtEveryByte(t *testing.T) {
	stream, passed := recorded()
	for cut := range len(stream) {
		splitStream(t, [][]byte{stream[:cut], stream[cut:]}, passed)
	}
	for size := 1; size < 40; size++ {
		splitStream(t, slices.Collect(slices.Chunk(stream, size)), passed)
	}
}

// A broker that closes a channel may still send what was on its way there. It is nobody's: amqp091 would end the connection, and all sessions with it.
func TestStrayFrames(t *testing.T) {
	nc := &scripted{closed: make(chan struct{})}
	w := newWire(nc, nc, new(atomic.Bool))
	w.onHold, w.onLost = func(bool) {}, func(error) {}
	defer func() {
		w.fail(net.ErrClosed)
		<-w.done
	}()
	closed := appendMethod(nil, 7, channelClose, 1, 0x96, 0, 0, 60, 0, 80)
	stream := slices.Clone(closed)
	stream = appendDelivery(stream, 7, 1, false, []byte("on its way"), &broker.Properties{ContentEncoding: "utf-8"})
	for _, method := range []uint32{basicAck, basicNack, basicReturn, basicCancel} {
		stream = append(stream, appendMethod(nil, 7, method, 0, 0, 0, 0, 0, 0, 0, 1, 0)...)
	}
	w.received(stream)
	if err := w.dispatch(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.pass, closed) {
		t.Errorf("amqp091 gets %q, want %q", w.pass, closed)
	}
}

func splitStream(t *testing.T, pieces [][]byte, passed []byte) {
	t.Helper()
	var told []broker.Record
	nc := &scripted{closed: make(chan struct{})}
	w := newWire(nc, nc, new(atomic.Bool))
	w.onHold, w.onLost = func(bool) {}, func(error) {}
	defer func() {
		w.fail(net.ErrClosed)
		<-w.done
	}()
	attachConsumer(w, broker.ConsumerConfig{Queue: "q", Prefetch: 10, MaxBatch: 10, Properties: true}, func(e broker.Event) {
		for _, e := range e.(*broker.Pending).Take() {
			told = append(told, e.(*broker.Delivered).Records...)
		}
	})
	for _, piece := range pieces {
		w.received(piece)
		if err := w.dispatch(); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkRecorded(told, w.pass, passed); err != nil {
		t.Fatalf("%d pieces, the first of %d bytes: %v", len(pieces), len(pieces[0]), err)
	}
}

func checkRecorded(told []broker.Record, passed, want []byte) error {
	if !bytes.Equal(passed, want) {
		return fmt.Errorf("amqp091 got %x, want %x", passed, want)
	}
	if len(told) != 4 {
		return fmt.Errorf("%d records, want 4", len(told))
	}
	for i, body := range []string{"first", "", strings.Repeat("large ", 1000), "last"} {
		if string(told[i].Body) != body || told[i].Redelivered != (i == 1) {
			return fmt.Errorf("record %d is %.20q, redelivered %v", i, told[i].Body, told[i].Redelivered)
		}
	}
	if told[0].Properties.ContentEncoding != "utf-8" || told[2].Properties.MessageID != "3" {
		return errors.New("properties are wrong")
	}
	return nil
}

func TestVerdicts(t *testing.T) {
	returned := func(sequence string) []byte {
		return appendReturn(nil, 1, []byte("body"), &broker.Properties{AppID: "app", MessageID: sequence})
	}
	ack := func(tag uint64, multiple bool) []byte { return appendConfirm(nil, 1, basicAck, tag, multiple) }
	nack := func(tag uint64, multiple bool) []byte { return appendConfirm(nil, 1, basicNack, tag, multiple) }
	for name, test := range map[string]struct {
		app    string
		frames [][]byte
		want   string
	}{
		"confirms of one read are merged":     {"", [][]byte{ack(2, true), ack(3, false), ack(5, true)}, "confirmed 1-5"},
		"a nack, then multiple":               {"", [][]byte{nack(2, false), ack(3, true)}, "nacked 2-2, confirmed 1-1, confirmed 3-3"},
		"multiple nack":                       {"", [][]byte{ack(1, false), nack(4, true)}, "nacked 2-4, confirmed 1-1"},
		"a return before its confirm":         {"app", [][]byte{ack(1, false), returned("2"), ack(3, true)}, "returned 2-2, confirmed 1-1, confirmed 3-3"},
		"a return of an unknown record":       {"app", [][]byte{ack(1, false), returned("77"), ack(3, true)}, "confirmed 1-1, ended by return"},
		"a return that has lost its sequence": {"app", [][]byte{returned("id"), ack(3, true)}, "ended by return"},
		"a return without an AppID":           {"", [][]byte{ack(1, false), returned("2"), ack(3, true)}, "confirmed 1-1, ended by return"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink()
			w := scriptedWire(t, nil)
			p := attachPublisher(w, broker.PublisherConfig{RoutingKey: "q", Window: 10, AppID: test.app}, s.sink)
			p.ledger.publish(1, 5)
			w.received(bytes.Join(test.frames, nil))
			if err := w.dispatch(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range s.events {
				got = append(got, showEvent(e))
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
}

func showEvent(e broker.Event) string {
	switch e := e.(type) {
	case *broker.Confirmed:
		return fmt.Sprintf("confirmed %d-%d", e.First, e.Last)
	case *broker.Refused:
		if errors.Is(e.Err, broker.ErrReturned) {
			return fmt.Sprintf("returned %d-%d", e.First, e.Last)
		}
		return fmt.Sprintf("nacked %d-%d", e.First, e.Last)
	case *broker.Ended:
		if errors.Is(e.Err, broker.ErrReturned) {
			return "ended by return"
		}
	}
	return fmt.Sprintf("%T", e)
}

// Delivery tags have no gaps (rule 6): a stream of frames that has some is broken.
func TestTagsWithGap(t *testing.T) {
	s := newSink()
	w := scriptedWire(t, nil)
	attachConsumer(w, broker.ConsumerConfig{Queue: "q", Prefetch: 10, MaxBatch: 10}, s.sink)
	w.received(appendDelivery(nil, 1, 2, false, []byte("b"), &broker.Properties{}))
	if err := w.dispatch(); err != nil {
		t.Fatal(err)
	}
	s.endedBy(t, broker.ErrUnavailable)
}

// A broker that sends more than the prefetch, as RabbitMQ 3.10 does from streams, does not break rule 12.
func TestDeliveriesBeyondPrefetch(t *testing.T) {
	s := newSink()
	w := scriptedWire(t, nil)
	c := attachConsumer(w, broker.ConsumerConfig{Queue: "q", Prefetch: 3, MaxBatch: 2}, s.sink)
	var b []byte
	for tag := range uint64(7) {
		b = appendDelivery(b, 1, tag+1, false, []byte{byte(tag)}, &broker.Properties{})
	}
	w.received(b)
	if err := w.dispatch(); err != nil {
		t.Fatal(err)
	}
	for next, acked := uint64(1), uint64(0); next <= 7; {
		d := await[*broker.Delivered](t, s)
		if d.First != next || len(d.Records) > 2 || d.Last()-acked > 3 {
			t.Fatalf("tags %d to %d after %d, acknowledged %d", d.First, d.Last(), next-1, acked)
		}
		for i, r := range d.Records {
			if r.Body[0] != byte(d.First)+byte(i)-1 {
				t.Fatalf("tag %d has body %d", d.First+uint64(i), r.Body[0])
			}
		}
		next = d.Last() + 1
		acked = d.Last()
		c.Ack(acked, true)
	}
}

// A body that is kept does not change, and has no room for its neighbour.
func TestKeep(t *testing.T) {
	var r reading
	for _, size := range []int{0, 1, 100, ownBody - 1, ownBody, arenaSize, arenaSize + 1} {
		in := bytes.Repeat([]byte{1}, size)
		a, b := r.keep(in), r.keep(bytes.Repeat([]byte{2}, size))
		clear(in)
		_ = append(a, 3)
		if !bytes.Equal(a, bytes.Repeat([]byte{1}, size)) || !bytes.Equal(b, bytes.Repeat([]byte{2}, size)) {
			t.Errorf("%d bytes: the bodies are not their own", size)
		}
	}
}
