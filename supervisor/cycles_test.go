package supervisor

import (
	"testing"

	"github.com/d2e2d648/weir/messages"
)

// Between two health checks the last cycles are kept, as many as the aggregator looks at, in their order.
func TestTheLastCyclesAreKept(t *testing.T) {
	var c cycles
	n := 0
	for _, more := range []int{0, 1, 10, 11, 12, 40, 3} {
		for range more {
			n++
			c.add(messages.Cycle{Records: n})
		}
		got := c.take()
		if len(got) != min(more, cyclesMost) {
			t.Fatalf("%d cycles after %d", len(got), more)
		}
		for i, cycle := range got {
			if want := n - len(got) + 1 + i; cycle.Records != want {
				t.Errorf("cycle %d of %d is number %d, want %d", i, len(got), cycle.Records, want)
			}
		}
	}
}
