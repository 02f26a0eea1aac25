package embedded

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// world is a broker on an event heap, as a simulation has it: one thread, its own time, latencies from a seed.
type world struct {
	*Broker
	t      *testing.T
	now    time.Duration
	events sorted[timer]
	n      uint64
	rng    *rand.Rand
	spread time.Duration // latencies are 1 ms and less than this
	trace  []string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0)), spread: 1}
	w.Broker = New(w, w)
	return w
}

func (w *world) Now() time.Duration { return w.now }

func (w *world) Post(f func()) { w.At(w.now, f) }

func (w *world) At(at time.Duration, f func()) {
	w.n++
	w.events.push(timer{max(at, w.now), w.n, f})
}

func (w *world) Latency() time.Duration {
	return time.Millisecond + time.Duration(w.rng.Int64N(int64(w.spread)))
}

// run does all that is due until d from now.
func (w *world) run(d time.Duration) {
	end := w.now + d
	for len(w.events) > 0 && w.events[0].at <= end {
		e := w.events.pop()
		w.now = e.at
		e.f()
	}
	w.now = end
}

// settle is long enough for everything but a heartbeat.
func (w *world) settle() { w.run(time.Second) }

// client is a session and what it was told.
type client struct {
	w    *world
	name string
	p    broker.Publisher
	c    broker.Consumer
	got  []broker.Event
	next uint64
}

func (c *client) sink(e broker.Event) {
	c.got = append(c.got, e)
	c.w.trace = append(c.w.trace, fmt.Sprintf("%v %s %s", c.w.now, c.name, show(e)))
}

func show(e broker.Event) string {
	switch e := e.(type) {
	case *broker.Opened:
		return "opened"
	case *broker.Confirmed:
		return fmt.Sprintf("confirmed %d-%d", e.First, e.Last)
	case *broker.Refused:
		return fmt.Sprintf("refused %d-%d", e.First, e.Last)
	case *broker.Blocked:
		return fmt.Sprintf("blocked %v", e.On)
	case *broker.Delivered:
		text := fmt.Sprintf("delivered %d:", e.First)
		for _, r := range e.Records {
			text += " " + string(r.Body)
			if r.Redelivered {
				text += "!"
			}
		}
		return text
	case *broker.Inspected:
		return fmt.Sprintf("inspected %d", e.Ready)
	case *broker.Ended:
		return fmt.Sprintf("ended %v", kind(e.Err))
	}
	return fmt.Sprintf("%T", e)
}

// kind is the error's kind without its words.
func kind(err error) error {
	for _, k := range []error{
		broker.ErrReturned, broker.ErrNacked, broker.ErrInUse, broker.ErrWindow, broker.ErrTag,
		broker.ErrUnavailable, broker.ErrNotFound, broker.ErrRefused, broker.ErrWrongType, broker.ErrPermission, broker.ErrClosed, broker.ErrMisuse,
	} {
		if isKind(err, k) {
			return k
		}
	}
	return err
}

// publisher opens one to a queue; the owner is its name, as it is the lease's.
func (w *world) publisher(name, queue string) *client {
	return w.publisherOf(name, broker.PublisherConfig{RoutingKey: queue, Window: 1000})
}

func (w *world) publisherOf(name string, config broker.PublisherConfig) *client {
	c := &client{w: w, name: name, next: 1}
	c.p = w.Lease(name).OpenPublisher(config, c.sink)
	return c
}

func (w *world) consumer(name, queue string, prefetch int) *client {
	return w.consumerOf(name, broker.ConsumerConfig{Queue: queue, Prefetch: prefetch, MaxBatch: 100})
}

func (w *world) consumerOf(name string, config broker.ConsumerConfig) *client {
	c := &client{w: w, name: name}
	c.c = w.Lease(name).OpenConsumer(config, c.sink)
	return c
}

// send publishes one batch.
func (c *client) send(bodies ...string) {
	batch := broker.Batch{First: c.next}
	for _, b := range bodies {
		batch.Records = append(batch.Records, broker.Record{Body: []byte(b)})
	}
	c.next += uint64(len(bodies))
	c.p.Publish(batch)
}

// told checks all that was told since the last call.
func (c *client) told(want ...string) {
	c.w.t.Helper()
	var got []string
	for _, e := range c.got {
		got = append(got, show(e))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.w.t.Fatalf("%v: %s was told %q, want %q", c.w.now, c.name, got, want)
	}
	c.got = nil
}

// do does a request and runs until it is answered.
func (w *world) do(r broker.Request) (answer broker.Result) {
	w.t.Helper()
	answered := false
	w.Lease("requests").Do(r, func(r broker.Result) { answer, answered = r, true })
	w.settle()
	if !answered {
		w.t.Fatalf("no answer to %+v", r)
	}
	return answer
}

func (w *world) queue(name string, o broker.QueueOptions) {
	w.t.Helper()
	if r := w.do(broker.DeclareQueue{Name: name, QueueOptions: o}); r.Err != nil {
		w.t.Fatal(r.Err)
	}
}

// holds checks a queue's depth.
func (w *world) holds(queue string, ready, unsettled int) {
	w.t.Helper()
	if s, _ := w.Queue(queue); s.Ready != ready || s.Unsettled != unsettled {
		w.t.Fatalf("queue %s has %d ready and %d unsettled, want %d and %d", queue, s.Ready, s.Unsettled, ready, unsettled)
	}
}
