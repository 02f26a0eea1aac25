package rabbitmq

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// cutAll ends every connection of the port below AMQP, as a network does.
func (p *Port) cutAll() {
	for _, k := range []*keeper{p.publishing, p.consuming} {
		k.mu.Lock()
		links := append([]*link(nil), k.links...)
		k.mu.Unlock()
		for _, l := range links {
			l.wire.raw.Close()
		}
	}
}

// publishThrough publishes n records by sessions that are cut, closed and aborted, each time again from the first that is not confirmed, as a
// producer does.
func publishThrough(t testing.TB, p *Port, queue string, n uint64) {
	confirmed := broker.NewMarks(1)
	for confirmed.Low() <= n {
		s := newSink()
		lease := p.Lease("publisher")
		publisher := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: 200, AppID: "load"}, s.sink)
		if _, ok := s.next(t).(*broker.Opened); !ok {
			continue
		}
		first := confirmed.Low()
		next, patience := first, rand.Uint64N(n/4)+50
		for confirmed.Low() <= n {
			for next <= n && next-confirmed.Low()+20 <= 200 {
				batch := broker.Batch{First: next}
				for range 20 {
					batch.Records = append(batch.Records, broker.Record{Body: binary.BigEndian.AppendUint64(nil, next)})
					next++
				}
				publisher.Publish(batch)
			}
			e, ok := s.next(t).(*broker.Confirmed)
			if !ok {
				break
			}
			if e.First < first || e.Last >= next {
				t.Errorf("%d to %d are confirmed, %d to %d were published", e.First, e.Last, first, next-1)
			}
			confirmed.Add(e.First, e.Last)
			if confirmed.Low() > first+patience {
				break
			}
		}
		lease.Abort()
	}
}

// Nothing that was confirmed is lost when connections are cut and sessions aborted all the time; nothing is left afterwards.
func TestCutsUnderLoad(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		const n = 10_000
		before := descriptors(t)
		p := newPort(t, node, nil)
		queue := t.Name()
		do(t, p, broker.DeclareQueue{Name: queue, QueueOptions: broker.QueueOptions{Type: broker.Quorum}})
		var tasks sync.WaitGroup
		done := make(chan struct{})
		tasks.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-pace.C:
					p.cutAll()
				case <-done:
					return
				}
			}
		})
		tasks.Go(func() { publishThrough(t, p, queue, n) })
		consumeThrough(t, p, queue, n)
		close(done)
		tasks.Wait()
		do(t, p, broker.DeleteQueue{Name: queue})
		p.Close()
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
}

// consumeThrough consumes until every record from 1 to n has come.
func consumeThrough(t testing.TB, p *Port, queue string, n uint64) {
	seen := broker.NewMarks(1)
	for seen.Low() <= n {
		s := newSink()
		lease := p.Lease("consumer")
		consumer := lease.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: 100, MaxBatch: 50}, s.sink)
		for seen.Low() <= n {
			switch e := s.next(t).(type) {
			case *broker.Delivered:
				for _, r := range e.Records {
					sequence := binary.BigEndian.Uint64(r.Body)
					seen.Add(sequence, sequence)
				}
				consumer.Ack(e.Last(), true)
				continue
			case *broker.Ended:
				if !errors.Is(e.Err, broker.ErrUnavailable) {
					t.Errorf("ended: %v", e.Err)
				}
			default:
				continue
			}
			break
		}
		lease.Abort()
	}
}

// Sessions that are aborted by the hundred do not harm the others of their connection.
func TestAbortOfManyIsHarmless(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		queue := queueOn(t, p, broker.Classic)
		publisher, events := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
		await[*broker.Opened](t, events)
		lease := p.Lease("many")
		var sinks []*sink
		for range 500 {
			s := newSink()
			lease.OpenPublisher(broker.PublisherConfig{Window: 1}, s.sink)
			sinks = append(sinks, s)
		}
		for _, s := range sinks {
			await[*broker.Opened](t, s)
		}
		lease.Abort()
		publisher.Publish(one(1, "body"))
		await[*broker.Confirmed](t, events)
	})
}
