package rabbitstream

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// patience is how long a test waits for what must come.
const patience = 40 * time.Second

// sink gathers a session's events for a test.
type sink struct {
	mu     sync.Mutex
	events []broker.Event
	wake   chan struct{}
}

func newSink() *sink { return &sink{wake: make(chan struct{}, 1)} }

func (s *sink) sink(e broker.Event) {
	s.mu.Lock()
	if p, ok := e.(*broker.Pending); ok {
		s.events = append(s.events, p.Take()...)
	} else {
		s.events = append(s.events, e)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next waits for the next event.
func (s *sink) next(t testing.TB) broker.Event {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = s.events[1:]
			s.mu.Unlock()
			return e
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-late.C:
			t.Fatalf("no event within %v", patience)
		}
	}
}

// await waits for the next event, which must be of that type.
func await[E broker.Event](t testing.TB, s *sink) E {
	t.Helper()
	e := s.next(t)
	want, ok := e.(E)
	if !ok {
		if ended, is := e.(*broker.Ended); is {
			t.Fatalf("ended: %v, want %T", ended.Err, want)
		}
		t.Fatalf("event %T %+v, want %T", e, e, want)
	}
	return want
}

// endedBy waits for Ended, whatever comes before, and checks its error.
func (s *sink) endedBy(t testing.TB, want error) error {
	t.Helper()
	for {
		if e, ok := s.next(t).(*broker.Ended); ok {
			if want == nil && e.Err != nil || !errors.Is(e.Err, want) {
				t.Fatalf("ended: %v, want %v", e.Err, want)
			}
			return e.Err
		}
	}
}

// confirmed waits until all up to and including this sequence are, in order.
func (s *sink) confirmed(t testing.TB, last uint64) {
	t.Helper()
	for await[*broker.Confirmed](t, s).Last < last {
	}
}

// do carries out a request that must succeed.
func do(t testing.TB, port *Port, request broker.Request) {
	t.Helper()
	lease := port.Lease(t.Name())
	defer lease.Abort()
	answer := make(chan broker.Result, 1)
	lease.Do(request, func(r broker.Result) { answer <- r })
	select {
	case r := <-answer:
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	case <-time.After(patience):
		t.Fatalf("%s: no answer within %v", request, patience)
	}
}

// declare makes a stream of the test's name that is deleted with it.
func declare(t testing.TB, port *Port) string {
	t.Helper()
	name := strings.ReplaceAll(t.Name(), "/", ".")
	do(t, port, broker.DeclareQueue{Name: name, QueueOptions: broker.QueueOptions{Type: broker.Stream}})
	t.Cleanup(func() { do(t, port, broker.DeleteQueue{Name: name}) })
	return name
}

// openPublisher opens one on a lease of its own and does not wait.
func openPublisher(t testing.TB, p *Port, config broker.PublisherConfig) (broker.Publisher, *sink) {
	t.Helper()
	s := newSink()
	config.Window = max(config.Window, 1000)
	lease := p.Lease(t.Name())
	t.Cleanup(lease.Abort)
	return lease.OpenPublisher(config, s.sink), s
}

func openConsumer(t testing.TB, p *Port, config broker.ConsumerConfig) (broker.Consumer, *sink) {
	t.Helper()
	s := newSink()
	config.Prefetch, config.MaxBatch = max(config.Prefetch, 100), max(config.MaxBatch, 100)
	lease := p.Lease(t.Name())
	t.Cleanup(lease.Abort)
	return lease.OpenConsumer(config, s.sink), s
}

var fromNext = &broker.StreamOffset{From: broker.FromNext}

func batch(first uint64, bodies ...string) broker.Batch {
	b := broker.Batch{First: first}
	for _, body := range bodies {
		b.Records = append(b.Records, broker.Record{Body: []byte(body)})
	}
	return b
}
