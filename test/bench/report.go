package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report writes the tables into the page, and the plot beside it.
func (r *results) report(o options) error {
	sections := []section{
		{"about", r.About.markdown()}, {"goals", r.goalsTable()}, {"results", r.tables()}, {"latency", r.latencyTable()}, {"profiles", r.profileText()}, {"failures", r.failureText()},
	}
	if o.report == "" {
		return writeSections("", sections)
	}
	image := strings.TrimSuffix(o.report, filepath.Ext(o.report)) + ".svg"
	sections = append(sections, section{"plot", fmt.Sprintf("![Ratios of throughput and client CPU to the raw clients](%s)", filepath.Base(image))})
	return errors.Join(writeSections(o.report, sections), os.WriteFile(image, []byte(r.plot()), 0o644))
}

const resultHead = "| client | how | records/s | from – to | × | client CPU, µs | × | allocations | bytes | broker CPU, µs | goal | |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|\n"

// tables has one table for each scene, in the order of the contests.
func (r *results) tables() string {
	var b strings.Builder
	var last scene
	for _, o := range r.Contests {
		if s := o.Contest.Scene; s != last {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "### %s, %s\n\n%s", title(s.Kind), s.sort(), resultHead)
			last = s
		}
		fmt.Fprintf(&b, "| **%s** | | | | | | | | | | | |\n", o.Contest.What)
		for at, e := range o.Contest.Entries {
			b.WriteString(o.line(at, &e))
		}
	}
	if b.Len() == 0 {
		return "Nothing was measured."
	}
	return b.String()
}

func title(kind string) string {
	if kind == streams {
		return "Streams"
	}
	return strings.ToUpper(kind[:1]) + kind[1:] + " queues"
}

func (o *outcome) line(at int, e *entry) string {
	s := o.summary(at)
	if s.Rounds == 0 {
		return fmt.Sprintf("| %s | %s | failed | | | | | | | | %s | %s |\n", e.Client, e.what(), e.Goal, e.Goal.verdict(math.NaN(), math.NaN()))
	}
	return fmt.Sprintf("| %s | %s | %s | %s – %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", e.Client, e.what(), count3(s.Rate), count3(s.Low), count3(s.High),
		times(s.RateRatio), digits(s.Own), times(s.CPURatio), digits(s.Allocs), count3(s.Bytes), digits(s.Broker), e.Goal, e.Goal.verdict(s.RateRatio, s.CPURatio))
}

// goalsTable has everything that weir is to reach.
func (r *results) goalsTable() string {
	var rows strings.Builder
	reached, all := 0, 0
	add := func(what, how, measured, wanted string, v verdict) {
		all++
		if v == met {
			reached++
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", what, how, measured, wanted, v)
	}
	for _, o := range r.Contests {
		for at, e := range o.Contest.Entries {
			if e.Goal == (goal{}) {
				continue
			}
			s := o.summary(at)
			measured := times(s.RateRatio) + " · " + times(s.CPURatio)
			if e.Goal.CPU == 0 {
				measured = times(s.RateRatio)
			}
			add(o.Contest.Name(), e.what(), measured, e.Goal.String(), e.Goal.verdict(s.RateRatio, s.CPURatio))
		}
	}
	for _, kind := range []struct {
		name  string
		least float64
	}{{classic, 10}, {quorum, 6}} {
		x, known := r.streamsOver(kind.name)
		if known {
			add("stream, 100 B, write", "4 callers, × "+kind.name+" queue, 4 callers, both weir", times(x), fmt.Sprintf("≥ %g", kind.least), goal{Rate: kind.least}.verdict(x, 0))
		}
	}
	for _, l := range r.Latencies {
		for at, client := range l.Contest.Clients {
			if at == 0 || client != clientWeir {
				continue
			}
			p50, p99 := l.over(at, 0.5), l.over(at, 0.99)
			add(l.Contest.Name(), "p50 · p99", times(p50)+" · "+times(p99), "≤ 1.1 · ≤ 1.2", latencyVerdict(p50, p99))
		}
	}
	if all == 0 {
		return "No goal was measured."
	}
	return fmt.Sprintf("%d of %d goals are met.\n\n| work | weir | measured | goal | |\n|---|---|---|---|---|\n%s", reached, all, rows.String())
}

func latencyVerdict(p50, p99 float64) verdict {
	if round2(p50) <= 1.1 && round2(p99) <= 1.2 {
		return met
	}
	return unmet
}

// streamsOver is weir's rate of writing into streams over its rate into queues of that kind, by four callers each. It is not known when either was not to be measured.
func (r *results) streamsOver(kind string) (x float64, known bool) {
	find := func(kind string) map[int]sample {
		for _, o := range r.Contests {
			if o.Contest.Scene != (scene{kind, small, formatRaw}) || o.Contest.What != opWrite {
				continue
			}
			for at, e := range o.Contest.Entries {
				if e.Client == clientWeir && e.Work.Callers == 4 {
					return o.Samples[at]
				}
			}
		}
		return nil
	}
	stream, queue := find(streams), find(kind)
	return ratio(stream, queue, sample.rate), stream != nil && queue != nil
}

func (r *results) latencyTable() string {
	if len(r.Latencies) == 0 {
		return "Latency was not measured."
	}
	var b strings.Builder
	b.WriteString("| queue | client | records | p50 | × | p99 | × | p99.9 | × | worst | client CPU, µs |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, l := range r.Latencies {
		for at, client := range l.Contest.Clients {
			h := l.all(at)
			if h.Total == 0 {
				fmt.Fprintf(&b, "| %s | %s | failed | | | | | | | | |\n", l.Contest.Scene.Kind, client)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s |", l.Contest.Scene.Kind, client, thousands(int(h.Total)))
			for _, q := range []float64{0.5, 0.99, 0.999} {
				fmt.Fprintf(&b, " %s | %s |", span(h.quantile(q)), times(l.over(at, q)))
			}
			fmt.Fprintf(&b, " %s | %s |\n", span(h.Max), digits(median(l.CPU[at])))
		}
	}
	return b.String()
}

func (r *results) failureText() string {
	if len(r.Failures) == 0 {
		return "Nothing failed."
	}
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "- %s, %s: %s\n", f.What, plural(f.Times, "time"), strings.ReplaceAll(f.Err, "\n", "; "))
	}
	return b.String()
}

// count3 has three significant digits, or all in front of the point.
func count3(x float64) string {
	if math.IsNaN(x) {
		return "?"
	}
	if x >= 1000 {
		scale := math.Pow(10, math.Floor(math.Log10(x))-2)
		x = math.Round(x/scale) * scale
	}
	return thousands(int(math.Round(x)))
}

func times(x float64) string {
	if math.IsNaN(x) {
		return "?"
	}
	return fmt.Sprintf("%.2f", x)
}

func digits(x float64) string {
	switch {
	case math.IsNaN(x):
		return "?"
	case x >= 100:
		return thousands(int(math.Round(x)))
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func span(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
}
