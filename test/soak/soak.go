package soak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What may be more afterwards than before.
const (
	heapMore = 1 << 20
	rssMore  = 8 << 20
)

// Report is what a run has shown.
type Report struct{ rows []row }

// row is one measure, before and after.
type row struct {
	broker, what, measure, before, after, allowed string
	fine                                          bool
}

// Fine says whether nothing has grown and nothing was lost.
func (r *Report) Fine() bool {
	for _, line := range r.rows {
		if !line.fine {
			return false
		}
	}
	return len(r.rows) > 0
}

// Bad gives what is not as it should be.
func (r *Report) Bad() (all []string) {
	for _, line := range r.rows {
		if !line.fine {
			all = append(all, fmt.Sprintf("%s, %s: %s was %s and is %s; %s", line.broker, line.what, line.measure, line.before, line.after, line.allowed))
		}
	}
	return all
}

// Markdown is the table.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("| broker | work | | before | after | allowed | |\n|---|---|---|--:|--:|---|---|\n")
	for _, line := range r.rows {
		verdict := "met"
		if !line.fine {
			verdict = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", line.broker, line.what, line.measure, line.before, line.after, line.allowed, verdict)
	}
	return b.String()
}

// compare adds what two footprints differ in.
func (r *Report) compare(broker, what string, before, after Footprint, atRest bool) {
	r.bytes(broker, what, "heap", before.Heap, after.Heap, heapMore)
	if !underRace { // the detector's own memory is many times that, and grows with what was ever touched
		r.bytes(broker, what, "resident memory", before.RSS, after.RSS, rssMore)
	}
	if !atRest {
		return
	}
	for _, n := range []struct {
		measure       string
		before, after int
	}{{"goroutines", before.Goroutines, after.Goroutines}, {"descriptors", before.Descriptors, after.Descriptors}} {
		r.rows = append(r.rows, row{broker, what, n.measure, fmt.Sprint(n.before), fmt.Sprint(n.after), "no more", n.after <= n.before})
	}
}

func (r *Report) bytes(broker, what, measure string, before, after, more uint64) {
	mib := func(n uint64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }
	r.rows = append(r.rows, row{broker, what, measure, mib(before), mib(after), fmt.Sprintf("%d MiB more", more>>20), after <= before+more})
}

// records adds what became of all records. Writers pause, and have been waited for.
func (r *Report) records(s *scene, what string) {
	attempted, duplicated, corrupted, missing := 0, 0, 0, error(nil)
	for _, c := range s.all {
		a, d, bad := c.totals()
		attempted, duplicated, corrupted = attempted+a, duplicated+d, corrupted+bad
		missing = errors.Join(missing, c.missing())
	}
	after := fmt.Sprintf("all delivered, %d of them again, %d corrupted", duplicated, corrupted)
	if missing != nil {
		after = missing.Error()
	}
	r.rows = append(r.rows, row{s.broker.Name(), what, "records", fmt.Sprintf("%d confirmed", attempted), after, "none lost, none corrupted", missing == nil && corrupted == 0})
}

// Run is one run on one broker. Each of its works opens channels of its own; an error means that it could not be carried out, or a channel failed.
type Run struct {
	Broker Broker
	Report *Report
	Say    func(format string, args ...any)
}

// work opens channels, does something with them, and closes them.
func (r *Run) work(ctx context.Context, what string, do func(*scene) error) error {
	r.Say("%s: %s", r.Broker.Name(), what)
	s, err := open(ctx, r.Broker)
	if err == nil {
		s.striker.fillRegistry()
		err = do(s)
		if err == nil {
			s.paused.Store(true)
			r.Report.records(s, what)
		}
		err = errors.Join(err, s.close())
	}
	if err != nil {
		return fmt.Errorf("%s, %s: %w", r.Broker.Name(), what, err)
	}
	return nil
}

// Restarts restarts parts, warm times or for half the time, and compares with what more restarts leave.
func (r *Run) Restarts(ctx context.Context, warm, more int, within time.Duration) error {
	return r.work(ctx, "restarts", func(s *scene) error {
		first, before, err := r.restartAndRest(ctx, s, warm, within/2)
		if err != nil {
			return err
		}
		second, after, err := r.restartAndRest(ctx, s, more, within/2)
		if err != nil {
			return err
		}
		r.Report.compare(r.Broker.Name(), fmt.Sprintf("%d restarts after %d", second, first), before, after, true)
		return nil
	})
}

func (r *Run) restartAndRest(ctx context.Context, s *scene, times int, within time.Duration) (int, Footprint, error) {
	began := time.Now()
	n, err := s.restart(ctx, times, within)
	if err != nil {
		return n, Footprint{}, err
	}
	r.Say("%s: %d restarts in %v", r.Broker.Name(), n, time.Since(began).Round(time.Millisecond))
	f, err := s.rest(ctx)
	return n, f, err
}

const (
	// cutEvery is how often all connections are reset under traffic.
	cutEvery = 5 * time.Second
	// somePerCut is how many parts fail meanwhile.
	somePerCut = 50
)

// Traffic lets channels work for some time, with parts that fail and connections that are reset, and compares what they take after a third of it with what they take at the end.
func (r *Run) Traffic(ctx context.Context, d time.Duration) error {
	return r.work(ctx, "traffic", func(s *scene) error {
		if err := r.disturb(ctx, s, d/3); err != nil {
			return err
		}
		before, err := s.rest(ctx)
		if err != nil {
			return err
		}
		if err := r.disturb(ctx, s, d-d/3); err != nil {
			return err
		}
		after, err := s.rest(ctx)
		if err != nil {
			return err
		}
		r.Report.compare(r.Broker.Name(), fmt.Sprintf("%v of traffic, connections reset every %v, %d restarts", d, cutEvery, s.striker.count()), before, after, true)
		return nil
	})
}

func (r *Run) disturb(ctx context.Context, s *scene, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		turn := min(cutEvery, time.Until(end))
		began := time.Now()
		if _, err := s.restart(ctx, somePerCut, turn); err != nil {
			return err
		}
		if err := s.wait(ctx, turn-time.Since(began)); err != nil {
			return err
		}
		s.broker.Cut()
	}
	return nil
}

// Outage takes the broker away at full load, and compares what the process takes early in that time and at its end.
func (r *Run) Outage(ctx context.Context, d time.Duration) error {
	return r.work(ctx, "outage", func(s *scene) error {
		s.full.Store(true)
		if err := s.wait(ctx, loadBefore); err != nil {
			return err
		}
		var early, late Footprint
		var gone error
		err := r.Broker.Away(ctx, func() { early, late, gone = s.without(ctx, d) })
		if err = errors.Join(err, gone); err != nil {
			return err
		}
		r.Report.compare(r.Broker.Name(), fmt.Sprintf("%v without a broker, at full load", d), early, late, false)
		s.full.Store(false)
		_, err = s.rest(ctx)
		return err
	})
}

// loadBefore is how long channels work before the broker goes.
const loadBefore = 3 * time.Second

// without measures what the process takes while the broker is gone: when a fifth of the time has passed, and at the end.
func (s *scene) without(ctx context.Context, d time.Duration) (early, late Footprint, err error) {
	if err = s.wait(ctx, d/5); err != nil {
		return early, late, err
	}
	if early, err = footprint(); err != nil {
		return early, late, err
	}
	if err = s.wait(ctx, d-d/5); err != nil {
		return early, late, err
	}
	late, err = footprint()
	return early, late, err
}
