package rabbitmq

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// asker inspects from inside its sink: at once when it is opened, and behind each acknowledgement. It ends with the last record.
type asker struct {
	t    *testing.T
	n    int
	done chan struct{}

	mu              sync.Mutex
	c               broker.Consumer
	delivered, lost int
}

func (a *asker) sink(e broker.Event) {
	a.mu.Lock() // an event may come before there is a consumer
	defer a.mu.Unlock()
	for _, e := range e.(*broker.Pending).Take() {
		switch e := e.(type) {
		case *broker.Opened:
			a.c.Inspect()
		case *broker.Delivered:
			a.delivered += len(e.Records)
			a.c.Ack(e.Last(), true)
			a.c.Inspect()
		case *broker.Inspected:
			if a.delivered+e.Ready < a.n {
				a.lost++
			}
			if e.Ready == 0 && a.delivered == a.n {
				a.c.Close()
			}
		case *broker.Ended:
			if e.Err != nil {
				a.t.Errorf("ended: %v", e.Err)
			}
			close(a.done)
		}
	}
}

// Each record of those that were there was delivered before Inspected, or counted by it: all at once where the prefetch has room, and while acknowledgements make
// room for others. A figure that another connection brings does not keep this, nor does one that is told without the fence.
func TestInspectMissesNothing(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
			for name, sizes := range map[string]struct{ rounds, n, prefetch int }{"room for all": {100, 5, 5}, "room by acks": {5, 200, 5}} {
				t.Run(strings.ReplaceAll(string(kind)+" "+name, " ", "-"), func(t *testing.T) { missesNothing(t, node, kind, sizes.rounds, sizes.n, sizes.prefetch) })
			}
		}
	})
}

func missesNothing(t *testing.T, node *rabbit.Node, kind broker.QueueType, rounds, n, prefetch int) {
	p := newPort(t, node, nil)
	queue := queueOn(t, p, kind)
	publisher, events := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
	await[*broker.Opened](t, events)
	lease := p.Lease(t.Name())
	defer lease.Abort()
	for round := range rounds {
		first := uint64(1 + round*n)
		publisher.Publish(broker.Batch{First: first, Records: benchmarkRecords(n, 100)})
		for confirmed := 0; confirmed < n; {
			c := await[*broker.Confirmed](t, events)
			confirmed += int(c.Last - c.First + 1)
		}
		a := &asker{t: t, n: n, done: make(chan struct{})}
		a.mu.Lock()
		a.c = lease.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: prefetch, MaxBatch: prefetch}, a.sink)
		a.mu.Unlock()
		<-a.done
		if a.lost > 0 {
			t.Errorf("round %d: %d answers missed some of the %d records", round, a.lost, n)
		}
	}
}

// countAnswer is queue.declare-ok.
func countAnswer(channel uint16, ready, consumers uint32) []byte {
	m := be.AppendUint32(appendShortstr(nil, "q"), ready)
	return appendMethod(nil, channel, queueDeclareOK, be.AppendUint32(m, consumers)...)
}

// inspecting serves connections, and lets also see the questions; of basic.qos it sees those that come after the opening.
func inspecting(t *testing.T, also func(c *fakeConn, f frame)) *Port {
	return startFake(t, func(c *fakeConn) {
		opened := map[uint16]bool{}
		if c.open() {
			c.serve(func(f frame) {
				if f.method() != basicQos || opened[f.channel] {
					also(c, f)
				}
				if f.method() == channelOpen {
					opened[f.channel] = false
				}
				if f.method() == basicConsume {
					opened[f.channel] = true
				}
			})
		}
	}).port(nil)
}

// What comes between the two answers precedes Inspected, and is not lost; a count that cannot be is asked for again; all who asked before share a count.
func TestInspectQuestions(t *testing.T) {
	counts := 0
	p := inspecting(t, func(c *fakeConn, f frame) {
		switch f.method() {
		case queueDeclare:
			if counts++; counts == 1 {
				c.write(countAnswer(f.channel, 0, 0))
			} else {
				c.write(countAnswer(f.channel, 7, 1))
			}
		case basicQos:
			c.write(appendDelivery(nil, f.channel, uint64(counts-1), false, []byte("body"), &broker.Properties{}))
		}
	})
	consumer, s := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
	await[*broker.Opened](t, s)
	for range 2 {
		consumer.Inspect()
		await[*broker.Delivered](t, s)
		if got := await[*broker.Inspected](t, s).Ready; got != 7 {
			t.Errorf("%d ready, want 7", got)
		}
	}
	if counts != 3 {
		t.Errorf("counted %d times, want 3", counts)
	}
}

// A broker that does not answer ends the session, and so does one that cannot count for long.
func TestInspectOverdue(t *testing.T) {
	for name, answer := range map[string]func(c *fakeConn, f frame){
		"no count": func(*fakeConn, frame) {},
		"no figure": func(c *fakeConn, f frame) {
			if f.method() == queueDeclare {
				c.write(countAnswer(f.channel, 0, 0))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			port, s := openConsumer(t, inspecting(t, answer), broker.ConsumerConfig{Queue: "q"})
			await[*broker.Opened](t, s)
			c := port.(*consumer)
			c.mu.Lock()
			c.patience = 300 * time.Millisecond
			c.mu.Unlock()
			c.Inspect()
			if err := s.endedBy(t, broker.ErrUnavailable); !errors.Is(err, errNotCounted) {
				t.Errorf("the reason is not told: %v", err)
			}
		})
	}
}

// Answers to a session that was closed meanwhile reach neither its owner nor amqp091, which would take them for its own: the connection goes on.
func TestInspectCrossingClose(t *testing.T) {
	var held []byte
	p := inspecting(t, func(c *fakeConn, f frame) {
		switch f.method() {
		case queueDeclare:
			held = countAnswer(f.channel, 1, 1)
			c.write(appendDelivery(nil, f.channel, 1, false, []byte("asked"), &broker.Properties{}))
		case channelClose:
			c.write(held)
		}
	})
	for range 3 {
		consumer, s := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
		await[*broker.Opened](t, s)
		consumer.Inspect()
		await[*broker.Delivered](t, s)
		consumer.Close()
		if err := await[*broker.Ended](t, s).Err; err != nil {
			t.Errorf("ended: %v", err)
		}
	}
}

// A broker that hangs in the middle of an inspection leaves nothing behind: goleak looks.
func TestInspectOfFrozenBroker(t *testing.T) {
	asked := make(chan struct{}, 1)
	p := inspecting(t, func(_ *fakeConn, f frame) {
		if f.method() == queueDeclare {
			asked <- struct{}{}
		}
	})
	consumer, s := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
	await[*broker.Opened](t, s)
	consumer.Inspect()
	<-asked
	s.endedBy(t, broker.ErrUnavailable) // no heartbeat
	consumer.Inspect()
}
