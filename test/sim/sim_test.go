package sim

import (
	"runtime"
	"testing"
)

// schedules is how many seeds each test runs in either mode.
var schedules = scaled(5000)

// scaled is a number of seeds; the race detector makes a schedule many times slower, and finds nothing more in later ones: one thread runs them all.
func scaled(n int) int {
	if underRace {
		return n / 10
	}
	return n
}

// Schedules with faults, in both modes: everything that must hold, holds. A violation says how to replay it.
func TestSchedules(t *testing.T) {
	batch := Batch{From: 1, Seeds: schedules, Modes: []Mode{Fine, Atomic}, Workers: runtime.GOMAXPROCS(0), Each: func(r *Result) {
		if len(r.Bad) > 0 {
			t.Errorf("seed %d, %s: %q\nreplay it: go run ./test/sim/cmd/simulate -seed %d -mode %s -v", r.Seed, r.Mode, r.Bad, r.Seed, r.Mode)
		}
	}}
	total := batch.Run()
	t.Logf("\n%s", &total)
	if total.Least < leastUnconfirmed {
		t.Errorf("a schedule had %d faults while something was unconfirmed", total.Least)
	}
	for k, n := range total.Faults {
		if n == 0 {
			t.Errorf("no schedule had the fault %q", FaultKind(k))
		}
	}
	if hit := total.Cells.Impossible(); len(hit) > 0 {
		t.Errorf("the catalogue says that these cannot be: %q", hit)
	}
	// The run of `make simulate` hits each of them 100 times. This one is smaller.
	if missed := total.Cells.Thin(1); len(missed) > len(possible)/20 && !underRace {
		t.Errorf("%d of %d states were hit by no fault that can hit them: %q", len(missed), len(possible), missed)
	}
}

func BenchmarkSchedule(b *testing.B) {
	r := NewRunner()
	b.ReportAllocs()
	for i := range b.N {
		r.Run(uint64(i+1), Mode(i%2))
	}
}
