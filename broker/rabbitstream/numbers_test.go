package rabbitstream

import (
	"math/rand/v2"
	"net"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// declared is an opening that the broker was asked for.
type declared struct {
	nc     net.Conn
	number uint8
}

// declarations answers everything, and gives the publishers that were opened.
func declarations(t *testing.T, other func(nc net.Conn, key uint16, f *fields) []byte) (*Port, <-chan declared) {
	all := make(chan declared, 1000)
	return fakeBroker(t, func(nc net.Conn, key uint16, f *fields) []byte {
		if key == declarePublisher {
			id := f.u32()
			all <- declared{nc, f.u8()}
			return newFrame(key | answer).u32(id).u16(codeOK).sealed()
		}
		return other(nc, key, f)
	}), all
}

func yesToAll(_ net.Conn, key uint16, f *fields) []byte {
	if key == publish {
		return nil
	}
	return yes(key, f)
}

func openAndClose(t *testing.T, p *Port, config broker.PublisherConfig) {
	t.Helper()
	publisher, s := openPublisher(t, p, config)
	await[*broker.Opened](t, s)
	publisher.Close()
	s.endedBy(t, nil)
}

// RabbitMQ 3.10 confirms to a number, whoever has it now. What it says to one that has left is not told to those behind it, which would take their own records for stored; nor is
// what it says to it when its stream was let go of: that it is unknown.
func TestLateWordsToANumber(t *testing.T) {
	const late = 5
	p, all := declarations(t, yesToAll)
	_, stays := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, stays)
	first := <-all
	openAndClose(t, p, broker.PublisherConfig{RoutingKey: "s"})
	gone := <-all
	publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s", Window: 1000})
	await[*broker.Opened](t, s)
	next := <-all
	if first.nc != gone.nc || gone.nc != next.nc || gone.number == next.number {
		t.Fatalf("the numbers are %d and %d, on connections %v, %v and %v", gone.number, next.number, first.nc, gone.nc, next.nc)
	}
	publisher.Publish(batch(1, "a", "b", "c", "d", "e"))
	confirm := func(number uint8, id uint64) []byte {
		return newFrame(publishConfirm).u8(number).u32(1).u64(id).sealed()
	}
	frames := newFrame(publishError).u8(gone.number).u32(1).u64(1).u16(codeNoPublisher).sealed()
	for id := uint64(1); id <= late; id++ {
		frames = append(frames, confirm(gone.number, id)...)
	}
	frames = append(frames, confirm(next.number, late)...)
	if _, err := gone.nc.Write(frames); err != nil {
		t.Fatal(err)
	}
	if c := await[*broker.Confirmed](t, s); c.First != late || c.Last != late {
		t.Errorf("%d to %d are confirmed, want %d alone", c.First, c.Last, late)
	}
}

// No number is given twice on a connection, which takes no more when all are given; nor does a name come back to one, by which the broker finds the number.
func TestNumbersAndNamesAreUsedOnce(t *testing.T) {
	p, all := declarations(t, yesToAll)
	_, stays := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, stays)
	seen := map[declared]bool{<-all: true}
	connections := map[net.Conn]bool{}
	for range maxSessions + 10 {
		openAndClose(t, p, broker.PublisherConfig{RoutingKey: "s"})
		d := <-all
		if seen[d] {
			t.Fatalf("number %d is given again", d.number)
		}
		seen[d], connections[d.nc] = true, true
	}
	if len(connections) < 2 || len(seen) <= maxSessions {
		t.Errorf("%d sessions on %d connections", len(seen), len(connections))
	}

	_, stays = openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	await[*broker.Opened](t, stays)
	other := <-all
	openAndClose(t, p, broker.PublisherConfig{RoutingKey: "s", Name: "name"})
	named := <-all
	openAndClose(t, p, broker.PublisherConfig{RoutingKey: "s", Name: "name"})
	again := <-all
	if named.nc != other.nc || again.nc == named.nc {
		t.Error("a name has come back to its connection, or has not been there")
	}
}

// Against a set that has an element for each.
func TestOutstanding(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var o outstanding
	want := map[uint64]bool{}
	for step := range 20_000 {
		first := 1 + r.Uint64N(50)
		last := first + r.Uint64N(12)
		n := 0
		if r.IntN(2) == 0 {
			n = o.add(first, last)
			for i := first; i <= last; i++ {
				if !want[i] {
					n--
				}
				want[i] = true
			}
		} else {
			o.take(first, last, func(first, last uint64) {
				for i := first; i <= last; i++ {
					if !want[i] {
						t.Fatalf("step %d: %d was not in", step, i)
					}
					delete(want, i)
				}
			})
			for i := first; i <= last; i++ {
				if want[i] {
					n++
				}
			}
		}
		if n != 0 {
			t.Fatalf("step %d: %d too many or too few", step, n)
		}
		before := uint64(0)
		for _, r := range o {
			if r.First <= before+1 && before > 0 || r.Last < r.First {
				t.Fatalf("step %d: %v", step, o)
			}
			n += int(r.Last - r.First + 1)
			before = r.Last
		}
		if n != len(want) {
			t.Fatalf("step %d: %v has %d, want %d", step, o, n, len(want))
		}
	}
}
