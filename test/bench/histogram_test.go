package main

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBucketsAreNarrow(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 100*time.Second; d += d/1000 + 1 {
		b := bucket(d)
		if b < last || b > last+1 && d < 1000 {
			t.Fatalf("bucket of %v is %d, behind %d", d, b, last)
		}
		last = b
		if off := math.Abs(float64(middle(b)-d)) / max(1, float64(d)); off > 0.005 {
			t.Fatalf("%v counts as %v: %.2f %% off", d, middle(b), 100*off)
		}
	}
}

func TestQuantilesAreThoseOfTheValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var values []time.Duration
	h, second := &histogram{}, &histogram{}
	for i := range 10_001 {
		d := time.Duration(math.Exp(random.NormFloat64())*1e6) + 1
		values = append(values, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			second.add(d)
		}
	}
	values = append(values, time.Hour)
	second.add(time.Hour)
	h.merge(second)
	slices.Sort(values)
	for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
		want := values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
		if got := h.quantile(q); math.Abs(float64(got-want)) > 0.01*float64(want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.Max != values[len(values)-1] || h.Total != 10_002 {
		t.Errorf("the worst of %d is %v, want %v", h.Total, h.Max, values[len(values)-1])
	}
	if got := (&histogram{}).quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestHistogramIsKept(t *testing.T) {
	h, back := &histogram{}, &histogram{}
	for d := time.Microsecond; d < time.Second; d *= 3 {
		h.add(d)
	}
	text, err := json.Marshal(h)
	if err == nil {
		err = json.Unmarshal(text, back)
	}
	if err != nil || back.quantile(0.5) != h.quantile(0.5) || back.Max != h.Max {
		t.Errorf("%+v came back as %+v: %v", h, back, err)
	}
}

func inTime(t *testing.T, test func()) { synctest.Test(t, func(*testing.T) { test() }) }

// pipe hands over what is posted after a delay, and holds up one post.
type pipe struct {
	fake
	delay, stall time.Duration
	stallAt      int
	posted       int
	bodies       chan []byte
}

func (p *pipe) post(_ context.Context, body []byte) error {
	if p.posted++; p.posted == p.stallAt {
		time.Sleep(p.stall)
	}
	time.AfterFunc(p.delay, func() { p.bodies <- body })
	return nil
}

func (p *pipe) flush(context.Context) error { return nil }

func (p *pipe) read(_ context.Context, n int, seen func([]byte)) error {
	for range n {
		seen(<-p.bodies)
	}
	return nil
}

func TestLatencyOfASteadyClient(t *testing.T) {
	inTime(t, func() {
		p, h := &pipe{delay: 700 * time.Microsecond, bodies: make(chan []byte, 10_000)}, &histogram{}
		if err := pace(context.Background(), p, latencyWarm+2000, small, h); err != nil {
			t.Error(err)
		}
		if p50 := h.quantile(0.5); h.Total != 2000 || h.Max != p.delay || math.Abs(float64(p50-p.delay)) > 0.005*float64(p.delay) {
			t.Errorf("%d records, p50 %v, worst %v", h.Total, p50, h.Max)
		}
	})
}

// A call that holds up its caller delays all records that were due meanwhile: they count from when they were due.
func TestLatencyCountsWhatWasHeldUp(t *testing.T) {
	inTime(t, func() {
		p, h := &pipe{delay: time.Millisecond, stall: 100 * time.Millisecond, stallAt: latencyWarm + 1000, bodies: make(chan []byte, 10_000)}, &histogram{}
		if err := pace(context.Background(), p, latencyWarm+2000, small, h); err != nil {
			t.Error(err)
		}
		late := int64(0)
		for b, n := range h.Counts {
			if middle(b) > 2*time.Millisecond {
				late += n
			}
		}
		if h.Max != p.stall+p.delay || late < 98 || late > 101 {
			t.Errorf("worst %v, %d late", h.Max, late)
		}
	})
}

// One round in which the machine stalls changes no ratio, but it is seen in the quantiles and the worst.
func TestLatencyRatioIsOfRounds(t *testing.T) {
	of := func(d time.Duration) *histogram {
		h := &histogram{}
		for range 100 {
			h.add(d)
		}
		return h
	}
	l := &latencyOutcome{Histograms: []map[int]*histogram{
		{0: of(time.Millisecond), 1: of(2 * time.Millisecond), 2: of(3 * time.Millisecond)},
		{0: of(2 * time.Millisecond), 1: of(4 * time.Millisecond), 2: of(time.Second), 3: of(time.Hour)},
		nil,
	}}
	if got := l.over(1, 0.99); math.Abs(got-2) > 0.02 {
		t.Errorf("ratio %v, want 2", got)
	}
	if all := l.all(1); all.Total != 400 || all.Max != time.Hour {
		t.Errorf("%d records, worst %v", all.Total, all.Max)
	}
	if got := l.over(2, 0.5); !math.IsNaN(got) || latencyVerdict(got, got) != unmet {
		t.Errorf("ratio of nothing %v", got)
	}
}
