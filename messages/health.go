package messages

import "time"

// Between a supervisor and its health ticker and metrics aggregator:
//
//	health ticker → supervisor        Tick       every 2 s: a health check is due
//	supervisor → metrics aggregator   Cycles     read or write calls have ended
//	supervisor → metrics aggregator   Measure    a health check is due
//	metrics aggregator → supervisor   Measured   the answer

type (
	// Tick says that a health check is due.
	Tick struct{ From }

	// Cycles says that read or write calls have ended, in their order.
	Cycles struct {
		Epoch  uint64
		Cycles []Cycle
	}

	// Cycle is one call of so many records, which may be 0, that ended at that time.
	Cycle struct {
		At      time.Time
		Records int
	}

	// Measure asks for the metrics as of that time.
	Measure struct {
		Epoch uint64
		At    time.Time
	}

	// Measured answers Measure.
	Measured struct {
		From
		Metrics Metrics
	}
)

// Metrics are computed over the last 10 cycles (wire contract, "Metrics"). Times are in milliseconds; a zero denominator gives 0.
type Metrics struct {
	SinceLastCycle  int64
	TimePerCycle    float64
	TimePerRecord   float64
	RecordsPerCycle float64
}
