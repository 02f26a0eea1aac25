package supervisor

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// cycles gathers the ends of read and write calls for the metrics aggregator until a health check asks it for its figures. It looks at the last ones alone, so no others are
// kept: a fast caller costs it nothing.
type cycles struct {
	gathered [cyclesMost]messages.Cycle // a ring
	count    int                        // of it that is used
	next     int
}

// cyclesMost cycles have ten pauses between them, which is what the aggregator looks at.
const cyclesMost = 11

func (c *cycles) add(m messages.Cycle) {
	c.gathered[c.next] = m
	c.next = (c.next + 1) % cyclesMost
	c.count = min(c.count+1, cyclesMost)
}

// take gives them in their order.
func (c *cycles) take() []messages.Cycle {
	out := make([]messages.Cycle, 0, c.count)
	for i := range c.count {
		out = append(out, c.gathered[(c.next+cyclesMost-c.count+i)%cyclesMost])
	}
	*c = cycles{}
	return out
}

// cycle notes that a read or write call ended.
func (c *channel) cycle(records int) {
	if c.metrics != nil && !c.cfg.NoMetrics {
		c.cycles.add(messages.Cycle{At: c.now(), Records: records})
	}
}

func (c *channel) flushCycles(ctx actor.Context) {
	if c.cycles.count > 0 && c.metrics.ready {
		ctx.Send(c.metrics.pid, &messages.Cycles{Epoch: c.metrics.epoch, Cycles: c.cycles.take()})
	}
}
