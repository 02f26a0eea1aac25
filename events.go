package weir

import (
	"context"
	"iter"
	"sync"

	"github.com/d2e2d648/weir/messages"
)

// Event tells what happens to a channel: see the types in package messages (event.go).
type Event = messages.Event

// eventRing is how many events wait for a slow subscriber.
const eventRing = 1024

// hub hands events to subscribers. A slow one loses its oldest events and harms nobody.
type hub struct {
	mu          sync.Mutex
	subscribers map[*Subscription]struct{}
}

func newHub() *hub { return &hub{subscribers: map[*Subscription]struct{}{}} }

func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subscribers {
		s.put(e)
	}
}

// Subscription is a stream of events from the moment when it was made. It is safe for concurrent use.
type Subscription struct {
	hub     *hub
	wanted  func(Event) bool
	mu      sync.Mutex
	ring    []Event
	dropped int
	wake    chan struct{}
	closed  bool
}

func (h *hub) subscribe(wanted func(Event) bool) *Subscription {
	s := &Subscription{hub: h, wanted: wanted, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[s] = struct{}{}
	return s
}

func (s *Subscription) put(e Event) {
	if s.wanted != nil && !s.wanted(e) {
		return
	}
	s.mu.Lock()
	if len(s.ring) == eventRing {
		copy(s.ring, s.ring[1:])
		s.ring = s.ring[:eventRing-1]
		s.dropped++
	}
	s.ring = append(s.ring, e)
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for the next event. It ends with the context's error, or with ErrClosed when the subscription was closed and all was taken.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		s.mu.Lock()
		if len(s.ring) > 0 {
			e := s.ring[0]
			s.ring = s.ring[1:]
			more := len(s.ring) > 0
			s.mu.Unlock()
			if more {
				s.signal() // for whoever else waits
			}
			return e, nil
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			s.signal() // for whoever else waits
			return nil, ErrClosed
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// All gives the events until the context ends or the subscription is closed.
func (s *Subscription) All(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			e, err := s.Next(ctx)
			if err != nil || !yield(e) {
				return
			}
		}
	}
}

// Dropped says how many events were lost because they were not taken in time.
func (s *Subscription) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close ends the subscription. What has gathered can still be taken.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	delete(s.hub.subscribers, s)
	s.hub.mu.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
}
