package rabbitmq

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// writes are what a wire has written, and when.
type writes struct {
	mu   sync.Mutex
	acks []int // of each
	at   []time.Duration
}

func (w *writes) count(began time.Time) func([]byte) {
	return func(b []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		acks := 0
		for len(b) > 0 {
			f, size, err := nextFrame(b)
			if err != nil || size == 0 {
				break
			}
			if f.method() == basicAck {
				acks++
			}
			b = b[size:]
		}
		w.acks, w.at = append(w.acks, acks), append(w.at, time.Since(began))
	}
}

// Acknowledgements that can wait go out together, whosesoever they are: of queues after 5 ms, of streams after a second.
func TestAcknowledgementsWaitForOthers(t *testing.T) {
	for _, test := range []struct {
		stream *broker.StreamOffset
		delay  time.Duration
	}{{nil, ackDelay}, {&broker.StreamOffset{}, streamAckDelay}} {
		synctest.Test(t, func(t *testing.T) {
			const n = 50
			var out writes
			w := scriptedWire(t, out.count(time.Now()))
			all := make([]*consumer, n)
			for i := range all {
				c := newConsumer(broker.ConsumerConfig{Queue: "q", Prefetch: 100, MaxBatch: 100, Stream: test.stream}, "test")
				attachOpen(w, c, func(broker.Event) {}, 100)
				w.detach(c)
				c.channel = uint16(i + 1)
				w.attach(c)
				c.account.hand(20)
				all[i] = c
			}
			for round := range 2 {
				for _, c := range all {
					c.Ack(uint64(round+1), true)
				}
				time.Sleep(10 * test.delay)
				synctest.Wait()
				if len(out.acks) != round+1 || out.acks[round] != n || out.at[round] != time.Duration(10*round+1)*test.delay {
					t.Fatalf("%d writes of %d acknowledgements at %s", len(out.acks), out.acks, out.at)
				}
			}
			all[0].Ack(12, true) // ten do not wait
			synctest.Wait()
			if len(out.acks) != 3 || out.acks[2] != 1 || out.at[2] != 20*test.delay {
				t.Errorf("ten that waited: %d at %s", out.acks, out.at)
			}
			all[1].Ack(3, true)
			all[2].Ack(3, true)
			all[1].leave() // whoever is over has nothing to say
			time.Sleep(10 * test.delay)
			synctest.Wait()
			if len(out.acks) != 4 || out.acks[3] != 1 {
				t.Errorf("one of two had left: %d", out.acks)
			}
		})
	}
}
