package matrix

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// Print writes a line for each cell: where, how, and what came of it.
func Print(w io.Writer, outcomes []*Outcome) {
	for _, o := range outcomes {
		fmt.Fprintf(w, "%-6s %-6s %-18s %-9s %-6s %-45s %-14s %s\n", o.plane(), o.End, o.Actor, o.Phase, o.when(), o.Message, o.Kind, o.Verdict())
	}
}

// Verdict says what came of it.
func (o *Outcome) Verdict() string {
	switch {
	case len(o.Wrong) > 0:
		return "WRONG: " + strings.Join(o.Wrong, "; ")
	case o.Failure != nil:
		return fmt.Sprintf("failed after %s: %v", milliseconds(o.Failed), o.Failure)
	case o.Left != nil:
		return fmt.Sprintf("closed after %s: %v", milliseconds(o.Recovered), o.Left)
	}
	return "recovered in " + milliseconds(o.Recovered)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// row sums up the cells of an actor and a way to fail.
type row struct {
	cells, failed, left, wrong int
	recovered                  []time.Duration
}

func (r *row) add(o *Outcome) {
	r.cells++
	switch {
	case len(o.Wrong) > 0:
		r.wrong++
	case o.Failure != nil:
		r.failed++
	case o.Left != nil:
		r.left++
	default:
		r.recovered = append(r.recovered, o.Recovered)
	}
}

// Markdown sums up: a row for each actor and way to fail.
func Markdown(outcomes []*Outcome) string {
	type key struct {
		actor messages.Child
		kind  Kind
	}
	rows, points := map[key]*row{}, map[messages.Child]map[Point]bool{}
	total := &row{}
	for _, o := range outcomes {
		k := key{o.Actor, o.Kind}
		if rows[k] == nil {
			rows[k] = &row{}
		}
		if points[o.Actor] == nil {
			points[o.Actor] = map[Point]bool{}
		}
		points[o.Actor][o.Point] = true
		rows[k].add(o)
		total.add(o)
	}
	var b strings.Builder
	b.WriteString("| actor | points | fault | recovered | p50 | p99 | longest | closed, and said what is not certain | failed, typed | wrong |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, actor := range []messages.Child{messages.DataProducer, messages.DataConsumer, messages.StatusProducer, messages.StatusConsumer, messages.MemberConsumer, messages.HealthTicker,
		messages.MetricsAggregator, messages.Topology, Supervisor} {
		for kind := range kinds {
			r := rows[key{actor, kind}]
			if r == nil {
				continue
			}
			slices.Sort(r.recovered)
			fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s | %s | %d | %d | %d |\n", actor, len(points[actor]), kind, len(r.recovered), quantile(r.recovered, 0.5), quantile(r.recovered, 0.99), quantile(r.recovered, 1),
				r.left, r.failed, r.wrong)
		}
	}
	fmt.Fprintf(&b, "\n%d cells: %d recovered, %d closed and said what is not certain, %d failed with a typed error, %d wrong.\n", total.cells, len(total.recovered), total.left, total.failed, total.wrong)
	return b.String()
}

// quantile gives the smallest value that q of all are at or below; values are sorted.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "–"
	}
	v := sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
	if v < time.Second {
		return fmt.Sprintf("%d ms", v.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", v.Seconds())
}
