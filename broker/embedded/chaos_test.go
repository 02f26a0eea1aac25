package embedded

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// The same seed gives the same events at the same times, and another seed others.
func TestDeterminism(t *testing.T) {
	other := chaos(t, 0).trace
	for seed := range uint64(50) {
		first, second := chaos(t, seed).trace, chaos(t, seed).trace
		if !slices.Equal(first, second) {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		if seed > 0 && slices.Equal(first, other) {
			t.Fatalf("seeds %d and %d give the same %d events", seed-1, seed, len(first))
		}
		other = first
	}
}

// Whatever faults come: what was confirmed is delivered in the end, nothing else is, and nothing stays open.
func TestChaosLosesNothing(t *testing.T) {
	for seed := range uint64(300) {
		w := chaos(t, seed)
		for body := range w.confirmed {
			if !w.delivered[body] {
				t.Errorf("seed %d: %s was confirmed and never delivered", seed, body)
			}
		}
		for body := range w.delivered {
			if !w.attempted[body] {
				t.Errorf("seed %d: %s was delivered and never published", seed, body)
			}
		}
		if n := w.Counts(); n.Publishers+n.Consumers+n.Leases != 0 || w.links.len() != 0 || n.Dropped > 0 {
			t.Errorf("seed %d: in the end there are %+v, %d links", seed, n, w.links.len())
		}
	}
}

// chaosWorld is a world with clients that do anything, and what came of their records, by body.
type chaosWorld struct {
	*world
	attempted, confirmed, delivered map[string]bool
	leases                          []broker.Lease
	publishers                      []broker.Publisher
	consumers                       []broker.Consumer
	sessions                        int
}

var chaosQueues = []string{"classic", "quorum", "stream"}

// chaos lets clients and faults loose for a while, mends everything, and reads what is left.
func chaos(t *testing.T, seed uint64) *chaosWorld {
	w := &chaosWorld{world: newWorld(t, seed), attempted: map[string]bool{}, confirmed: map[string]bool{}, delivered: map[string]bool{}}
	w.spread = 20 * time.Millisecond
	for _, name := range chaosQueues {
		w.queue(name, broker.QueueOptions{Type: broker.QueueType(name)})
	}
	for range 150 {
		w.run(time.Duration(w.rng.IntN(20)) * time.Millisecond)
		w.anything()
	}
	w.mend()
	for _, name := range chaosQueues {
		w.read(name, &broker.StreamOffset{}, 1000)
	}
	w.run(time.Minute)
	w.KillOwner("")
	w.run(time.Minute)
	return w
}

func (w *chaosWorld) mend() {
	w.Mend()
	w.run(time.Minute)
	for _, l := range w.leases {
		l.Abort()
	}
	w.run(time.Minute)
}

// anything does one thing, mostly what clients do.
func (w *chaosWorld) anything() {
	n := 1 + w.rng.IntN(3)
	switch w.rng.IntN(30) {
	case 0, 1, 2, 3:
		w.write(chaosQueues[w.rng.IntN(3)])
	case 4, 5, 6, 7:
		name := chaosQueues[w.rng.IntN(3)]
		w.read(name, nil, 1+w.rng.IntN(9))
	case 8:
		if len(w.publishers) > 0 {
			w.publishers[w.rng.IntN(len(w.publishers))].Close()
		}
	case 9:
		if len(w.consumers) > 0 {
			w.consumers[w.rng.IntN(len(w.consumers))].Abort()
		}
	case 10:
		if len(w.leases) > 0 {
			w.leases[w.rng.IntN(len(w.leases))].Abort()
		}
	case 11:
		w.Cut()
	case 12:
		w.CutPublisher(w.rng.IntN(9))
	case 13:
		w.CutConsumer(w.rng.IntN(9))
	case 14:
		w.FreezeConsumer(w.rng.IntN(9))
	case 15:
		w.FreezePublisher(w.rng.IntN(9))
	case 16:
		w.Freeze()
	case 17, 18:
		w.Thaw()
	case 19:
		w.Block(n > 1)
	case 20:
		w.HangOpens(n)
	case 21:
		w.LoseConfirms(n)
	case 22:
		w.ReorderConfirms(n)
	case 23:
		w.DuplicateConfirms(n)
	case 24:
		w.DuplicateDeliveries(n)
	case 25:
		w.RefuseFor(time.Duration(n) * 10 * time.Millisecond)
	case 26:
		w.KillOwner(fmt.Sprint(w.rng.IntN(9)))
	}
}

func (w *chaosWorld) name() string {
	w.sessions++
	return fmt.Sprint(w.sessions)
}

// write opens a publisher that publishes two batches whenever something of it was confirmed.
func (w *chaosWorld) write(queue string) {
	name := w.name()
	l := w.Lease(name)
	w.leases = append(w.leases, l)
	c := &client{w: w.world, name: name, next: 1}
	batch := func() {
		bodies := []string{}
		for i := range uint64(1 + w.rng.IntN(4)) {
			body := fmt.Sprintf("%s/%s/%d", queue, name, c.next+i)
			bodies = append(bodies, body)
			w.attempted[body] = true
		}
		c.send(bodies...)
	}
	c.p = l.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: 40}, func(e broker.Event) {
		c.sink(e)
		switch e := e.(type) {
		case *broker.Opened:
			batch()
		case *broker.Confirmed:
			for s := e.First; s <= e.Last; s++ {
				w.confirmed[fmt.Sprintf("%s/%s/%d", queue, name, s)] = true
			}
			if c.next < 20 {
				batch()
				batch()
			}
		}
	})
	w.publishers = append(w.publishers, c.p)
}

// read opens a consumer that acknowledges most of what it gets, in any order.
func (w *chaosWorld) read(queue string, from *broker.StreamOffset, prefetch int) {
	name := w.name()
	l := w.Lease(name)
	w.leases = append(w.leases, l)
	if queue != "stream" {
		from = nil
	}
	c := &client{w: w.world, name: name}
	c.c = l.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: prefetch, MaxBatch: 5, Stream: from}, func(e broker.Event) {
		c.sink(e)
		d, ok := e.(*broker.Delivered)
		if !ok {
			return
		}
		for _, r := range d.Records {
			w.delivered[string(r.Body)] = true
		}
		switch tag := d.First + uint64(w.rng.IntN(len(d.Records))); w.rng.IntN(6) {
		case 0:
			c.c.Ack(tag, false)
		case 1:
			if prefetch < 1000 {
				c.c.Reject(tag, true)
			}
		default:
			c.c.Ack(d.Last(), true)
		}
	})
	w.consumers = append(w.consumers, c.c)
}
