package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// What weir is to reach.
const (
	resetHalf, resetMost = 50 * time.Millisecond, 250 * time.Millisecond // p50, p99
	restartBehind        = 100 * time.Millisecond                        // behind the loop by hand in the same restart, p50
)

// never is how long it takes to come back for who does not. It is longer than all else.
const never = time.Duration(math.MaxInt64)

func (v *recovery) report(o options) error {
	about := aboutRecovery(o, time.Since(v.began).Round(time.Second))
	return writeSections(o.report, []section{{"recovery", v.recoveryTables()}, {"storm", stormTable(v.Storms)}, {"recovery-about", about}})
}

func aboutRecovery(o options, took time.Duration) string {
	a := aboutRun(o)
	return fmt.Sprintf("`%s`, %s, weir %s, %s, %s, %s, load before %s, %s.", a.Command, a.Date, a.Weir, a.Broker, strings.Join(a.Peers, ", "), a.Machine, a.Load, took)
}

// took gives how long a client took, in the order of rounds.
func (v *recovery) took(kind, client, fault string) (all []time.Duration) {
	for _, t := range v.Trials {
		if t.Kind != kind || t.Client != client || t.Fault != fault {
			continue
		}
		if !t.Back {
			t.Took = never
		}
		all = append(all, t.Took)
	}
	return all
}

// behindFloor gives by how much a client came later than the first of its kind, in each restart.
func (v *recovery) behindFloor(kind, client, fault string) (all []time.Duration) {
	floor, own := v.byRound(kind, contestants(kind)[0].Name, fault), v.byRound(kind, client, fault)
	for round, took := range own {
		if least, ok := floor[round]; ok && least != never {
			if took != never {
				took -= least
			}
			all = append(all, took)
		}
	}
	return all
}

func (v *recovery) byRound(kind, client, fault string) map[int]time.Duration {
	all := map[int]time.Duration{}
	for _, t := range v.Trials {
		if t.Kind == kind && t.Client == client && t.Fault == fault {
			all[t.Round] = t.Took
			if !t.Back {
				all[t.Round] = never
			}
		}
	}
	return all
}

// at gives the smallest value that q of all are at or below.
func at(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func (v *recovery) recoveryTables() string {
	var b strings.Builder
	b.WriteString("| | client | resets | p50 | p99 | worst | restarts | kill -9, p50 | worst | in order, p50 | worst |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, kind := range recoveryKinds {
		for _, c := range contestants(kind) {
			resets, kills, stops := v.took(kind, c.Name, faultReset), v.took(kind, c.Name, faultKill), v.took(kind, c.Name, faultStop)
			if len(resets)+len(kills)+len(stops) == 0 {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %d + %d | %s | %s | %s | %s |\n", kind, c.Name, len(resets), took(resets, 0.5), took(resets, 0.99), took(resets, 1),
				len(kills), len(stops), took(kills, 0.5), took(kills, 1), took(stops, 0.5), took(stops, 1))
		}
	}
	b.WriteString("\n| goal of weir | measured | goal | |\n|---|--:|--:|---|\n")
	for _, kind := range recoveryKinds {
		if resets := v.took(kind, recoveryWeir, faultReset); len(resets) > 0 {
			goalLine(&b, kind+", reset, p50", at(resets, 0.5), resetHalf)
			goalLine(&b, kind+", reset, p99", at(resets, 0.99), resetMost)
		}
		for _, fault := range []string{faultKill, faultStop} {
			if behind := v.behindFloor(kind, recoveryWeir, fault); len(behind) > 0 {
				goalLine(&b, fmt.Sprintf("%s, %s: behind the loop by hand, p50 (worst %s)", kind, fault, took(behind, 1)), at(behind, 0.5), restartBehind)
			}
		}
	}
	for _, text := range v.Failed {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.ReplaceAll(text, "\n", "; "))
	}
	return b.String()
}

func goalLine(b *strings.Builder, what string, is, goal time.Duration) {
	fmt.Fprintf(b, "| %s | %s | ≤ %s | %s |\n", what, longOrNever(is), longOrNever(goal), reached(is <= goal))
}

func took(all []time.Duration, q float64) string {
	if len(all) == 0 {
		return "–"
	}
	return longOrNever(at(all, q))
}

func longOrNever(d time.Duration) string {
	switch {
	case d == never:
		return "never"
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
}
