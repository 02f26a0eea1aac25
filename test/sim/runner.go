package sim

import (
	"io"
	"time"
)

// Result is what came of one schedule.
type Result struct {
	Seed    uint64
	Mode    Mode
	Hash    uint64 // of the trace
	Steps   int
	Virtual time.Duration

	Delivered  int // different records
	Duplicates int
	Incidents  int // children that failed
	Failed     int // channels that failed, and were opened again
	Abandoned  int
	Nacked     int
	Ordered    int // 1: the order was promised and checked
	Outcomes   [4]int

	Faults           []FaultCount
	Injected         int // faults that struck
	WhileUnconfirmed int // of those, while a Write was under way

	Bad []string // what was violated
}

// FaultCount says how often a kind of fault was injected.
type FaultCount struct {
	Kind  string
	Count int
}

// Runner runs schedules one after another. It is one goroutine's.
type Runner struct {
	w *World
	// Log, if set, gets the schedules as text.
	Log io.Writer
}

// NewRunner makes a runner with an actor system of its own.
func NewRunner() *Runner { return &Runner{w: newWorld()} }

// Run runs the schedule of a seed.
func (r *Runner) Run(seed uint64, mode Mode) Result {
	r.w.Reset(seed, mode)
	r.w.Log = r.Log
	x := &run{w: r.w, result: Result{Seed: seed, Mode: mode}}
	x.schedule()
	return x.result
}
