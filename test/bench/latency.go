package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"time"
)

const (
	latencyRate = 1000 // records a second
	latencyWarm = 500  // records in front that do not count
)

// latencyContest: each client writes at a steady pace, whatever becomes of it, and reads. Time counts from the call that writes a record, or from when it was due
// where an earlier call held it up, until the record is in the hands of who reads.
type latencyContest struct {
	Scene   scene
	Clients []string // the first is what the others are compared with
}

func (l *latencyContest) Name() string { return fmt.Sprintf("%s, latency", l.Scene) }

func latencyContests() []*latencyContest {
	return []*latencyContest{
		{scene{classic, small, formatRaw}, []string{clientRaw, clientWeir, clientWatermill}},
		{scene{quorum, small, formatRaw}, []string{clientRaw, clientWeir, clientWatermill}},
		{scene{streams, small, formatRaw}, []string{clientStream, clientWeir}},
	}
}

func (b *bench) holdLatency(ctx context.Context, l *latencyOutcome, round int) error {
	clients := l.Contest.Clients
	for i := range clients {
		at := (i + round) % len(clients)
		h, s, err := b.measureLatency(ctx, l.Contest.Scene, clients[at])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.fail(l.Contest.Name()+", "+clients[at], err)
			continue
		}
		if l.Histograms[at] == nil {
			l.Histograms[at] = map[int]*histogram{}
		}
		l.Histograms[at][round] = h
		l.CPU[at] = append(l.CPU[at], s.own())
	}
	return nil
}

func (b *bench) measureLatency(ctx context.Context, s scene, client string) (*histogram, sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*b.latency+10*time.Second)
	defer cancel()
	p := b.place(s, work{})
	ends, err := b.open(ctx, client, p)
	if err != nil {
		return nil, sample{}, fmt.Errorf("open: %w", err)
	}
	defer func() { b.end(ctx, ends, client) }()
	if err := ends.subscribe(ctx); err != nil {
		return nil, sample{}, fmt.Errorf("subscribe: %w", err)
	}
	runtime.GC()
	n := latencyWarm + int(b.latency.Seconds()*latencyRate)
	h := &histogram{}
	m := startMeter(b.pid)
	err = within(ctx, func() error { return pace(ctx, ends, n, s.Size, h) })
	return h, m.stop(n), err
}

// pace writes n records and fills the histogram with what it took until each was read.
func pace(ctx context.Context, ends ends, n, size int, h *histogram) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	epoch, got := time.Now(), 0
	read := make(chan error, 1)
	go func() {
		err := ends.read(ctx, n, func(body []byte) {
			if got++; got > latencyWarm {
				h.add(time.Since(epoch) - time.Duration(binary.BigEndian.Uint64(body)))
			}
		})
		if err != nil {
			cancel(err)
		}
		read <- err
	}()
	if err := post(ctx, ends, n, size, epoch); err != nil {
		cancel(err) // which ends the read
		return err
	}
	if err := <-read; err != nil {
		return fmt.Errorf("%d of %d records were read: %w", got, n, err)
	}
	return ends.flush(ctx)
}

func post(ctx context.Context, ends ends, n, size int, epoch time.Time) error {
	for i := range n {
		due := time.Duration(i) * time.Second / latencyRate
		stamp := due // held up by the call before
		if early := due - time.Since(epoch); early > 0 {
			time.Sleep(early)
			stamp = time.Since(epoch) // that a sleep ends late is nobody's fault
		}
		body := make([]byte, size)
		binary.BigEndian.PutUint64(body, uint64(stamp))
		if err := ends.post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}
