package supervisor

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// cycles gathers the ends of read and write calls for the metrics aggregator, so that a fast caller does not cost a message a call.
type cycles struct {
	gathered []messages.Cycle
	flushed  time.Time
}

const (
	cyclesMost  = 10
	cyclesPause = 10 * time.Millisecond
)

// cycle notes that a read or write call ended.
func (c *channel) cycle(ctx actor.Context, records int) {
	if c.metrics == nil || c.cfg.NoMetrics {
		return
	}
	now := c.now()
	c.cycles.gathered = append(c.cycles.gathered, messages.Cycle{At: now, Records: records})
	if len(c.cycles.gathered) >= cyclesMost || now.Sub(c.cycles.flushed) >= cyclesPause {
		c.flushCycles(ctx)
	}
}

func (c *channel) flushCycles(ctx actor.Context) {
	if len(c.cycles.gathered) == 0 {
		return
	}
	if c.metrics.ready {
		ctx.Send(c.metrics.pid, &messages.Cycles{Epoch: c.metrics.epoch, Cycles: c.cycles.gathered})
	}
	c.cycles = cycles{flushed: c.now()}
}
