package matrix

import (
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/sim"
)

// Outcome is what came of a cell.
type Outcome struct {
	Cell
	// Recovered is how long it took until the actor's successor was ready, or where none was needed any more until its end had closed.
	Recovered time.Duration
	// Failed is how long it took until the channel had failed; Failure its error.
	Failed  time.Duration
	Failure error
	// Left is what the Close said that it had to leave.
	Left error
	// Wrong is what must not be.
	Wrong []string
}

// worker runs lives one after another.
type worker struct {
	w    *sim.World
	seed uint64
}

func newWorker(seed uint64) *worker { return &worker{sim.NewWorld(seed), seed} }

// end lets go of the goroutines that hang.
func (w *worker) end() { w.w.Reset(w.seed, sim.Fine) }

func (w *worker) run(c Cell, passed func(Point), log io.Writer) *run {
	w.w.Log = nil
	w.w.Reset(w.seed, sim.Fine)
	w.w.Log = log
	w.w.Broker().SetHeartbeat(2 * actors.RequestDeadline) // a request that is not answered is given up before
	r := &run{w: w.w, cell: c, passed: passed, cut: map[string]time.Duration{}}
	r.ledger = ledger.New(w.w.Time, 1, 32, 1+callers, 0)
	r.writer, r.reader = &end{r: r, side: "writer"}, &end{r: r, side: "reader"}
	r.live()
	if len(r.wrong) == 0 {
		r.check()
	}
	return r
}

// Points gives the points that a life without a fault passes, in their order, and what was wrong with it.
func Points(seed uint64, stream bool, log io.Writer) (points []Point, wrong []string) {
	seen := map[Point]bool{}
	w := newWorker(seed)
	defer w.end()
	r := w.run(Cell{Point: Point{Stream: stream}}, func(p Point) {
		if !seen[p] {
			seen[p] = true
			points = append(points, p)
		}
	}, log)
	return points, r.wrong
}

// Cells gives all that there are at the points: every actor can fail in every way, but for the supervisor: one that hangs nobody watches, and one that fails is not there to fail again.
func Cells(points []Point) (cells []Cell) {
	for _, p := range points {
		for k := range kinds {
			if p.Actor != Supervisor || k != Hang && k != Again {
				cells = append(cells, Cell{p, k})
			}
		}
	}
	return cells
}

// One runs a cell.
func One(seed uint64, c Cell, log io.Writer) *Outcome {
	w := newWorker(seed)
	defer w.end()
	return w.one(c, log)
}

func (w *worker) one(c Cell, log io.Writer) *Outcome {
	r := w.run(c, nil, log)
	o := &Outcome{Cell: c, Wrong: r.wrong}
	if s := r.struck; s != nil {
		o.Failure, o.Left = s.failure, s.left
		switch {
		case s.failed > 0:
			o.Failed = s.failed - s.at
		case s.up > 0:
			o.Recovered = s.up - s.at
		case s.closed > s.at:
			o.Recovered = s.closed - s.at
		}
	}
	return o
}

// Run runs all the cells, on all cores, and gives what came of each in their order.
func Run(seed uint64, cells []Cell) []*Outcome {
	out := make([]*Outcome, len(cells))
	next := make(chan int, len(cells))
	for i := range cells {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			w := newWorker(seed)
			defer w.end()
			for i := range next {
				out[i] = w.one(cells[i], nil)
			}
		})
	}
	workers.Wait()
	return out
}
