package main

import (
	"context"
	"time"
)

// sampleEvery is how long one sample is.
const sampleEvery = 100 * time.Millisecond

// flowSample is what went through in one span of time.
type flowSample struct {
	// At is the span's end, in milliseconds since the first record; Span is how long it was.
	At   float64 `json:"at_ms"`
	Span float64 `json:"span_ms"`
	// Attempted and Confirmed are records; Delivered are first deliveries, of all readers together.
	Attempted int `json:"attempted"`
	Confirmed int `json:"confirmed"`
	Delivered int `json:"delivered"`
}

// sampleFlow takes samples until the context ends, and then the last one.
func sampleFlow(ctx context.Context, l *ledger, began time.Time) (all []flowSample) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var before progress
	last := time.Duration(0)
	for ending := false; !ending; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ending = true
		}
		now, at := l.progress(), time.Since(began)
		all = append(all, flowSample{
			At: milliseconds(at), Span: milliseconds(at - last),
			Attempted: now.Attempted - before.Attempted, Confirmed: now.Confirmed - before.Confirmed, Delivered: now.Delivered - before.Delivered,
		})
		before, last = now, at
	}
	return all
}
