package embedded

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Rounds of rejects, in any order, leave a queue as it was.
func TestGivenBackToItsPlace(t *testing.T) {
	w, p, c := pair(t)
	p.send("a", "b", "c", "d", "e")
	w.settle()
	c.told("delivered 1: a b c d e")
	for _, tag := range []uint64{4, 1, 5, 2} {
		c.c.Reject(tag, true)
	}
	c.c.Abort()
	w.settle()
	again := w.consumer("again", "q", 10)
	w.settle()
	again.told("opened", "delivered 1: a! b! c! d! e!")
}

func TestRoundRobin(t *testing.T) {
	w, p, a := pair(t)
	b := w.consumer("b", "q", 2)
	w.settle()
	p.send("1", "2", "3", "4", "5", "6", "7")
	w.settle()
	a.told("delivered 1: 1 3 5 6 7")
	b.told("opened", "delivered 1: 2 4")
}

func TestMaxAge(t *testing.T) {
	w := newWorld(t, 1)
	w.queue("dead", broker.QueueOptions{})
	w.queue("q", broker.QueueOptions{MaxAge: 10 * time.Second, DeadLetterTo: "dead"})
	p := w.publisher("p", "q")
	w.settle()
	p.send("a")
	w.run(8 * time.Second)
	p.send("b")
	w.run(8 * time.Second)
	if n := w.do(broker.InspectQueue{Name: "q"}).Queue.Ready; n != 1 {
		t.Errorf("%d are ready", n)
	}
	c := w.consumer("c", "q", 10)
	w.settle()
	c.told("opened", "delivered 1: b")
	w.holds("dead", 1, 0)
}

func TestLimits(t *testing.T) {
	w := newWorld(t, 1)
	w.queue("dead", broker.QueueOptions{MaxLength: 1})
	w.queue("long", broker.QueueOptions{MaxLength: 2, DeadLetterTo: "dead"})
	w.queue("large", broker.QueueOptions{MaxBytes: 4})
	w.queue("strict", broker.QueueOptions{Type: broker.Quorum, MaxLength: 2, DeadLetterTo: "dead"})
	for _, name := range []string{"long", "large", "strict"} {
		p := w.publisher("p", name)
		w.settle()
		p.send("aa", "bb", "cc", "dd")
		w.settle()
		if name == "strict" {
			p.told("opened", "refused 3-4", "confirmed 1-2")
		} else {
			p.told("opened", "confirmed 1-4")
		}
		w.holds(name, 2, 0)
	}
	w.holds("dead", 1, 0)
	if n := w.Counts(); n.Accepted != 12 || n.DeadLettered != 2 || n.Dropped != 3 {
		t.Errorf("%+v", n)
	}
}

// A waiting consumer takes what a full queue would drop or refuse.
func TestLimitsCountWhatIsReady(t *testing.T) {
	for o, want := range map[broker.QueueOptions][]string{
		{MaxLength: 1}: {"opened", "delivered 1: a b", "delivered 3: c"},
		{Type: broker.Quorum, MaxLength: 1, DeadLetterTo: "dead"}: {"opened", "delivered 1: a", "delivered 2: b", "delivered 3: c"},
	} {
		w := newWorld(t, 1)
		w.queue("q", o)
		p, c := w.publisher("p", "q"), w.consumer("c", "q", 3)
		w.settle()
		p.send("a", "b", "c")
		w.settle()
		p.told("opened", "confirmed 1-3")
		c.told(want...)
	}
}

// Two full queues that dead-letter to each other do not push for ever, and neither does one to itself.
func TestDeadLetterCycle(t *testing.T) {
	w := newWorld(t, 1)
	w.queue("a", broker.QueueOptions{MaxLength: 1, DeadLetterTo: "b"})
	w.queue("b", broker.QueueOptions{MaxLength: 1, DeadLetterTo: "a"})
	w.queue("self", broker.QueueOptions{MaxLength: 1, DeadLetterTo: "self"})
	w.queue("stream", broker.QueueOptions{Type: broker.Stream})
	w.queue("to stream", broker.QueueOptions{MaxLength: 1, DeadLetterTo: "stream"})
	for _, q := range []string{"a", "b", "self", "to stream"} {
		p := w.publisher("p", q)
		w.settle()
		p.send("1", "2", "3")
		w.settle()
		p.told("opened", "confirmed 1-3")
		w.holds(q, 1, 0)
	}
	w.holds("stream", 2, 0)
}

// A record that one of two queues refuses is refused.
func TestRefusedByOneOfTwo(t *testing.T) {
	w := newWorld(t, 1)
	w.queue("q", broker.QueueOptions{})
	w.queue("strict", broker.QueueOptions{Type: broker.Quorum, MaxLength: 1, DeadLetterTo: "dead"})
	w.do(broker.DeclareExchange{Name: "x", Kind: broker.Fanout})
	w.do(broker.BindQueue{Queue: "q", Exchange: "x"})
	w.do(broker.BindQueue{Queue: "strict", Exchange: "x"})
	p := w.publisherOf("p", broker.PublisherConfig{Exchange: "x", Window: 10})
	w.settle()
	p.send("a", "b")
	w.settle()
	p.told("opened", "refused 2-2", "confirmed 1-1")
}

func TestStreamRetention(t *testing.T) {
	for name, o := range map[string]broker.QueueOptions{
		"length": {MaxLength: 5}, "bytes": {MaxBytes: 10}, "age": {MaxAge: 1500 * time.Millisecond},
		"all": {MaxAge: time.Hour, MaxBytes: 10, SegmentBytes: 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			o.Type = broker.Stream
			w.queue("s", o)
			p := w.publisher("p", "s")
			w.settle()
			for _, body := range []string{"aa", "bb", "cc", "dd"} {
				p.send(body, body)
				w.settle()
			}
			w.holds("s", 4, 0)
			late := w.consumerOf("late", broker.ConsumerConfig{Queue: "s", Prefetch: 9, MaxBatch: 9, Stream: &broker.StreamOffset{From: broker.FromOffset, Offset: 1}})
			last := w.consumerOf("last", broker.ConsumerConfig{Queue: "s", Prefetch: 9, MaxBatch: 9, Stream: &broker.StreamOffset{From: broker.FromLast}})
			since := w.consumerOf("since", broker.ConsumerConfig{
				Queue: "s", Prefetch: 9, MaxBatch: 9, Stream: &broker.StreamOffset{From: broker.FromTime, Time: time.Unix(0, int64(w.now-500*time.Millisecond))},
			})
			w.settle()
			late.told("opened", "delivered 1: cc cc dd dd")
			last.told("opened", "delivered 1: dd dd")
			since.told("opened")
			p.send("ee")
			w.settle()
			since.told("delivered 1: ee")
		})
	}
}

func TestMisuse(t *testing.T) {
	w, _, _ := pair(t)
	for _, c := range []*client{
		w.publisherOf("p", broker.PublisherConfig{RoutingKey: "q"}),
		w.consumer("c", "q", 0), w.consumer("c", "q", 65536),
		w.consumerOf("c", broker.ConsumerConfig{Queue: "q", Prefetch: 1}),
	} {
		w.settle()
		c.told("ended misuse of the port")
	}
	p := w.publisher("p", "q")
	w.settle()
	p.send()
	p.next = 0
	p.send("a")
	w.settle()
	p.told("opened", "ended misuse of the port")
	for request, want := range map[broker.Request]error{
		broker.DeclareQueue{}: broker.ErrMisuse, broker.DeclareExchange{Name: "x"}: broker.ErrMisuse, nil: broker.ErrMisuse,
		broker.DeclareExchange{Kind: broker.Direct}: broker.ErrPermission, broker.DeleteExchange{}: broker.ErrPermission,
		broker.BindQueue{Queue: "q"}: broker.ErrPermission, broker.InspectExchange{}: nil,
	} {
		if r := w.do(request); !isKind(r.Err, want) {
			t.Errorf("%+v: %v, want %v", request, r.Err, want)
		}
	}
}

func TestIntrospection(t *testing.T) {
	w, p, c := pair(t)
	w.queue("a", broker.QueueOptions{Type: broker.Stream})
	w.do(broker.DeclareExchange{Name: "x", Kind: broker.Direct})
	p.send("aa", "b")
	w.settle()
	c.c.Ack(1, false)
	w.consumer("second", "q", 1)
	w.settle()
	s, ok := w.Queue("q")
	if !ok || s.Ready != 0 || s.Unsettled != 1 || len(s.Consumers) != 2 || s.Consumers[1] != "second" || w.Depth("q") != 1 || w.Depth("none") != 0 {
		t.Errorf("%+v", s)
	}
	if q, x := w.Queues(), w.Exchanges(); len(q) != 2 || q[0] != "a" || len(x) != 1 {
		t.Errorf("%v, %v", q, x)
	}
	if n := w.Counts(); n.Publishers != 1 || n.Consumers != 2 || n.Accepted != 2 {
		t.Errorf("%+v", n)
	}
}

// Whatever the latencies, what was on its way to the consumer comes before the answer, and nothing counts twice.
func TestInspectBehindDeliveries(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(t, seed)
		w.spread = 20 * time.Millisecond
		w.queue("q", broker.QueueOptions{})
		p, c := w.publisher("p", "q"), w.consumer("c", "q", 3)
		w.settle()
		p.send("1", "2", "3", "4", "5", "6", "7", "8", "9")
		delivered := 0
		for range 100 {
			w.run(5 * time.Millisecond)
			for _, e := range c.got {
				switch e := e.(type) {
				case *broker.Delivered:
					delivered += len(e.Records)
					c.c.Ack(e.Last(), true)
					c.c.Inspect()
				case *broker.Inspected:
					if delivered+e.Ready != 9 {
						t.Fatalf("seed %d: %d ready behind %d delivered of 9", seed, e.Ready, delivered)
					}
				}
			}
			c.got = nil
		}
		if delivered != 9 {
			t.Errorf("seed %d: %d of 9 were delivered", seed, delivered)
		}
	}
}
