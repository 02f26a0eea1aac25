package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// metricCycles is how many cycles the figures are computed over.
const metricCycles = 10

// MetricsAggregator computes the figures of the last cycles. A cycle is one read or write call, empty ones too. An interval between the ends of two calls is
// kept with the count of the earlier one, as pypz does it (wire contract, "Metrics").
//
// From its supervisor it receives Cycles, Measure and Ping. It sends Ready, Measured, Pong. It has nothing open at the broker; a new incarnation begins without figures.
type MetricsAggregator struct {
	Incarnation
	cycles  [metricCycles]cycle // a ring
	count   int                 // of the ring that is used
	next    int                 // of the ring
	last    time.Time           // end of the last call; zero before the first
	records int                 // of the last call
}

type cycle struct {
	took    time.Duration
	records int
}

// NewMetricsAggregator makes one incarnation.
func NewMetricsAggregator(in Incarnation) *MetricsAggregator {
	return &MetricsAggregator{Incarnation: in}
}

// Receive implements actor.Actor.
func (a *MetricsAggregator) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *messages.Cycles:
		for _, c := range m.Cycles {
			a.cycle(c)
		}
	case *messages.Measure:
		ctx.Send(a.Parent, &messages.Measured{From: a.From, Metrics: a.measure(m.At)})
	case *actor.Started:
		a.ready(ctx)
	default:
		a.common(ctx, m)
	}
}

func (a *MetricsAggregator) cycle(m messages.Cycle) {
	if !a.last.IsZero() {
		a.cycles[a.next] = cycle{m.At.Sub(a.last), a.records}
		a.next = (a.next + 1) % metricCycles
		a.count = min(a.count+1, metricCycles)
	}
	a.last, a.records = m.At, m.Records
}

func (a *MetricsAggregator) measure(now time.Time) messages.Metrics {
	var took time.Duration
	records := 0
	for _, c := range a.cycles[:a.count] {
		took += c.took
		records += c.records
	}
	milliseconds := float64(took) / float64(time.Millisecond)
	var m messages.Metrics
	if !a.last.IsZero() {
		m.SinceLastCycle = now.Sub(a.last).Milliseconds()
	}
	if a.count > 0 {
		m.TimePerCycle = milliseconds / float64(a.count)
		m.RecordsPerCycle = float64(records) / float64(a.count)
	}
	if records > 0 {
		m.TimePerRecord = milliseconds / float64(records)
	}
	return m
}
