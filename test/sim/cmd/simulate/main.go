// Simulate runs schedules of the deterministic simulation and says what struck whom in which state, how fast it went, and what was violated, with the smallest schedule that is violated so and the command
// that replays it.
//
//	simulate [-seeds N] [-from N] [-mode fine|atomic|both] [-first] [-hashes] [-cells] [-report FILE]
//	simulate -seed N -mode fine|atomic [-only 2,5] [-withdrawals=false] [-records N] [-v]
//
// An interrupt ends many schedules early: it says what there is by then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/d2e2d648/weir/test/page"
	"github.com/d2e2d648/weir/test/sim"
)

type flags struct {
	seeds, workers  int
	from, seed      uint64
	mode, only      string
	withdrawals     bool
	records         int
	verbose, first  bool
	hashes, cells   bool
	report, profile string
	modes           []sim.Mode
	shrink, shrunk  int
}

func main() { os.Exit(run()) }

func run() int {
	var f flags
	flag.IntVar(&f.seeds, "seeds", 1000, "how many seeds")
	flag.Uint64Var(&f.from, "from", 1, "the first seed")
	flag.Uint64Var(&f.seed, "seed", 0, "run only this seed")
	flag.StringVar(&f.mode, "mode", "both", "fine, atomic, or both: each seed in either mode")
	flag.StringVar(&f.only, "only", "", "with -seed: keep only the faults of these numbers; 0: none")
	flag.BoolVar(&f.withdrawals, "withdrawals", true, "with -seed: users withdraw writes")
	flag.IntVar(&f.records, "records", 0, "with -seed: the most records that are written; 0: as drawn")
	flag.BoolVar(&f.verbose, "v", false, "with -seed: print the schedule as text")
	flag.BoolVar(&f.first, "first", false, "stop at the first violation")
	flag.BoolVar(&f.hashes, "hashes", false, "print the hash of each trace")
	flag.BoolVar(&f.cells, "cells", false, "print how often each fault struck each actor in each of its states, and fail where a state was hit less than 100 times")
	flag.IntVar(&f.shrink, "shrink", 3, "how many violated schedules to make smaller")
	flag.IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "how many schedules run at a time")
	flag.StringVar(&f.report, "report", "", "write the table into this file, between its markers")
	flag.StringVar(&f.profile, "profile", "", "write a CPU profile to this file")
	flag.Parse()

	known := false
	if f.modes, known = map[string][]sim.Mode{"fine": {sim.Fine}, "atomic": {sim.Atomic}, "both": {sim.Fine, sim.Atomic}}[f.mode]; !known {
		fmt.Fprintf(os.Stderr, "unknown mode %q: it is fine, atomic or both\n", f.mode)
		return 2
	}
	if f.profile != "" {
		file, err := os.Create(f.profile)
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		defer pprof.StopCPUProfile()
	}
	debug.SetGCPercent(400) // schedules leave much behind, and little of it lives
	if f.seed != 0 {
		return f.one()
	}
	return f.many()
}

// one runs one seed, the whole of it or what of it is kept.
func (f *flags) one() int {
	leave := sim.Leave{Withdrawals: !f.withdrawals, Records: f.records}
	for number := range strings.SplitSeq(f.only, ",") {
		if number == "" {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			fmt.Fprintf(os.Stderr, "-only %s: %v\n", f.only, err)
			return 2
		}
		leave.Only = append(leave.Only, n)
	}
	failed := 0
	for _, mode := range f.modes {
		r := sim.NewRunner()
		if f.verbose {
			r.Log = os.Stdout
		}
		result := r.RunWithout(f.seed, mode, leave)
		fmt.Printf("seed %d, %s: %d faults drawn, %d struck, %d of them while something was unconfirmed; %d records delivered, %s of virtual time, trace %016x\n", f.seed, mode, result.Drawn,
			result.Injected, result.WhileUnconfirmed, result.Delivered, result.Virtual, result.Hash)
		if len(result.Bad) > 0 {
			failed = 1
			f.violated(&result, leave)
		}
	}
	return failed
}

// violated says what is, and how to see it again. What was not made smaller yet is.
func (f *flags) violated(r *sim.Result, leave sim.Leave) {
	fmt.Printf("VIOLATED, seed %d, %s:\n", r.Seed, r.Mode)
	for _, text := range r.Bad {
		fmt.Printf("  %s\n", text)
	}
	fmt.Printf("  go run ./test/sim/cmd/simulate -seed %d -mode %s%s -v\n", r.Seed, r.Mode, leave.Flags())
	if leave.Flags() != "" || f.shrunk == f.shrink {
		return
	}
	f.shrunk++
	if s := sim.NewRunner().Shrink(r.Seed, r.Mode); s != nil {
		fmt.Printf("smallest, of %d that were tried, with %d of %d faults: %s\n  %s\n", s.Runs, len(s.Leave.Only), s.Drawn, s.Result.Bad[0], s.Command())
	}
}

func (f *flags) many() int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	batch := sim.Batch{From: f.from, Seeds: f.seeds, Modes: f.modes, Workers: f.workers, First: f.first, Stop: ctx.Done()}
	done, violated, told := 0, 0, time.Now()
	batch.Each = func(r *sim.Result) {
		done++
		if f.hashes {
			fmt.Printf("%d %s %016x\n", r.Seed, r.Mode, r.Hash)
		}
		if len(r.Bad) > 0 {
			violated++
			f.violated(r, sim.Leave{})
		}
		if time.Since(told) >= 10*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "%d of %d schedules, %d violated\n", done, f.seeds*len(f.modes), violated)
		}
	}
	total := batch.Run()
	failed := 0
	if total.Violated > 0 {
		failed = 1
	}
	if !f.hashes {
		fmt.Print(&total)
	}
	if f.cells {
		thin, impossible := total.Cells.Thin(sim.LeastHits), total.Cells.Impossible()
		fmt.Printf("\n%s\n", total.Cells.Markdown())
		for _, text := range append(thin, impossible...) {
			fmt.Println(text)
		}
		if len(thin)+len(impossible) > 0 {
			fmt.Printf("%d states were hit less than %d times, %d that cannot be were hit\n", len(thin), sim.LeastHits, len(impossible))
			failed = 1
		}
	}
	if f.report != "" {
		text := total.Markdown() + fmt.Sprintf("\n`make simulate SEEDS=%d`, %d cores, %s, %s.\n", total.Schedules/len(f.modes), runtime.NumCPU(), runtime.Version(), total.Took.Round(time.Second))
		if err := page.Write(f.report, "simulation schedules", text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = 1
		}
	}
	return failed
}
