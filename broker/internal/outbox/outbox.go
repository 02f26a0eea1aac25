// Package outbox is what the sessions of the adapters have in common: how their events reach the sink.
package outbox

import (
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// Outbox is where a session's events gather until its owner takes them (rule 19). The sink is called by whichever goroutine adds the first
// event, never by two at a time and never with the lock held, so that a sink may call the port.
type Outbox struct {
	sink     broker.Sink
	maxBatch int // of a Delivered

	mu      sync.Mutex
	events  []broker.Event
	told    bool // the sink was told, and nothing has been taken since
	calling bool // some goroutine is in the sink
	shut    bool // Ended was added, or the session was aborted: no more
	pending broker.Pending
}

// Init sets the sink, and the most records of a merged Delivered.
func (o *Outbox) Init(sink broker.Sink, maxBatch int) {
	o.sink, o.maxBatch = sink, maxBatch
	o.pending.Take = o.take
}

// Tell adds events in order and rings. Not to be called from inside a method of the port (rule 2).
func (o *Outbox) Tell(events ...broker.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		if o.shut {
			return
		}
		o.add(e)
	}
	for !o.calling && !o.told && len(o.events) > 0 {
		o.calling, o.told = true, true
		o.ring()
	}
}

// ring calls the sink without the lock. After a panic of the sink's the next event rings again, whether this one was taken or not.
func (o *Outbox) ring() {
	o.mu.Unlock()
	returned := false
	defer func() {
		o.mu.Lock()
		o.calling = false
		o.told = o.told && returned
	}()
	o.sink(&o.pending)
	returned = true
}

// add merges the event into the last one where it can. The lock is held.
func (o *Outbox) add(e broker.Event) {
	if n := len(o.events); n > 0 && o.merge(o.events[n-1], e) {
		return
	}
	o.events = append(o.events, e)
	if _, last := e.(*broker.Ended); last {
		o.shut = true
	}
}

func (o *Outbox) merge(last, e broker.Event) bool {
	switch e := e.(type) {
	case *broker.Confirmed:
		if l, ok := last.(*broker.Confirmed); ok && l.Last+1 == e.First {
			l.Last = e.Last
			return true
		}
	case *broker.Delivered:
		if l, ok := last.(*broker.Delivered); ok && len(l.Records)+len(e.Records) <= o.maxBatch {
			l.Records = append(l.Records, e.Records...)
			return true
		}
	case *broker.Blocked:
		if l, ok := last.(*broker.Blocked); ok {
			l.On = e.On
			return true
		}
	}
	return false
}

func (o *Outbox) take() []broker.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events, o.told = nil, false
	return events
}

// Silence ends the telling (rule 5). It does not wait for a sink that runs.
func (o *Outbox) Silence() {
	o.mu.Lock()
	o.shut, o.events = true, nil
	o.mu.Unlock()
}
