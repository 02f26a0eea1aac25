package rabbitstream

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// fakeBroker answers scouts, and what comes on links by what commands say: nil for no answer.
func fakeBroker(t *testing.T, commands func(nc net.Conn, key uint16, f *fields) []byte) *Port {
	t.Helper()
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) {
		answerAs(nc, 0, nc.LocalAddr().String(), func(key uint16, f *fields) []byte { return commands(nc, key, f) })
	}))
	p.config.DialTimeout = 5 * time.Second
	return p
}

// yes is the answer that needs no more.
func yes(key uint16, f *fields) []byte {
	return newFrame(key | answer).u32(f.u32()).u16(codeOK).sealed()
}

// An opening that is not answered ends in time, and its connection, which others keep open, takes no more sessions: what they are told there may be meant for it.
func TestOpeningThatIsNotAnswered(t *testing.T) {
	declared := make(chan net.Conn, 3)
	p := fakeBroker(t, func(nc net.Conn, key uint16, f *fields) []byte {
		if key != declarePublisher {
			return nil
		}
		declared <- nc
		if len(declared) == 2 {
			return nil
		}
		return yes(key, f)
	})
	p.answer = 50 * time.Millisecond
	_, stays := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, stays)
	begin := time.Now()
	_, ends := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	ends.endedBy(t, broker.ErrUnavailable)
	if after := time.Since(begin); after > 5*time.Second {
		t.Errorf("told after %v", after)
	}
	_, next := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, next)
	if one, two, three := <-declared, <-declared, <-declared; one != two || two == three {
		t.Error("the third was opened on the connection of the first two, or those had two")
	}
}

// Under an alarm of the disk RabbitMQ reads no publishers' connections: their openings are not answered. Others, of consumers, do not wait for them.
func TestOpeningsThatAreNotAnsweredHoldUpNoOthers(t *testing.T) {
	asked := make(chan struct{}, 2*maxOpenings)
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		switch key {
		case declarePublisher:
			asked <- struct{}{}
			return nil
		}
		return yes(key, f)
	})
	p.answer = 10 * time.Second
	var waiting []*sink
	for range 2 * maxOpenings {
		_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
		waiting = append(waiting, s)
	}
	_, s := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: &broker.StreamOffset{From: broker.FromOffset}})
	await[*broker.Opened](t, s)
	for range waiting {
		<-asked
	}
	for _, s := range waiting {
		s.mu.Lock()
		if len(s.events) > 0 {
			t.Errorf("a publisher was told %T before", s.events[0])
		}
		s.mu.Unlock()
	}
}

// A node that takes connections and says nothing holds up only those who want to go there, and those no longer than one connection takes.
func TestNodeThatDoesNotAnswerHoldsUpNoOthers(t *testing.T) {
	dialled := make(chan struct{}, 100)
	frozen := startFake(t, func(int, net.Conn) { dialled <- struct{}{} })
	leads := func(key uint16, f *fields, here string) []byte {
		id := f.u32()
		if key != metadata {
			return newFrame(key | answer).u32(id).u16(codeOK).sealed()
		}
		f.u32()
		leader := here
		if f.text() == "frozen" {
			leader = frozen
		}
		host, port, _ := net.SplitHostPort(leader)
		n, _ := net.LookupPort("tcp", port)
		return newFrame(key | answer).u32(id).u32(1).u16(0).text(host).u32(uint32(n)).u32(1).text("s").u16(codeOK).u16(0).u32(0).sealed()
	}
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) {
		here := nc.LocalAddr().String()
		answerAs(nc, 0, "", func(key uint16, f *fields) []byte { return leads(key, f, here) })
	}))
	p.config.Advertised, p.config.DialTimeout = true, 5*time.Second
	var waiting []*sink
	for range maxOpenings + 2 {
		_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "frozen"})
		waiting = append(waiting, s)
	}
	<-dialled
	begin := time.Now()
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "good"})
	await[*broker.Opened](t, s)
	for _, s := range waiting {
		s.mu.Lock()
		if len(s.events) > 0 {
			t.Errorf("a publisher that waits was told %T before", s.events[0])
		}
		s.mu.Unlock()
	}
	for _, s := range waiting {
		s.endedBy(t, broker.ErrUnavailable)
	}
	if took := time.Since(begin); took > 2*p.config.DialTimeout {
		t.Errorf("those who waited were told after %v", took)
	}
}

// Who is aborted waits for no answer any more: its connection goes with it.
func TestAbortWaitsForNoAnswer(t *testing.T) {
	for what, last := range map[string]uint16{"the opening": declarePublisher, "the last sign of life": querySequence} {
		t.Run(what, func(t *testing.T) {
			asked, gone := make(chan net.Conn, 10), make(chan net.Conn, 10)
			p := fakeBroker(t, func(nc net.Conn, key uint16, f *fields) []byte {
				switch key {
				case last:
					asked <- nc
					return nil
				case closeConnection:
					gone <- nc
					return nil
				}
				return yes(key, f)
			})
			p.answer = time.Hour
			publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
			if last != declarePublisher {
				await[*broker.Opened](t, s)
				publisher.Close()
			}
			own := <-asked
			publisher.Abort()
			late := time.After(patience)
			for closed := net.Conn(nil); closed != own; { // the scout's goes, too
				select {
				case closed = <-gone:
				case <-late:
					t.Fatal("the connection is still there")
				}
			}
		})
	}
}

// Why the broker closes a connection is told, and it is told that this was heard.
func TestBrokerCloses(t *testing.T) {
	heard := make(chan struct{})
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		switch key {
		case declarePublisher:
			return append(yes(key, f), newFrame(closeConnection).u32(7).u16(5).text("by the test").sealed()...)
		case closeConnection | answer:
			if f.u32() == 7 && f.u16() == codeOK {
				close(heard)
			}
		}
		return nil
	})
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "by the test") {
		t.Errorf("ended: %v", err)
	}
	select {
	case <-heard:
	case <-time.After(patience):
		t.Error("nothing was answered to the closing")
	}
}

// A record that the broker refuses ends its session, whose owner cannot know which of those behind it arrive.
func TestRecordThatIsRefused(t *testing.T) {
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		if key == publish {
			return newFrame(publishError).u8(f.u8()).u32(1).u64(2).u16(codeAccess).sealed()
		}
		return yes(key, f)
	})
	publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, s)
	publisher.Publish(batch(1, "one", "two"))
	s.endedBy(t, broker.ErrPermission)
}

// A chunk that is spoiled ends its session, and no other of the link.
func TestSpoiledChunk(t *testing.T) {
	b, bodies := entries(0, 0)
	good := delivered(0, len(bodies), b)
	spoiled := slices.Clone(good)
	spoiled[len(spoiled)-1] ^= 1
	opened := 0
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		reply := newFrame(key | answer).u32(f.u32()).u16(codeOK).sealed()
		if key != subscribe {
			return reply
		}
		number := f.u8()
		f.text()
		if scouts := len(f.b) <= 2+8+2; scouts { // theirs has no name
			return append(append(newFrame(deliver).u8(number), good...).sealed(), reply...)
		}
		if opened++; opened == 1 {
			return reply
		}
		first := append(newFrame(deliver).u8(number), spoiled...).sealed()
		return slices.Concat(reply, first, append(newFrame(deliver).u8(0), good...).sealed())
	})
	at := &broker.StreamOffset{From: broker.FromOffset}
	_, stays := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: at})
	await[*broker.Opened](t, stays)
	_, ends := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: at})
	if err := ends.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "checksum") {
		t.Errorf("ended: %v", err)
	}
	if n := len(await[*broker.Delivered](t, stays).Records); n != len(bodies) {
		t.Errorf("the other session has %d records", n)
	}
}

// Entries have as many records as they may have, and no sequence is skipped within one.
func TestEntriesOfSeveral(t *testing.T) {
	frames := make(chan *fields, 10)
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		if key == publish {
			frames <- f
			return nil
		}
		return yes(key, f)
	})
	publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s", SubEntries: 10})
	await[*broker.Opened](t, s)
	publisher.Publish(broker.Batch{First: 1, Records: benchmarkRecords(25, 100)})
	publisher.Publish(broker.Batch{First: 31, Records: benchmarkRecords(12, 100)})
	var got []string
	for records := 0; records < 25+12; {
		f := <-frames
		f.u8()
		f.each(func() {
			first, kind, n := f.u64(), f.u8(), f.u16()
			if size := f.u32(); kind != severalRecords || f.u32() != size {
				t.Errorf("an entry of kind %#x and %d bytes", kind, size)
			}
			for range n {
				f.take(int(f.u32()))
			}
			records += int(n)
			got = append(got, fmt.Sprint(first, "+", n))
		})
		if f.short || len(f.b) > 0 {
			t.Fatalf("%v, and then %d bytes", got, len(f.b))
		}
	}
	if want := "[1+10 11+10 21+5 31+10 41+2]"; fmt.Sprint(got) != want {
		t.Errorf("entries %v, want %s", got, want)
	}
}

// Whatever the order in which the broker names what it has, records become ranges; an entry of several stands for all of its own. What was not published, or is confirmed already, does not count.
func TestConfirmsBecomeRanges(t *testing.T) {
	ids := func(all ...uint64) *fields {
		f := frame(nil).u32(uint32(len(all)))
		for _, id := range all {
			f = f.u64(id)
		}
		return &fields{b: f}
	}
	alone := newPublisher(broker.PublisherConfig{RoutingKey: "s"})
	alone.unconfirmed = alone.outstanding.add(11, 20) + alone.outstanding.add(31, 40)
	several := newPublisher(broker.PublisherConfig{RoutingKey: "s", SubEntries: 10})
	several.entries = map[uint64]uint64{1: 10, 11: 20, 21: 25}
	several.unconfirmed = several.outstanding.add(1, 25)
	fresh := newPublisher(broker.PublisherConfig{RoutingKey: "s"})
	for _, test := range []struct {
		p    *publisher
		f    *fields
		left int
		want string
	}{
		{fresh, ids(0, 1, 2), 0, "[]"},
		{alone, ids(11, 12, 13), 17, "[11-13]"},
		{alone, ids(12, 13, 14), 16, "[14-14]"},
		{alone, ids(18, 17, 16, 15), 12, "[15-18]"},
		{alone, ids(0, 1, 10, 21, 30, 41, 1<<63, 1<<64-1), 12, "[]"},
		{alone, ids(31, 32, 36, 37, 40), 7, "[31-32 36-37 40-40]"},
		{alone, ids(19, 20, 21), 5, "[19-20]"},
		{alone, ids(), 5, "[]"},
		{alone, ids(33, 34, 35, 36, 37, 38, 39), 0, "[33-35 38-39]"},
		{several, ids(11, 1, 2, 12), 5, "[1-20]"},
		{several, ids(21, 1), 0, "[21-25]"},
	} {
		got := []string{}
		for _, e := range test.p.confirmed(test.f) {
			c := e.(*broker.Confirmed)
			got = append(got, fmt.Sprint(c.First, "-", c.Last))
		}
		if left := test.p.unconfirmed; left != test.left || fmt.Sprint(got) != test.want {
			t.Errorf("%v, and %d records are left, want %s and %d", got, left, test.want, test.left)
		}
	}
	if len(several.entries) > 0 {
		t.Errorf("entries that are confirmed are kept: %v", several.entries)
	}
	alone.take(publishConfirm, &fields{b: frame(nil).u32(3).u64(1)})
	if alone.trouble == nil {
		t.Error("a frame that is too short is no trouble")
	}
}

// On a slow network an answer waits behind chunks, of others too: while some of them comes, the broker is not silent.
func TestAnswerBehindASlowChunk(t *testing.T) {
	const pieces, pause = 60, 50 * time.Millisecond
	b, bodies := entries(0)
	var once sync.Once
	p := fakeBroker(t, func(nc net.Conn, key uint16, f *fields) []byte {
		if key == queryOffset {
			once.Do(func() {
				chunk := append(newFrame(deliver).u8(0), delivered(0, len(bodies), b)...).sealed()
				for i := range pieces {
					_, _ = nc.Write(chunk[len(chunk)*i/pieces : len(chunk)*(i+1)/pieces])
					time.Sleep(pause)
				}
			})
		}
		return yes(key, f)
	})
	p.config.Heartbeat = 2 * time.Second
	at := &broker.StreamOffset{From: broker.FromOffset}
	_, first := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: at})
	await[*broker.Opened](t, first)
	_, second := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: at})
	await[*broker.Opened](t, second)
	await[*broker.Delivered](t, first)
	second.mu.Lock()
	defer second.mu.Unlock()
	if len(second.events) > 0 {
		t.Errorf("the other session was told %T", second.events[0])
	}
}

// A broker that answers nobody is noticed one and a half heartbeats and a second after its last word, whenever that was, by publishers too.
func TestBrokerThatAnswersNobody(t *testing.T) {
	var silent atomic.Bool
	b, bodies := entries(0)
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) {
		if silent.Load() {
			return
		}
		answerAs(nc, 0, nc.LocalAddr().String(), func(key uint16, f *fields) []byte {
			switch {
			case silent.Load():
				return nil
			case key == publish: // of the publisher, which is the last one to open
				silent.Store(true)
				_, _ = nc.Write(newFrame(publishConfirm).u8(f.u8()).u32(1).u64(1).sealed())
				return nil
			case key == subscribe:
				return append(yes(key, f), append(newFrame(deliver).u8(0), delivered(0, len(bodies), b)...).sealed()...)
			}
			return yes(key, f)
		})
	}))
	p.config.DialTimeout, p.config.Heartbeat = 10*time.Second, 2*time.Second
	const most = 3*time.Second + time.Second
	_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: "s", Stream: &broker.StreamOffset{From: broker.FromOffset}})
	await[*broker.Opened](t, reads)
	await[*broker.Delivered](t, reads)
	publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, writes)
	publisher.Publish(batch(1, "last"))
	writes.confirmed(t, 1)
	begin := time.Now()
	for what, s := range map[string]*sink{"the publisher": writes, "the consumer": reads} {
		if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), errSilent.Error()) {
			t.Errorf("%s ended: %v", what, err)
		}
		if after := time.Since(begin); after > most+time.Second { // the machine's
			t.Errorf("%s ended after %v", what, after)
		}
	}
}

// A connection on which nothing is said is kept by heartbeats; one on which nothing is heard for two of the broker's is lost, also where the broker answers on others, as under an alarm.
func TestHeartbeats(t *testing.T) {
	beats := make(chan struct{}, 100)
	p := fakeBroker(t, func(_ net.Conn, key uint16, f *fields) []byte {
		switch key {
		case declarePublisher:
			return yes(key, f)
		case heartbeat:
			beats <- struct{}{}
		}
		return nil
	})
	p.config.Heartbeat = time.Second
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, s)
	begin := time.Now()
	if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "nothing has come for 6s") {
		t.Errorf("ended: %v", err)
	}
	if after := time.Since(begin); after < 5*time.Second {
		t.Errorf("it was given up after %v", after)
	}
	if n := len(beats); n < 2 {
		t.Errorf("%d heartbeats were sent", n)
	}
}

// Frames are written from buffers that are used again: each record arrives as it was published, whatever its piece.
func TestPieces(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		for _, several := range []int{0, 7} {
			p := newPort(t, node, nil)
			name := declare(t, p)
			const n, per = 20_000, 500
			publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, Window: n, SubEntries: several, AppID: "pieces"})
			await[*broker.Opened](t, s)
			body := func(i uint64) string { return fmt.Sprint(i, strings.Repeat("x", int(i%300))) }
			for first := uint64(1); first <= n; first += per {
				b := broker.Batch{First: first}
				for i := range uint64(per) {
					b.Records = append(b.Records, broker.Record{Body: []byte(body(first + i))})
				}
				publisher.Publish(b)
			}
			_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}, Prefetch: n, MaxBatch: n})
			await[*broker.Opened](t, reads)
			for i := uint64(1); i <= n; {
				for _, r := range await[*broker.Delivered](t, reads).Records {
					if string(r.Body) != body(i) {
						t.Fatalf("record %d, in entries of %d, is %.20q", i, several, r.Body)
					}
					i++
				}
			}
			do(t, p, broker.DeleteQueue{Name: name})
		}
	})
}
