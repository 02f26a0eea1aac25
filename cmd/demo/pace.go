package main

import (
	"context"
	"time"
)

// pace spreads records evenly over time.
type pace struct {
	rate  float64 // records a second; 0: as fast as it goes
	start time.Time
	sent  float64
}

// maxDebt is how much of a stall is made up for afterwards.
const maxDebt = time.Second

// wait gives how many records are due now, at most most; it waits until one is. 0 when the context has ended.
func (p *pace) wait(ctx context.Context, most int) int {
	for ctx.Err() == nil {
		if p.rate == 0 {
			return most
		}
		due := time.Since(p.start).Seconds()*p.rate - p.sent
		if debt := maxDebt.Seconds() * p.rate; due > debt+1 {
			p.sent += due - debt - 1
			due = debt + 1
		}
		if due >= 1 {
			n := min(int(due), most)
			p.sent += float64(n)
			return n
		}
		rest := time.NewTimer(max(time.Duration((1-due)/p.rate*float64(time.Second)), 5*time.Millisecond))
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
		rest.Stop()
	}
	return 0
}
