package rabbitstream

import (
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// What the broker may send ahead is bounded by its size: ten chunks where they are small, two where they are large, and no more than that beyond what the prefetch lets through.
func TestCreditIsBoundedByBytes(t *testing.T) {
	const small, large = 100 << 10, 16 << 20
	c := newConsumer(broker.ConsumerConfig{Queue: "s", Prefetch: 100, MaxBatch: 100, Stream: &broker.StreamOffset{}}, "test")
	c.state = open
	arrives := func(records, size int) (credits int) {
		t.Helper()
		c.keep(make([]broker.Record, records), size)
		_, more := c.next()
		return int(more)
	}
	outstanding := minCredits
	check := func(what string, want int) {
		t.Helper()
		if outstanding != want || c.onWay+len(c.chunks) != want {
			t.Errorf("%s: %d chunks may come or wait, %d by its account, want %d", what, outstanding, c.onWay+len(c.chunks), want)
		}
	}
	outstanding += arrives(10, small) - 1
	check("small and handed over", maxCredits)
	for range 8 {
		outstanding += arrives(10, large) - 1
	}
	check("large and handed over", minCredits)
	for range minCredits { // 90 are unsettled: ten more are let through
		if more := arrives(50, large); more != 0 {
			t.Errorf("%d more chunks may come, though all that may wait do", more)
		}
	}
	check("large and waiting", minCredits)
	c.settle(1, 50, false)
	_, more := c.next()
	if more != 1 || c.onWay != 1 {
		t.Errorf("one of two chunks is handed over: %d more may come", more)
	}
}
