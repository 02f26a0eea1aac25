package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report gathers what schedules have shown.
type Report struct {
	Schedules, Violated int
	broker              int
	confirmed           int
	rows                map[Kind]*row
}

type row struct {
	times, lost, duplicated int
	recoveries              []time.Duration
}

// Add takes in a schedule.
func (r *Report) Add(one *Result) {
	r.Schedules++
	switch {
	case one.Broker:
		r.broker++
		return
	case len(one.Bad) > 0:
		r.Violated++
	}
	r.confirmed += one.Fates.Confirmed
	if r.rows == nil {
		r.rows = map[Kind]*row{}
	}
	for i := range one.Struck {
		k := one.Struck[i].Kind
		if r.rows[k] == nil {
			r.rows[k] = &row{}
		}
		r.rows[k].times++
		if recovery := one.Recoveries[i]; recovery.Took > 0 && recovery.Alone {
			r.rows[k].recoveries = append(r.rows[k].recoveries, recovery.Took)
		}
	}
	for _, at := range one.Fates.LostAt {
		if row := r.blame(one.Struck, at); row != nil {
			row.lost++
		}
	}
	for _, at := range one.Fates.DuplicatedAt {
		if row := r.blame(one.Struck, at); row != nil {
			row.duplicated++
		}
	}
}

// blame gives the row of the fault that had struck last.
func (r *Report) blame(struck []Struck, at time.Duration) *row {
	for i := len(struck) - 1; i >= 0; i-- {
		if struck[i].Hit <= at {
			return r.rows[struck[i].Kind]
		}
	}
	return nil
}

// Markdown is the table.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("| fault | times | lost | duplicated | recovery p50 | p99 |\n|---|--:|--:|--:|--:|--:|\n")
	for _, k := range append(kinds(), clusterKinds()...) {
		row := r.rows[k]
		if row == nil {
			continue
		}
		slices.Sort(row.recoveries)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s | %s |\n", k, row.times, row.lost, row.duplicated, quantile(row.recoveries, 0.5), quantile(row.recoveries, 0.99))
	}
	fmt.Fprintf(&b, "\n%d schedules, %d records confirmed, %d schedules violated a promise", r.Schedules, r.confirmed, r.Violated)
	if r.broker > 0 {
		fmt.Fprintf(&b, "; %d are not counted, in which the broker itself did not get its queue or stream up again", r.broker)
	}
	b.WriteString(".\n")
	return b.String()
}

// quantile gives the smallest value that q of all are at or below; values are sorted.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "–"
	}
	i := int(q*float64(len(sorted))+0.999999) - 1
	v := sorted[min(max(i, 0), len(sorted)-1)]
	if v < time.Second {
		return fmt.Sprintf("%d ms", v.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", v.Seconds())
}
