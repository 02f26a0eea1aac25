package actors

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// The formulas of the wire contract: an interval between two calls' ends carries the earlier call's count; the last 10 are kept.
func TestMetricsFormulas(t *testing.T) {
	type call struct{ at, records int } // at: milliseconds
	every := func(n, step, records int) (calls []call) {
		for i := range n {
			calls = append(calls, call{i * step, records})
		}
		return calls
	}
	for _, test := range []struct {
		name  string
		calls []call
		at    int
		want  messages.Metrics
	}{
		{"no call", nil, 500, messages.Metrics{}},
		{"one call: no interval yet", []call{{100, 5}}, 160, messages.Metrics{SinceLastCycle: 60}},
		{"the interval carries the earlier count", []call{{0, 4}, {10, 1000}}, 10, messages.Metrics{TimePerCycle: 10, TimePerRecord: 2.5, RecordsPerCycle: 4}},
		{"empty calls are cycles", []call{{0, 0}, {10, 0}, {30, 7}}, 37, messages.Metrics{SinceLastCycle: 7, TimePerCycle: 15}},
		{"mixed", []call{{0, 3}, {10, 0}, {40, 9}}, 40, messages.Metrics{TimePerCycle: 20, TimePerRecord: 40.0 / 3, RecordsPerCycle: 1.5}},
		{"ten intervals are kept", append([]call{{-9000, 900}}, every(11, 10, 2)...), 100, messages.Metrics{TimePerCycle: 10, TimePerRecord: 5, RecordsPerCycle: 2}},
		{"the tenth interval still counts", append([]call{{-90, 12}}, every(10, 10, 2)...), 90, messages.Metrics{TimePerCycle: 18, TimePerRecord: 6, RecordsPerCycle: 3}},
		{"two at once", []call{{0, 1}, {0, 1}}, 0, messages.Metrics{RecordsPerCycle: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := NewMetricsAggregator(Incarnation{})
			noon := time.Unix(1_000_000, 0)
			for _, c := range test.calls {
				a.cycle(messages.Cycle{At: noon.Add(time.Duration(c.at) * time.Millisecond), Records: c.records})
			}
			if got := a.measure(noon.Add(time.Duration(test.at) * time.Millisecond)); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestElapsedTimeIsInWholeMilliseconds(t *testing.T) {
	a := NewMetricsAggregator(Incarnation{})
	noon := time.Unix(1_000_000, 0)
	a.cycle(messages.Cycle{At: noon})
	if got := a.measure(noon.Add(1999 * time.Microsecond)).SinceLastCycle; got != 1 {
		t.Errorf("%d ms", got)
	}
}
