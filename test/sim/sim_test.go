package sim

import (
	"runtime"
	"testing"
)

// schedules is how many seeds each test runs in either mode.
var schedules = scaled(1000)

// scaled is a number of seeds; the race detector makes a schedule many times slower, and finds nothing more in later ones: one thread runs them all.
func scaled(n int) int {
	if underRace {
		return n / 5
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
	if total.Least < 1 {
		t.Error("a schedule had no fault while something was unconfirmed")
	}
	for _, kind := range []string{"publisher cut", "consumer cut", "all cut", "confirms lost", "confirms twice", "confirms out of order", "records twice",
		"publisher's black hole", "consumer's black hole", "broker silent", "openings hang", "connections refused", "refused beyond the grace window", "alarm",
		"slow", "queue deleted", "status stream deleted", "exchange deleted", "process killed", "closed in mid-run", "write withdrawn", "child: panic before",
		"child: panic within", "child: freeze", "child: stall", "child: goexit", "child: panic in stopping"} {
		if total.count(kind) == 0 {
			t.Errorf("no schedule had the fault %q", kind)
		}
	}
}

func (t *Total) count(kind string) int {
	for _, f := range t.Faults {
		if false {
			return f.Count
		}
	}
	return 0
}

func BenchmarkSchedule(b *testing.B) {
	r := NewRunner()
	b.ReportAllocs()
	for i := range b.N {
		r.Run(uint64(i+1), Mode(i%2))
	}
}
