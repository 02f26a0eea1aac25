package rabbitstream

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func endOf(p *Port, stream string) (uint64, error) {
	f, err := p.look(context.Background(), question{stream: stream, from: &broker.StreamOffset{From: broker.FromNext}})
	return f.next, err
}

// A scout that is sent when a record is confirmed sees it, whatever else the broker does: that is what tells an empty stream from one whose chunk is on its way.
func TestEndIsFresh(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name, busy := declare(t, p), declare(t, newPort(t, node, nil))+".busy"
		do(t, p, broker.DeclareQueue{Name: busy, QueueOptions: broker.QueueOptions{Type: broker.Stream}})
		t.Cleanup(func() { do(t, p, broker.DeleteQueue{Name: busy}) })
		stop := make(chan struct{})
		var others sync.WaitGroup
		for range 2 {
			publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: busy})
			await[*broker.Opened](t, s)
			others.Go(func() { publishUntil(t, stop, publisher, s) })
		}
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, SubEntries: 3})
		await[*broker.Opened](t, s)
		for n := uint64(0); n < 900; {
			if end, err := endOf(p, name); err != nil || end != n {
				t.Errorf("the end is %d, %v after %d records", end, err, n)
				break
			}
			publisher.Publish(batch(n+1, []string{"a", "b", "c", "d"}[:1+n%4]...))
			n += 1 + n%4
			s.confirmed(t, n)
		}
		close(stop)
		others.Wait()
	})
}

func publishUntil(t *testing.T, stop <-chan struct{}, p broker.Publisher, s *sink) {
	records := benchmarkRecords(500, 100)
	for next := uint64(1); ; next += uint64(len(records)) {
		select {
		case <-stop:
			return
		default:
			p.Publish(broker.Batch{First: next, Records: records})
			s.confirmed(t, next+uint64(len(records))-1)
		}
	}
}

// fakeStream answers subscriptions. What chunks gives for a subscription comes before its answer, as from RabbitMQ, whose records are some bytes behind the head.
func fakeStream(chunks func(spec uint16) (first, n int)) func(uint16, *fields) []byte {
	return func(key uint16, f *fields) []byte {
		reply := newFrame(key | answer).u32(f.u32()).u16(codeOK).sealed()
		if key != subscribe {
			return reply
		}
		id := f.u8()
		f.text()
		first, n := chunks(f.u16())
		if n == 0 {
			return reply
		}
		head := newFrame(deliver).u8(id).u8(chunkMagic).u8(0).u16(uint16(n)).u32(uint32(n)).u64(0).u64(1).u64(uint64(first))
		return append(append(head, make([]byte, 2<<20)...).sealed(), reply...)
	}
}

// Where a last chunk is there that has no majority yet, the broker tells nothing of the last one: that does not make the stream empty.
func TestEndIsWaitedFor(t *testing.T) {
	var mu sync.Mutex
	var asked []uint16
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) {
		answerAs(nc, 0, nc.LocalAddr().String(), fakeStream(func(spec uint16) (first, n int) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, spec)
			chunk := [][2]int{{}, {0, 5}, {5, 7}}[len(asked)-1]
			return chunk[0], chunk[1]
		}))
	}))
	if end, err := endOf(p, "s"); err != nil || end != 12 {
		t.Errorf("the end is %d, %v after the subscriptions %d", end, err, asked)
	}
}

// Only the leader knows the end.
func TestEndIsTheLeaders(t *testing.T) {
	leader := startFake(t, func(_ int, nc net.Conn) {
		answerAs(nc, 0, nc.LocalAddr().String(), fakeStream(func(uint16) (first, n int) { return 10, 5 }))
	})
	here := startFake(t, func(_ int, nc net.Conn) { answerAs(nc, 0, leader, silent) })
	p := fakePort(t, here)
	if _, err := endOf(p, "s"); err == nil {
		t.Error("the leader was asked without Config.Advertised")
	}
	p.config.Advertised = true
	f, err := p.look(context.Background(), question{stream: "s", from: &broker.StreamOffset{From: broker.FromLast}})
	if err != nil || f.next != 10 || f.address != here {
		t.Errorf("begins at %d by %s, %v", f.next, f.address, err)
	}
}

// Of two nodes one is frozen: it takes connections and says nothing. Who has no time to ask both asks the other one the next time.
func TestSilentNodeIsNotAskedFirstAgain(t *testing.T) {
	p := fakePort(t, startFake(t, func(int, net.Conn) {}))
	p.config.Addresses = append(p.config.Addresses, startFake(t, func(_ int, nc net.Conn) { answerAs(nc, 0, nc.LocalAddr().String(), silent) }))
	p.config.DialTimeout = time.Minute
	hurry, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.look(hurry, question{}); err == nil {
		t.Fatal("nobody was asked, and it was answered")
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second) // sooner than the first one is given up
	defer cancel()
	f, err := p.look(soon, question{})
	if err != nil || f.address != p.config.Addresses[1] {
		t.Errorf("%s answered, %v", f.address, err)
	}
}

// Of a session that ignores what was stored, Close must not take that for its own.
func TestKeeps(t *testing.T) {
	before := uint64(8)
	for _, test := range []struct {
		before           *uint64
		promised, stored uint64
		want             bool
	}{
		{nil, 5, 4, false}, {nil, 5, 5, true}, {nil, 5, 6, true},
		{&before, 5, 8, false}, {&before, 5, 4, false}, {&before, 5, 5, true}, {&before, 5, 6, true}, {&before, 8, 8, true}, {&before, 9, 8, false},
	} {
		c := consumer{before: test.before, promised: test.promised}
		if c.keeps(test.stored) != test.want {
			t.Errorf("%+v", test)
		}
	}
}
