package sim

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// Batch is many schedules, run by several workers: one world each, for a world is one goroutine's.
type Batch struct {
	From    uint64 // the first seed
	Seeds   int
	Modes   []Mode
	Workers int
	// First stops at the first violation.
	First bool
	// Stop, unless nil, ends the batch early when it is closed.
	Stop <-chan struct{}
	// Log, if set, gets the schedules as text; there must be one worker only.
	Log io.Writer
	// Each, if set, is called with each result, one at a time, in no order.
	Each func(*Result)
}

// Total sums up a batch.
type Total struct {
	Schedules, Violated, Steps               int
	Took, Virtual                            time.Duration
	Delivered, Duplicates, Incidents, Failed int
	Abandoned, Nacked, Ordered               int
	Outcomes                                 [4]int
	Injected, WhileUnconfirmed               int
	Least                                    int // faults while something was unconfirmed, in the schedule that had the fewest
	Faults                                   [faultKinds]int
	Cells                                    Cells
}

// Run runs the batch.
func (b *Batch) Run() Total {
	var mu sync.Mutex
	var workers sync.WaitGroup
	begin, next, stop := time.Now(), 0, false
	total := Total{Least: -1}
	take := func() (seed uint64, mode Mode, any bool) {
		mu.Lock()
		defer mu.Unlock()
		select {
		case <-b.Stop:
			stop = true
		default:
		}
		if stop || next == b.Seeds*len(b.Modes) {
			return 0, 0, false
		}
		i := next
		next++
		return b.From + uint64(i/len(b.Modes)), b.Modes[i%len(b.Modes)], true
	}
	for range max(1, b.Workers) {
		workers.Go(func() {
			r := NewRunner()
			r.Log = b.Log
			for seed, mode, any := take(); any; seed, mode, any = take() {
				result := r.Run(seed, mode)
				mu.Lock()
				total.add(&result)
				if b.Each != nil {
					b.Each(&result)
				}
				stop = stop || b.First && len(result.Bad) > 0
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	total.Took = time.Since(begin)
	return total
}

func (t *Total) add(r *Result) {
	t.Schedules++
	if len(r.Bad) > 0 {
		t.Violated++
	}
	t.Steps += r.Steps
	t.Virtual += r.Virtual
	t.Delivered += r.Delivered
	t.Duplicates += r.Duplicates
	t.Incidents += r.Incidents
	t.Failed += r.Failed
	t.Abandoned += r.Abandoned
	t.Nacked += r.Nacked
	t.Ordered += r.Ordered
	t.Injected += r.Injected
	t.WhileUnconfirmed += r.WhileUnconfirmed
	if t.Least < 0 || r.WhileUnconfirmed < t.Least {
		t.Least = r.WhileUnconfirmed
	}
	for i, n := range r.Outcomes {
		t.Outcomes[i] += n
	}
	for k, n := range r.Faults {
		t.Faults[k] += n
	}
	t.Cells.add(r.Cells)
}

// String gives the sum as text.
func (t *Total) String() string {
	var s strings.Builder
	n := float64(max(t.Schedules, 1))
	fmt.Fprintf(&s, "%d schedules in %s: %.0f a second; %.0f steps each, %.0f ns a step; %s of virtual time\n", t.Schedules,
		t.Took.Round(time.Millisecond), n/t.Took.Seconds(), float64(t.Steps)/n, float64(t.Took.Nanoseconds())/float64(max(t.Steps, 1)), t.Virtual.Round(time.Second))
	fmt.Fprintf(&s, "violated: %d\n", t.Violated)
	fmt.Fprintf(&s, "records: %d delivered, %d again, %d nacked and sent again;", t.Delivered, t.Duplicates, t.Nacked)
	for i, n := range t.Outcomes {
		fmt.Fprintf(&s, " %d %s", n, messages.Outcome(i))
	}
	fmt.Fprintf(&s, "\nchildren that failed: %d (%.1f a schedule), hung for good: %d; channels that failed and were opened again: %d; order checked in %d schedules\n",
		t.Incidents, float64(t.Incidents)/n, t.Abandoned, t.Failed, t.Ordered)
	fmt.Fprintf(&s, "faults: %d, of them %d while something was unconfirmed, at least %d in each schedule\n", t.Injected, t.WhileUnconfirmed, t.Least)
	for k, n := range t.Faults {
		fmt.Fprintf(&s, "  %-32s %8d\n", FaultKind(k), n)
	}
	return s.String()
}
