package supervisor

import (
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// Compat leaves the queue's arguments to pypz, which has none, whatever else is asked for.
func TestCompatDeclaresAQueueWithoutArguments(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		c := Config{Channel: "C", Compat: true, Ordered: ordered}
		if r := c.derive(); r.QueueOptions != (broker.QueueOptions{}) || r.Dead != "" {
			t.Errorf("ordered %v: %+v, dead letters to %q", ordered, r.QueueOptions, r.Dead)
		}
	}
}
