// Simulate runs schedules of the deterministic simulation and says what was injected, how fast it went, and what was violated, with the command that
// replays it.
//
//	simulate [-seeds N] [-from N] [-mode fine|atomic|both] [-first] [-hashes]
//	simulate -seed N -mode fine|atomic [-v]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"

	"github.com/d2e2d648/weir/test/sim"
)

func main() { os.Exit(run()) }

func run() int {
	seeds := flag.Int("seeds", 1000, "how many seeds")
	from := flag.Uint64("from", 1, "the first seed")
	seed := flag.Uint64("seed", 0, "run only this seed")
	mode := flag.String("mode", "both", "fine, atomic, or both: each seed in either mode")
	verbose := flag.Bool("v", false, "with -seed: print the schedule as text")
	first := flag.Bool("first", false, "stop at the first violation")
	hashes := flag.Bool("hashes", false, "print the hash of each trace")
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "how many schedules run at a time")
	profile := flag.String("profile", "", "write a CPU profile to this file")
	flag.Parse()

	modes, known := map[string][]sim.Mode{"fine": {sim.Fine}, "atomic": {sim.Atomic}, "both": {sim.Fine, sim.Atomic}}[*mode]
	if !known {
		fmt.Fprintf(os.Stderr, "unknown mode %q: it is fine, atomic or both\n", *mode)
		return 2
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		if err := pprof.StartCPUProfile(f); err == nil {
			defer pprof.StopCPUProfile()
		}
	}
	debug.SetGCPercent(400) // schedules leave much behind, and little of it lives
	batch := sim.Batch{From: *from, Seeds: *seeds, Modes: modes, Workers: *workers, First: *first}
	if *seed != 0 {
		batch.From, batch.Seeds, batch.Workers = *seed, 1, 1
		if *verbose {
			batch.Log = os.Stdout
		}
	}
	batch.Each = func(r *sim.Result) {
		if *hashes {
			fmt.Printf("%d %s %016x\n", r.Seed, r.Mode, r.Hash)
		}
		if len(r.Bad) > 0 {
			fmt.Printf("VIOLATED, seed %d, %s:\n", r.Seed, r.Mode)
			for _, text := range r.Bad {
				fmt.Printf("  %s\n", text)
			}
			fmt.Printf("  go run ./test/sim/cmd/simulate -seed %d -mode %s -v\n", r.Seed, r.Mode)
		}
	}
	total := batch.Run()
	if !*hashes {
		fmt.Print(&total)
	}
	if total.Violated > 0 {
		return 1
	}
	return 0
}
