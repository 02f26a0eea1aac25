package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// report is what a run has shown.
type report struct {
	Run     string  `json:"run"`
	Broker  string  `json:"broker"`
	Channel string  `json:"channel"`
	Plane   string  `json:"plane"`
	Seconds float64 `json:"seconds"`
	Records fates   `json:"records"`
	// Rate is first deliveries a second, from the first record to the last delivery.
	Rate    float64       `json:"records_per_second"`
	Latency latency       `json:"latency_ms"`
	Actors  []actorReport `json:"actors"`
	// DuplicatesAtMost is what the restarts that there were allow for: a producer's unconfirmed window (on a stream nothing), a consumer's prefetch, each time.
	DuplicatesAtMost int `json:"duplicates_at_most"`
	// Abandoned goroutines hung and were given up.
	Abandoned int `json:"abandoned"`
	// Failure is why the channel failed; empty when it did not.
	Failure string   `json:"failure,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	OK      bool     `json:"ok"`
}

// latency is from Send to the reader's hands, of first deliveries, in milliseconds.
type latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// actorReport is what happened to the actors of one name, over all endpoints.
type actorReport struct {
	Actor    messages.Child    `json:"actor"`
	Restarts int               `json:"restarts"`
	Injected int               `json:"injected"`
	Causes   map[crashKind]int `json:"causes"`
	// From a failure until ready again, in milliseconds.
	RecoveryP50 float64 `json:"recovery_p50_ms"`
	RecoveryMax float64 `json:"recovery_max_ms"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// report computes it, when all is closed.
func (p *pipeline) report(dropped int) *report {
	r := &report{Run: fmt.Sprintf("%016x", p.run), Broker: p.flags.where, Channel: p.flags.Channel, Plane: p.flags.Plane, Records: p.ledger.fates()}
	took := p.ledger.last - p.began.Sub(p.start)
	r.Seconds = time.Since(p.began).Seconds()
	if took > 0 {
		r.Rate = float64(r.Records.Delivered) / took.Seconds()
	}
	h := &p.ledger.latency
	r.Latency = latency{milliseconds(h.quantile(0.5)), milliseconds(h.quantile(0.9)), milliseconds(h.quantile(0.99)), milliseconds(h.most)}
	tallies, abandoned := p.tree.counts()
	r.Abandoned = abandoned
	r.Actors = actorReports(tallies, p.injector.strikes())
	r.DuplicatesAtMost = tallies[messages.DataProducer].failures*p.flags.mayRepeat()*len(r.Records.Readers) + tallies[messages.DataConsumer].failures*p.flags.prefetch()
	p.judge(r, dropped)
	r.Notes = p.notes.list
	r.OK = !p.notes.bad && r.Records.Lost == 0 && r.Records.Unexpected == 0 && r.Records.Corrupted == 0
	return r
}

// judge notes what is not as it was asked for.
func (p *pipeline) judge(r *report, dropped int) {
	failure := p.tree.failed()
	switch {
	case failure != nil:
		r.Failure = failure.Error()
		r.Records.cutOff()
		p.notes.add(true, "the channel failed; its %s stay at the broker", p.flags.holds())
	case p.hard.Err() != nil:
		r.Records.cutOff()
		p.notes.add(true, "it was cut off; the channel's %s may be left at the broker", p.flags.holds())
	}
	if r.Records.Duplicated > r.DuplicatesAtMost {
		p.notes.add(false, "more duplicates than the restarts of producers (%d each) and consumers (%d each) explain", p.flags.mayRepeat(), p.flags.prefetch())
	}
	if dropped > 0 {
		p.notes.add(false, "%d events came too fast to be counted: there were more restarts than the table shows", dropped)
	}
	for _, point := range p.injector.points {
		switch {
		case point.strikes >= point.limit:
		case p.soft.Err() != nil:
			p.notes.add(false, "%s=%s struck %d of %d times: the run was ended before", point.Actor, point.Kind, point.strikes, point.limit)
		default:
			p.notes.add(true, "%s=%s struck %d of %d times", point.Actor, point.Kind, point.strikes, point.limit)
		}
	}
}

func actorReports(tallies map[messages.Child]tally, strikes map[messages.Child]map[crashKind]int) []actorReport {
	var all []actorReport
	for _, child := range append(crashable(), messages.Topology) {
		t := tallies[child]
		a := actorReport{Actor: child, Restarts: t.failures, Causes: t.causes, RecoveryP50: milliseconds(t.recovery.quantile(0.5)), RecoveryMax: milliseconds(t.recovery.most)}
		for _, n := range strikes[child] {
			a.Injected += n
		}
		if a.Restarts+a.Injected > 0 {
			all = append(all, a)
		}
	}
	return all
}

func (r *report) what() string {
	if r.Plane == planeStream {
		return planeStream
	}
	return "channel"
}

// text is the report for people.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s, %s %s on %s: %.1f s\n\n", r.Run, r.what(), r.Channel, r.Broker, r.Seconds)
	f := &r.Records
	fmt.Fprintf(&b, "  sent %s   confirmed %s   unknown %s", number(f.Sent), number(f.Confirmed), number(f.Unknown))
	if f.Unknown > 0 {
		fmt.Fprintf(&b, " (of which %s were delivered)", number(f.Recovered))
	}
	fmt.Fprintf(&b, "\n  %s", f.readerFates.text())
	if f.Duplicated > 0 {
		fmt.Fprintf(&b, "   (duplicates: the restarts allow for %s)", number(r.DuplicatesAtMost))
	}
	if f.Undelivered > 0 {
		fmt.Fprintf(&b, "   still under way %s", number(f.Undelivered))
	}
	b.WriteString("\n")
	if len(f.Readers) > 1 {
		for i := range f.Readers {
			fmt.Fprintf(&b, "    reader-%d: %s\n", i+1, f.Readers[i].text())
		}
	}
	ms := func(v float64) string { return short(time.Duration(v * float64(time.Millisecond))) }
	fmt.Fprintf(&b, "  %s records/s   latency p50 %s   p90 %s   p99 %s   max %s\n\n", number(int(r.Rate)), ms(r.Latency.P50), ms(r.Latency.P90), ms(r.Latency.P99), ms(r.Latency.Max))
	r.writeActors(&b, ms)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", note)
	}
	if r.Failure != "" {
		fmt.Fprintf(&b, "  %s\n", r.Failure)
	}
	fmt.Fprintf(&b, "  %s\n", r.verdict())
	return b.String()
}

func (f *readerFates) text() string {
	return fmt.Sprintf("delivered %s   lost %s   unexpected %s   corrupted %s   duplicated %s   reordered %s",
		number(f.Delivered), number(f.Lost), number(f.Unexpected), number(f.Corrupted), number(f.Duplicated), number(f.Reordered))
}

func (r *report) writeActors(b *strings.Builder, ms func(float64) string) {
	if len(r.Actors) == 0 {
		b.WriteString("  no actor was restarted\n")
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "  actor\trestarts\tinjected\tcauses\trecovery p50\tlongest")
	for _, a := range r.Actors {
		_, _ = fmt.Fprintf(w, "  %s\t%d\t%d\t%s\t%s\t%s\n", a.Actor, a.Restarts, a.Injected, causes(a.Causes), ms(a.RecoveryP50), ms(a.RecoveryMax))
	}
	_ = w.Flush()
	fmt.Fprintf(b, "  abandoned goroutines %d\n", r.Abandoned)
}

func causes(counts map[crashKind]int) string {
	var parts []string
	for kind, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (r *report) verdict() string {
	f := &r.Records
	switch {
	case f.Lost > 0:
		return fmt.Sprintf("LOST: %s confirmed records were never delivered", number(f.Lost))
	case f.Unexpected+f.Corrupted > 0:
		return "WRONG: records came that were never sent like that"
	case !r.OK:
		return "FAILED: see above"
	}
	return "nothing was lost"
}
