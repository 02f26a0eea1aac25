package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/d2e2d648/weir/supervisor"
)

// experimentReport is what an experiment has shown. docs/experiment.md explains the fields of its JSON.
type experimentReport struct {
	report
	Seed uint64 `json:"seed"`
	// Command is the experiment with nothing left to the seed.
	Command []string      `json:"command"`
	Faults  []faultReport `json:"faults"`
	// Healed says that every fault has healed, and that a fresh record of each writer got through at the end.
	Healed     bool         `json:"healed"`
	Verdict    string       `json:"verdict"`
	Timeline   []entry      `json:"timeline"`
	Throughput []flowSample `json:"throughput"`
}

// faultReport is what became of one fault. Times are in milliseconds; began, hit and ended since the first record, the others since the hit.
type faultReport struct {
	Number   int     `json:"number"`
	Name     string  `json:"name"`
	Argument string  `json:"argument,omitempty"`
	Does     string  `json:"does"`
	Lasts    bool    `json:"lasts"`
	Planned  float64 `json:"planned_ms"`
	Began    float64 `json:"began_ms"`
	Hit      float64 `json:"hit_ms"`
	Ended    float64 `json:"ended_ms"`
	// Detected is when the first part of the channel noticed it; null: nobody had to.
	Detected *float64 `json:"detected_after_ms"`
	// Replaced is when the last child that it brought down was ready again; null: it brought none down.
	Replaced *float64 `json:"replaced_after_ms"`
	// Recovered is when the first record that was attempted after the hit had got through, on a stream and in fan-out to every reader; null: none has.
	Recovered *float64 `json:"recovered_after_ms"`
	// AfterEnd is the same for the first record that was attempted after the fault's end, counted from there; null where it does not last.
	AfterEnd *float64 `json:"recovered_after_end_ms"`
	// Failures counts those of children, next incarnations that failed, too, included.
	Failures int  `json:"failures"`
	Healed   bool `json:"healed"`
	// Skipped says that the experiment was ended before it struck. It is not held against the channel.
	Skipped bool `json:"skipped,omitempty"`
	// Error is why it could not be brought about.
	Error string `json:"error,omitempty"`
}

// report computes it, when all is closed.
func (x *experiment) report(entries []entry, dropped int) *experimentReport {
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.SortStableFunc(entries, func(a, b entry) int { return int(a.At*1e3) - int(b.At*1e3) })
	r := &experimentReport{report: *x.p.report(dropped), Seed: x.scenario.seed, Command: x.commandLine(), Timeline: entries, Throughput: x.samples}
	r.DuplicatesAtMost += x.deletedMayRepeat(len(r.Records.Readers))
	r.Healed = x.fresh
	for _, s := range x.strikes {
		f := s.report()
		f.Skipped = s.skipped || s.began > 0 && s.hit == 0 && s.broken == nil && x.stop.soft.Err() != nil
		r.Faults = append(r.Faults, f)
		r.Healed = r.Healed && (f.Healed || f.Skipped)
	}
	r.OK = r.OK && r.Healed && r.Records.Duplicated <= r.DuplicatesAtMost
	r.Verdict = r.judge(x)
	return r
}

// deletedMayRepeat is how many records a deletion can bring again: the broker that drops what it has forgets with the stream what that was.
func (x *experiment) deletedMayRepeat(views int) int {
	if !x.cmd.onStream() {
		return 0
	}
	return x.p.ledger.deleted * x.cmd.Writers * supervisor.DefaultStreamWindow * views
}

func (s *strike) report() faultReport {
	f := faultReport{
		Number: s.n, Name: s.kind.name, Argument: s.arguments(), Does: s.kind.does, Lasts: s.kind.length > 0,
		Planned: milliseconds(s.at), Began: milliseconds(s.began), Hit: milliseconds(s.hit), Ended: milliseconds(s.ended),
		Detected: s.sinceHit(s.detected), Replaced: s.sinceHit(s.replaced), Recovered: s.sinceHit(s.through), AfterEnd: s.afterEnd(),
		Failures: s.failures, Healed: s.healed(),
	}
	switch {
	case s.broken != nil:
		f.Error = firstLine(s.broken)
	case s.began > 0 && s.hit == 0:
		f.Error = "it never struck: the actor handled no message any more"
	}
	return f
}

// judge is the sentence at the end.
func (r *experimentReport) judge(x *experiment) string {
	f := &r.Records
	switch {
	case f.Lost > 0:
		return fmt.Sprintf("LOST: %s confirmed records were never delivered", number(f.Lost))
	case f.Unexpected+f.Corrupted > 0:
		return "WRONG: records came that were never sent like that"
	case r.Failure != "":
		return fmt.Sprintf("FAILED: the channel failed (%s); %s confirmed records were not delivered and are still at the broker", sortOf(x.p.tree.failed()), number(f.Undelivered))
	case x.stop.hard.Err() != nil:
		return fmt.Sprintf("CUT OFF: by the second Ctrl-C, before all was through; %s confirmed records were not delivered", number(f.Undelivered))
	case f.Duplicated > r.DuplicatesAtMost:
		return fmt.Sprintf("TOO MANY DUPLICATES: %s, and the restarts allow for %s", number(f.Duplicated), number(r.DuplicatesAtMost))
	case !r.Healed:
		return "NOT HEALED: " + r.unhealed()
	case !r.OK:
		return "FAILED: " + strings.Join(r.Notes, "; ")
	}
	lost, healed := "nothing was lost", "every fault has healed"
	if f.Excused > 0 {
		lost += fmt.Sprintf(" but the %s records that were deleted on purpose", number(f.Excused))
	}
	if n := r.skipped(); n > 0 {
		healed = fmt.Sprintf("what struck has healed; %d of %d faults did not strike, since Ctrl-C ended the experiment", n, len(r.Faults))
	}
	return lost + ", and " + healed
}

func (r *experimentReport) skipped() (n int) {
	for i := range r.Faults {
		if r.Faults[i].Skipped {
			n++
		}
	}
	return n
}

// unhealed says which fault it is, and why.
func (r *experimentReport) unhealed() string {
	var all []string
	for _, f := range r.Faults {
		switch {
		case f.Healed, f.Skipped:
		case f.Error != "":
			all = append(all, fmt.Sprintf("[%d] %s: %s", f.Number, f.Name, f.Error))
		case f.Recovered == nil:
			all = append(all, fmt.Sprintf("[%d] %s: no new record got through after it", f.Number, f.Name))
		case f.Lasts && f.AfterEnd == nil:
			all = append(all, fmt.Sprintf("[%d] %s: no new record got through after its end", f.Number, f.Name))
		default:
			all = append(all, fmt.Sprintf("[%d] %s: not every child was ready again", f.Number, f.Name))
		}
	}
	return strings.Join(append(all, r.Notes...), "; ")
}

// text is the report for people. The timeline was said as it happened.
func (r *experimentReport) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s %s on %s, seed %d: %.1f s\n\n", r.what(), r.Channel, r.Broker, r.Seed, r.Seconds)
	r.writeFaults(&b)
	f := &r.Records
	fmt.Fprintf(&b, "\n  attempted %s   confirmed %s   not sent %s   unknown %s", number(f.Attempted), number(f.Confirmed), number(f.NotSent), number(f.Unknown))
	if f.Unknown > 0 {
		fmt.Fprintf(&b, " (recovered %s)", number(f.Recovered))
	}
	fmt.Fprintf(&b, "\n  delivered %s   committed %s\n", number(f.Delivered), number(f.Committed))
	fmt.Fprintf(&b, "  lost %s   unexpected %s   corrupted %s   reordered %s\n", number(f.Lost), number(f.Unexpected), number(f.Corrupted), number(f.Reordered))
	fmt.Fprintf(&b, "  duplicated %s (the restarts allow for %s)", number(f.Duplicated), number(r.DuplicatesAtMost))
	if f.Excused > 0 {
		fmt.Fprintf(&b, "   deleted on purpose %s", number(f.Excused))
	}
	if f.Undelivered > 0 {
		fmt.Fprintf(&b, "   still at the broker %s", number(f.Undelivered))
	}
	b.WriteString("\n\n")
	r.writeActors(&b, msText)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", note)
	}
	if r.Failure != "" {
		fmt.Fprintf(&b, "  %s\n", r.Failure)
	}
	fmt.Fprintf(&b, "  %s\n", r.Verdict)
	return b.String()
}

func msText(v float64) string { return short(time.Duration(v * float64(time.Millisecond))) }

// orDash is a time that may not be there.
func orDash(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return msText(*ms)
}

func (r *experimentReport) writeFaults(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "  fault\tbegan\tdetected\treplaced\trecovered\tfrom end")
	for i := range r.Faults {
		f := &r.Faults[i]
		mark, state := "✓", ""
		if !f.Healed {
			mark, state = "✗", "  "+f.healedText()
		}
		_, _ = fmt.Fprintf(w, "%s [%d] %s %s\t%s\t%s\t%s\t%s\t%s%s\n", mark, f.Number, f.Name, f.Argument, orDash(f.beganAt()), orDash(f.Detected), orDash(f.Replaced), orDash(f.Recovered), orDash(f.AfterEnd), state)
	}
	_ = w.Flush()
}

// beganAt is nil when it never did.
func (f *faultReport) beganAt() *float64 {
	if f.Began == 0 {
		return nil
	}
	return &f.Began
}

// healedText is for what has not healed.
func (f *faultReport) healedText() string {
	switch {
	case f.Skipped:
		return "did not strike"
	case f.Error != "":
		return "FAILED"
	}
	return "NOT HEALED"
}
