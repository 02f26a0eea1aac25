package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Channels that open at the same moment say that they are well at moments of their own, spread over the whole interval: at first, and after an outage that hits all at once and all have come back from.
func TestHealthChecksAreNotInStep(t *testing.T) {
	const n, slots, interval = 100, 10, 2 * time.Second
	b := newBed(t)
	var all []*end
	for i := range n {
		all = append(all, b.writer(named(fmt.Sprint("writer-", i)), func(c *supervisor.Config) { c.Channel = fmt.Sprint("channel-", i) }))
	}
	for _, e := range all {
		e.opened()
	}
	b.world.RunFor(10 * time.Second)
	spread := func(when string) {
		t.Helper()
		var said [slots]int
		b.inject = func(_ string, msg any) {
			if m, ok := msg.(*messages.SendStatus); ok && m.Status.Kind == messages.StatusHealthCheck {
				said[b.world.Now()%interval*slots/interval]++
			}
		}
		b.world.RunFor(5 * interval)
		for slot, k := range said {
			if k < 5*n/slots/5 || k > 5*n/slots*5/2 {
				t.Errorf("%s: %d health checks in tenth %d of the interval, %d on average: %d", when, k, slot, 5*n/slots, said)
			}
		}
	}
	spread("after the opening")
	b.world.Broker().Cut()
	b.world.Broker().RefuseFor(20 * time.Second)
	b.world.RunFor(40 * time.Second)
	for _, e := range all {
		if len(seen[*messages.ChildFailed](e)) == 0 || !e.child(messages.StatusProducer).Ready {
			t.Fatalf("%s was not hit, or is not back", e.name)
		}
	}
	spread("after an outage")
}
