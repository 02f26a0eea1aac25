package main

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7, 7, 1, 9, 8}, 7}} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("median changed %v to %v", before, c.values)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v", got)
	}
}

func rated(perSecond int) sample { return sample{Records: perSecond, Took: time.Second} }

// Rounds are compared one by one: a machine that is twice as slow in one of them changes no ratio.
func TestRatioIsOfRounds(t *testing.T) {
	base := map[int]sample{0: rated(100), 1: rated(50), 2: rated(1000)}
	own := map[int]sample{0: rated(120), 1: rated(60), 2: rated(1200), 3: rated(1)}
	if got := ratio(own, base, sample.rate); math.Abs(got-1.2) > 1e-9 {
		t.Errorf("ratio = %v, want 1.2", got)
	}
	if got := ratio(own, nil, sample.rate); !math.IsNaN(got) {
		t.Errorf("ratio to nothing = %v", got)
	}
}

func TestSampleIsPerRecord(t *testing.T) {
	s := sample{Records: 1000, Took: 500 * time.Millisecond, Own: 100 * time.Millisecond, Broker: time.Second}
	for name, c := range map[string][2]float64{
		"rate": {s.rate(), 2000}, "client CPU": {s.own(), 100}, "broker CPU": {s.broker(), 1000}, "client cores": {s.ownCores(), 0.2}, "broker cores": {s.brokerCores(), 2},
	} {
		if c[0] != c[1] {
			t.Errorf("%s = %v, want %v", name, c[0], c[1])
		}
	}
}

func TestVerdict(t *testing.T) {
	g := goal{Rate: 1.3, CPU: 0.15}
	nan := math.NaN()
	for _, c := range []struct {
		goal      goal
		rate, cpu float64
		want      verdict
	}{
		{g, 1.3, 0.15, met}, {g, 1.296, 0.1549, met}, {g, 1.29, 0.1, unmet}, {g, 2, 0.16, unmet}, {g, nan, 0.1, unmet}, {g, 2, nan, unmet},
		{goal{}, 0.1, 9, noGoal}, {goal{Rate: 1}, 1, 9, met}, {goal{Rate: 1}, nan, nan, unmet},
	} {
		if got := c.goal.verdict(c.rate, c.cpu); got != c.want {
			t.Errorf("%v.verdict(%v, %v) = %q, want %q", c.goal, c.rate, c.cpu, got, c.want)
		}
	}
}

func TestRounded(t *testing.T) {
	for n, want := range map[float64]int{0: 16, 15: 16, 100: 96, 4799: 4784, 5000: 4800, 47_999: 46_400, 100_000: 96_000} {
		if got := rounded(n); got != want {
			t.Errorf("rounded(%v) = %d, want %d", n, got, want)
		}
	}
}

func TestPartsAddUp(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000} {
		shares := make(chan int, 16)
		err := parts(n, 16, func(n int) error {
			shares <- n
			if n > 1 {
				return errNacked
			}
			return nil
		})
		sum := 0
		for range 16 {
			sum += <-shares
		}
		if sum != n || (n > 16) != errors.Is(err, errNacked) {
			t.Errorf("%d was shared as %d, %v", n, sum, err)
		}
	}
}

// fake does nothing, and fails or hangs when told to.
type fake struct{ ends }

func (f fake) write(context.Context, work, int) error        { return nil }
func (f fake) fill(context.Context, int) error               { return nil }
func (f fake) subscribe(context.Context) error               { return nil }
func (f fake) read(context.Context, int, func([]byte)) error { return nil }
func (f fake) close(context.Context) error                   { return nil }

func TestFailingPeerDoesNotEndTheRun(t *testing.T) {
	broken := errors.New("broken\nin two lines")
	b := &bench{options: options{rounds: 2, quick: true, each: time.Microsecond, only: regexp.MustCompile("^quorum, 100 B, read$")}, results: &results{}, began: time.Now(),
		open: func(_ context.Context, client string, _ *place) (ends, error) {
			if client == clientWatermill {
				return nil, broken
			}
			return fake{}, nil
		}}
	if err := b.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := b.results.Contests[0]
	for at, e := range o.Contest.Entries {
		want := 2
		if e.Client == clientWatermill {
			want = 0
		}
		if got := len(o.Samples[at]); got != want {
			t.Errorf("%s has %d samples, want %d", e.Name(), got, want)
		}
	}
	if text := b.results.failureText(); !strings.Contains(text, "2 times") || !strings.Contains(text, "broken; in two lines") || strings.Count(text, "\n") != 1 {
		t.Errorf("failures: %s", text)
	}
	if text := b.results.tables(); !strings.Contains(text, "| watermill-amqp | prefetch 1 | failed |") {
		t.Errorf("tables: %s", text)
	}
}

func TestTheFirstChanges(t *testing.T) {
	var began []string
	b := &bench{options: options{quick: true, each: time.Microsecond}, results: &results{}, began: time.Now(),
		open: func(_ context.Context, client string, _ *place) (ends, error) {
			began = append(began, client)
			return fake{}, nil
		}}
	w := work{Op: opWrite, Per: 1}
	c := &contest{scene{quorum, small, formatRaw}, opWrite, []entry{{"a", w, goal{}}, {"b", w, goal{}}, {"c", w, goal{}}}}
	o := &outcome{Contest: c, Samples: make([]map[int]sample, 3), Counts: []int{16, 16, 16}}
	for round := range 3 {
		if err := b.hold(t.Context(), o, round); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(began, ""); got != "abcbcacab" {
		t.Errorf("order %s, want abcbcacab", got)
	}
}

func TestWithinLeavesBehindWhatHangs(t *testing.T) {
	inTime(t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		forever := make(chan error)
		defer close(forever)
		if err := within(ctx, func() error { return <-forever }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hanging call gives %v", err)
		}
	})
}

func TestOrderHasTheSize(t *testing.T) {
	for _, size := range []int{small, large} {
		p := &place{scene: scene{quorum, size, formatAvro}, schema: orderSchema(), order: orderOf(size)}
		body, err := p.encode()
		if err != nil || len(body) != size {
			t.Errorf("an order of %d B has %d: %v", size, len(body), err)
		}
		if err := p.decode(body); err != nil {
			t.Error(err)
		}
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"runtime.futex": "runtime", "internal/runtime/syscall/linux.Syscall6": "internal/runtime/syscall/linux",
		"github.com/d2e2d648/weir/supervisor.(*run).records": "github.com/d2e2d648/weir/supervisor", "github.com/d2e2d648/weir.(*Writer[...]).Send": "github.com/d2e2d648/weir",
	} {
		if got := packageOf(name); got != want {
			t.Errorf("packageOf(%s) = %s, want %s", name, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		thousands(0): "0", thousands(999): "999", thousands(1000): "1,000", thousands(1234567): "1,234,567", count3(123456): "123,000", count3(99): "99", count3(math.NaN()): "?",
		span(1234 * time.Nanosecond): "1 µs", span(1500 * time.Microsecond): "1.50 ms", span(82 * time.Millisecond): "82.0 ms", span(3 * time.Second): "3.00 s", digits(5.123): "5.12", digits(345.6): "346",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
