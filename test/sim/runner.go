package sim

import (
	"io"
	"slices"
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

	Drawn            int             // faults that were drawn: some never strike, since nothing comes that they are for
	Faults           [faultKinds]int // that struck, by kind
	Injected         int             // of all kinds
	WhileUnconfirmed int             // of those, while a Write was under way
	Cells            *Cells

	Bad []string // what was violated
}

// Leave says what is left out of a schedule. The zero value leaves out nothing.
type Leave struct {
	// Only, unless nil, are the faults that are kept, by their numbers: 1 to Result.Drawn.
	Only []int
	// Withdrawals leaves out those of users. Records, unless 0, is how many records are written at most.
	Withdrawals bool
	Records     int
}

func (l *Leave) keeps(n int) bool { return l.Only == nil || slices.Contains(l.Only, n) }

// Runner runs schedules one after another. It is one goroutine's.
type Runner struct {
	w *World
	// Log, if set, gets the schedules as text.
	Log io.Writer
}

// NewRunner makes a runner with an actor system of its own.
func NewRunner() *Runner { return &Runner{w: newWorld()} }

// Run runs the schedule of a seed.
func (r *Runner) Run(seed uint64, mode Mode) Result { return r.RunWithout(seed, mode, Leave{}) }

// RunWithout is Run, but for what is left out.
func (r *Runner) RunWithout(seed uint64, mode Mode, leave Leave) Result {
	r.w.Reset(seed, mode)
	r.w.Log = r.Log
	x := &run{w: r.w, leave: leave, result: Result{Seed: seed, Mode: mode, Cells: &Cells{}}}
	x.schedule()
	return x.result
}
