package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/d2e2d648/weir/test/rabbit"
)

const (
	// sampleLimit is how long a measurement may take; after endLimit more it is left behind.
	sampleLimit = 40 * time.Second
	endLimit    = 5 * time.Second
	closeLimit  = 15 * time.Second
)

// bench is one run.
type bench struct {
	options
	node    *rabbit.Node
	pid     int // of the broker
	open    func(ctx context.Context, client string, p *place) (ends, error)
	queues  int
	began   time.Time
	results *results
}

func newBench(o options, node *rabbit.Node) *bench {
	return &bench{options: o, node: node, pid: node.Pid(), open: open, began: time.Now(), results: &results{About: aboutRun(o)}}
}

// all holds every contest in every round. What fails is named in the report, and the rest goes on.
func (b *bench) all(ctx context.Context) error {
	for _, c := range contests() {
		if b.only.MatchString(c.Name()) {
			b.results.Contests = append(b.results.Contests, &outcome{Contest: c, Samples: make([]map[int]sample, len(c.Entries)), Counts: make([]int, len(c.Entries))})
		}
	}
	for _, l := range latencyContests() {
		if b.only.MatchString(l.Name()) {
			b.results.Latencies = append(b.results.Latencies, &latencyOutcome{Contest: l, Histograms: make([]map[int]*histogram, len(l.Clients)), CPU: make([][]float64, len(l.Clients))})
		}
	}
	if len(b.results.Contests)+len(b.results.Latencies) == 0 {
		return fmt.Errorf("no contest matches %q", b.only)
	}
	for round := range b.rounds {
		for i, o := range b.results.Contests {
			b.say("round %d of %d, %d of %d: %s", round+1, b.rounds, i+1, len(b.results.Contests), o.Contest.Name())
			if err := b.hold(ctx, o, round); err != nil {
				return err
			}
		}
		for _, l := range b.results.Latencies {
			b.say("round %d of %d: %s", round+1, b.rounds, l.Contest.Name())
			if err := b.holdLatency(ctx, l, round); err != nil {
				return err
			}
		}
	}
	b.results.About.Took = time.Since(b.began).Round(time.Second)
	return nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(b.began).Round(time.Second), fmt.Sprintf(format, args...))
}

// hold has each entry of a contest do its work once. The first to begin is another in every round.
func (b *bench) hold(ctx context.Context, o *outcome, round int) error {
	entries := o.Contest.Entries
	for i := range entries {
		at := (i + round) % len(entries)
		n, err := b.count(ctx, o, at)
		var s sample
		if err == nil {
			s, err = b.measure(ctx, o.Contest.Scene, entries[at], n)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.fail(o.Contest.Name()+", "+entries[at].Name(), err)
			continue
		}
		if o.Samples[at] == nil {
			o.Samples[at] = map[int]sample{}
		}
		o.Samples[at][round] = s
	}
	return nil
}

func (b *bench) fail(what string, err error) {
	b.say("FAILED: %s: %v", what, err)
	b.results.failed(what, err)
}

// count is how many records an entry has in each round: those of the contest's first entry, or its own when it is much slower, or the first one fails.
func (b *bench) count(ctx context.Context, o *outcome, at int) (int, error) {
	if o.Counts[at] == 0 && at > 0 && o.Contest.Entries[at].Client != clientWatermill {
		if n, err := b.count(ctx, o, 0); err == nil {
			o.Counts[at] = n
		}
	}
	if o.Counts[at] == 0 {
		n, err := b.trial(ctx, o.Contest, o.Contest.Entries[at])
		if err != nil {
			return 0, fmt.Errorf("on trial: %w", err)
		}
		o.Counts[at] = n
	}
	return o.Counts[at], nil
}

// trial finds out how many records last long enough.
func (b *bench) trial(ctx context.Context, c *contest, e entry) (int, error) {
	n, ahead := 4000, 0
	switch {
	case e.Client == clientWatermill:
		n = 160
	case c.Scene.Kind == streams:
		n = 64_000
	}
	if e.Work.Op == opRead {
		ahead = e.Work.Ahead
	}
	s, err := b.measure(ctx, c.Scene, e, max(n, 4*ahead))
	return b.enough(s, ahead), err
}

// enough is how many records to measure with, after a trial. Of reads, ahead is what the broker has handed out before the clock starts: it must be little beside the rest.
func (b *bench) enough(trial sample, ahead int) int {
	trial.Records -= ahead
	return rounded(max(trial.rate()*b.each.Seconds(), 20*float64(ahead)))
}

// rounded gives a number that callers can share in whole calls, where it is not small.
func rounded(n float64) int {
	step := 16
	for _, s := range []int{1600, 16_000} {
		if n >= 3*float64(s) {
			step = s
		}
	}
	return max(1, int(n)/step) * step
}

// measure has one client do one piece of work on a fresh queue.
func (b *bench) measure(ctx context.Context, s scene, e entry, n int) (sample, error) {
	return b.measureAt(ctx, b.place(s, e.Work), e, n, nil)
}

// measureAt calls watch, if not nil, around the measurement.
func (b *bench) measureAt(ctx context.Context, p *place, e entry, n int, watch func(do func() error) error) (result sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	ends, err := b.open(ctx, e.Client, p)
	if err != nil {
		return sample{}, fmt.Errorf("open: %w", err)
	}
	defer func() { b.end(ctx, ends, e.Client) }()
	if err := prepare(ctx, ends, e.Work, n); err != nil {
		return sample{}, fmt.Errorf("prepare: %w", err)
	}
	if !b.quick {
		settle(b.pid)
	}
	runtime.GC()
	if watch == nil {
		watch = func(do func() error) error { return do() }
	}
	err = watch(func() error {
		m := startMeter(b.pid)
		err := within(ctx, func() error { return perform(ctx, ends, e.Work, n) })
		result = m.stop(n)
		return err
	})
	return result, err
}

// end closes what a measurement has opened. What goes wrong here does not change what was measured.
func (b *bench) end(ctx context.Context, ends ends, client string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if err := within(ctx, func() error { return ends.close(ctx) }); err != nil {
		b.say("%s, when closing: %v", client, err)
	}
}

func prepare(ctx context.Context, ends ends, w work, n int) error {
	return within(ctx, func() error {
		if w.Op == opRead {
			if err := ends.fill(ctx, n); err != nil {
				return err
			}
		}
		if w.Op == opWrite {
			return nil
		}
		return ends.subscribe(ctx)
	})
}

func perform(ctx context.Context, ends ends, w work, n int) error {
	switch w.Op {
	case opWrite:
		return ends.write(ctx, w, n)
	case opRead:
		return ends.read(ctx, n, nil)
	}
	written := make(chan error, 1)
	go func() { written <- ends.write(ctx, w, n) }()
	return errors.Join(ends.read(ctx, n, nil), <-written)
}

// within does not wait for what hangs in spite of its context.
func within(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(endLimit):
		return fmt.Errorf("it hangs: %w", ctx.Err())
	}
}
