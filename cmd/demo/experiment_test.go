package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// experimentOf runs "demo experiment" by its command line and gives its report.
func experimentOf(t *testing.T, wantStatus int, args ...string) *experimentReport {
	t.Helper()
	out, said := command(t, wantStatus, "", append([]string{"experiment", "--plain", "--json"}, args...)...)
	var r experimentReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s%s", err, out, said)
	}
	return &r
}

// mustHeal checks that nothing is wrong, and that the timeline tells of each fault what must be told.
func mustHeal(t *testing.T, r *experimentReport) {
	t.Helper()
	f := &r.Records
	if !r.OK || !r.Healed || f.Attempted == 0 || f.Attempted != f.Confirmed || f.Unknown+f.NotSent+f.Lost+f.Unexpected+f.Corrupted+f.Undelivered != 0 {
		t.Errorf("%s: %+v, notes %v, failure %q", r.Verdict, f, r.Notes, r.Failure)
	}
	if f.Committed+f.Duplicated < f.Delivered || f.Duplicated > r.DuplicatesAtMost || f.Delivered+f.Excused != f.Confirmed*len(f.Readers) {
		t.Errorf("%+v, at most %d duplicates", f, r.DuplicatesAtMost)
	}
	for _, one := range r.Faults {
		if !one.Healed || one.Recovered == nil || one.Lasts != (one.AfterEnd != nil) || one.Hit < one.Began || one.Ended < one.Hit {
			t.Errorf("%+v", one)
		}
		told := map[happening]int{}
		for _, e := range r.Timeline {
			if e.Fault == one.Number {
				told[e.What]++
			}
		}
		if told[hapBegins] != 1 || told[hapRecovered] == 0 || one.Lasts != (told[hapEnds] == 1) || (one.Failures > 0) != (told[hapDetected] == 1) || told[hapReplaced] != told[hapDetected]+told[hapFailed] {
			t.Errorf("%s: the timeline tells %v of %d failures", one.Name, told, one.Failures)
		}
	}
	if last := r.Timeline[len(r.Timeline)-1]; last.What != hapHealed {
		t.Errorf("the last entry: %+v", last)
	}
}

// Every fault of the embedded broker, on both planes, but the one that takes a minute.
func TestEachEmbeddedFaultHeals(t *testing.T) {
	short := map[string]string{"freeze": ":3s", "black-hole": ":3s", "refuse": ":300ms", "latency": ":500ms,20ms", "alarm": ":500ms", "end-session": ":publisher"}
	for _, plane := range []string{planeQueue, planeStream} {
		for _, k := range faultKinds() {
			if !k.possible(onEmbedded, plane) || k.name == "lose-confirms" {
				continue
			}
			t.Run(plane+"/"+k.name, func(t *testing.T) {
				t.Parallel()
				r := experimentOf(t, exitFine, "--plane", plane, "--readers", "2", "--ordered", "--for", "1s", "--rate", "2000", "--health-interval", "100ms", "--fault", k.name+"@300ms"+short[k.name])
				mustHeal(t, r)
				mustNotice(t, &r.Faults[0])
				if plane == planeStream && r.Records.Reordered > 0 && k.plane == "" {
					t.Errorf("reordered %d", r.Records.Reordered)
				}
			})
		}
	}
}

// mustNotice checks that the channel noticed what it must.
func mustNotice(t *testing.T, f *faultReport) {
	t.Helper()
	failures := map[string]bool{"crash": true, "cut": true, "refuse": true, "black-hole": true, "half-open": true, "end-session": true, "freeze": true, "delete-queue": true, "delete-stream": true}
	if failures[f.Name] != (f.Failures > 0) || failures[f.Name] != (f.Replaced != nil) || (failures[f.Name] || f.Name == "alarm") != (f.Detected != nil) {
		t.Errorf("noticed otherwise than it should be: %+v", f)
	}
	if f.Lasts && f.Name != "latency" && *f.Recovered < f.Ended-f.Hit {
		t.Errorf("a record got through in the midst of it: %+v", f)
	}
	if f.Name == "latency" && *f.Recovered < 20 {
		t.Errorf("packets took 20 ms longer, and a record %v ms", *f.Recovered)
	}
}

func TestExperimentWithoutFaultsDrawsSome(t *testing.T) {
	t.Parallel()
	r := experimentOf(t, exitFine, "--seed", "45", "--for", "1s", "--rate", "1000")
	mustHeal(t, r)
	if r.Seed != 45 || len(r.Faults) != drawnFaults {
		t.Errorf("%+v", r.Faults)
	}
	again := &parseInto(t, r.Command[1:]...).Experiment
	if len(again.Fault) != drawnFaults || again.Rate != 1000 || again.For != time.Second || again.Fault[0].String() != draw(45, nil, time.Second, onEmbedded, planeQueue).faults[0].String() {
		t.Errorf("the command that is said is another one: %v", r.Command)
	}
}

func TestALossOfAnExperimentIsStatus1(t *testing.T) {
	x := idleExperiment(t, "--fault", "cut@1s")
	x.p.ledger.attempt(0, 1)
	x.p.ledger.confirm(0, 0, 1)
	r := x.report(nil, 0)
	if r.OK || !strings.HasPrefix(r.Verdict, "LOST: 1 confirmed") || !strings.Contains(r.text(), r.Verdict) {
		t.Errorf("%s", r.text())
	}
}

// idleExperiment is one that has run, as far as its parts know, and in which nothing has happened.
func idleExperiment(t *testing.T, args ...string) *experiment {
	t.Helper()
	cmd := &parseInto(t, append([]string{"experiment", "--seed", "1"}, args...)...).Experiment
	stop := stopperOf(t)
	a, err := cmd.arena(stop.soft, &console{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.close() })
	x := newExperiment(cmd, a, stop)
	x.line = newTimeline(func(entry) {})
	x.began, x.p.began = x.p.start, x.p.start
	t.Cleanup(func() { x.line.end() })
	return x
}

func TestAFaultThatHasNotHealedIsStatus1(t *testing.T) {
	for name, c := range map[string]struct {
		fault  string
		strike strike
		want   string
	}{
		"no record got through":     {"crash", strike{began: 1, hit: 2, ended: 2, detected: 3}, "no new record got through after it"},
		"none after its end":        {"freeze", strike{began: 1, hit: 2, through: 3, ended: 4}, "no new record got through after its end"},
		"a child is still down":     {"crash", strike{began: 1, hit: 2, ended: 2, through: 3, detected: 3, down: 1}, "not every child was ready again"},
		"it could not be done":      {"crash", strike{began: 1, broken: broker.ErrPermission}, "permission denied"},
		"a crash nobody noticed":    {"crash", strike{began: 1, hit: 2, ended: 2, through: 3}, "not every child was ready again"},
		"an actor that never fails": {"crash", strike{began: 1}, "it never struck"},
	} {
		t.Run(name, func(t *testing.T) {
			x := idleExperiment(t, "--fault", c.fault+"@1s")
			x.fresh = true
			c.strike.fault, c.strike.n = x.strikes[0].fault, 1
			x.strikes[0] = &c.strike
			if r := x.report(nil, 0); r.OK || r.Healed || !strings.Contains(r.Verdict, "NOT HEALED: [1] "+c.fault+": "+c.want) {
				t.Errorf("%v %s", r.OK, r.Verdict)
			}
		})
	}
	x := idleExperiment(t, "--fault", "cut@1s")
	x.strikes[0].began, x.strikes[0].hit, x.strikes[0].ended, x.strikes[0].through = 1, 2, 2, 3
	if r := x.report(nil, 0); r.OK || r.Healed {
		t.Error("no fresh record got through at the end, and it is fine")
	}
	x.fresh = true
	if r := x.report(nil, 0); !r.OK || !r.Healed {
		t.Errorf("it should be fine: %s", r.Verdict)
	}
}

func TestTooManyDuplicatesAreStatus1(t *testing.T) {
	x := idleExperiment(t, "--fault", "cut@1s")
	x.fresh = true
	s := x.strikes[0]
	s.began, s.hit, s.ended, s.through = 1, 2, 2, 3
	x.p.ledger.attempt(0, 1)
	x.p.ledger.confirm(0, 0, 1)
	record := [][]byte{body(x.p.run, 0, 0)}
	x.p.ledger.deliver(0, record, time.Second)
	x.p.ledger.deliver(0, record, time.Second)
	if r := x.report(nil, 0); r.OK || !strings.HasPrefix(r.Verdict, "TOO MANY DUPLICATES: 1") {
		t.Errorf("%v %s", r.OK, r.Verdict)
	}
}

func TestFailuresAreBlamedOnTheirFault(t *testing.T) {
	x := idleExperiment(t, "--fault", "cut@1s", "--fault", "crash@2s:data-producer=error", "--fault", "freeze@3s")
	cut, crash, freeze := x.strikes[0], x.strikes[1], x.strikes[2]
	failed := func(child messages.Child, epoch uint64, err error) {
		x.saw(&messages.ChildFailed{Head: messages.Head{At: time.Now(), Name: "writer-1"}, From: messages.From{Child: child, Epoch: epoch}, Err: err})
	}
	failed(messages.DataProducer, 1, broker.ErrUnavailable) // before anything struck
	x.saw(&messages.ChildReady{Head: messages.Head{At: time.Now(), Name: "writer-1"}, From: messages.From{Child: messages.DataProducer, Epoch: 2}})
	cut.began, cut.hit = time.Since(x.began), time.Since(x.began)
	crash.began, crash.hit = cut.began+1, cut.hit+1
	failed(messages.StatusProducer, 1, broker.ErrUnavailable)
	failed(messages.StatusProducer, 2, broker.ErrUnavailable) // its successor, too
	failed(messages.DataProducer, 2, errInjected)
	cut.ended, cut.through = cut.hit, cut.hit+1
	freeze.began, freeze.hit = time.Since(x.began), time.Since(x.began)
	failed(messages.DataConsumer, 1, broker.ErrUnavailable)
	x.saw(&messages.ChildReady{Head: messages.Head{At: time.Now(), Name: "writer-1"}, From: messages.From{Child: messages.StatusProducer, Epoch: 3}})
	for _, c := range []struct {
		s                    *strike
		failures, down       int
		detected, isReplaced bool
	}{{cut, 2, 0, true, true}, {crash, 1, 1, true, false}, {freeze, 1, 1, true, false}} {
		if c.s.failures != c.failures || c.s.down != c.down || c.s.detected > 0 != c.detected || c.s.replaced > 0 != c.isReplaced {
			t.Errorf("%s: %d failures, %d down, detected at %v, replaced at %v", c.s.kind.name, c.s.failures, c.s.down, c.s.detected, c.s.replaced)
		}
	}
	var told []string
	for _, e := range x.line.all {
		told = append(told, string(e.What))
	}
	if got := strings.Join(told, " "); got != "failed replaced detected detected detected replaced" {
		t.Errorf("told: %s", got)
	}
}

func TestAFailureIsOfTheFaultThatIsNotOver(t *testing.T) {
	x := idleExperiment(t, "--fault", "freeze@1s", "--fault", "cut@2s")
	freeze, cut := x.strikes[0], x.strikes[1]
	freeze.began, freeze.hit = 1, 1
	cut.began, cut.hit, cut.ended, cut.through = 2, 2, 2, 3
	failure := &messages.ChildFailed{From: messages.From{Child: messages.DataConsumer}, Err: broker.ErrUnavailable}
	if x.blame(failure) != freeze {
		t.Error("the cut has healed, and the broker is still frozen")
	}
	freeze.ended, freeze.through, freeze.after = 4, 5, 5
	if x.blame(failure) != cut {
		t.Error("both have healed: the last one is the more likely cause")
	}
}

// stuckArena does not end what it began.
type stuckArena struct{ *embeddedArena }

func (stuckArena) end(context.Context, *experiment, *fault) (time.Time, error) {
	return time.Now(), nil
}

func TestAnExperimentThatDoesNotHealEnds(t *testing.T) {
	t.Parallel()
	cmd := &parseInto(t, "experiment", "--plain", "--for", "1s", "--fault", "alarm@200ms:100ms").Experiment
	stop := stopperOf(t)
	a := stuckArena{newEmbeddedArena(&cmd.brokerFlags)}
	defer a.close()
	x := newExperiment(cmd, a, stop)
	x.healsWithin = 500 * time.Millisecond
	r, err := cmd.conduct(&console{err: &output{}}, x, stop)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || r.Healed || !strings.HasPrefix(r.Verdict, "NOT HEALED: [1] alarm: no new record got through after it") || r.Records.Unknown == 0 {
		t.Errorf("%v %s, %+v", r.OK, r.Verdict, r.Records)
	}
}

func TestExperimentEndsInOrderWhenInterruptedAndWritesItsReport(t *testing.T) {
	for _, c := range []struct {
		presses, status string
		skipped         bool
	}{{"once", "fine", true}, {"twice", "cut off", false}} {
		t.Run(c.presses, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "report.json")
			cmd := &parseInto(t, "experiment", "--plain", "--rate", "1000", "--fault", "freeze@300ms:1h", "--fault", "cut@30m", "--report", file).Experiment
			stop := newStopper()
			defer stop.close()
			var out output
			said := &interrupter{when: "begins", stop: stop}
			if c.presses == "twice" {
				said.also = stop.press
			}
			err := cmd.Run(&console{in: strings.NewReader(""), out: &out, err: said}, stop)
			if (err == nil) != (c.status == "fine") {
				t.Fatal(err, said, out.String())
			}
			data, err := os.ReadFile(file)
			var r experimentReport
			if err != nil || json.Unmarshal(data, &r) != nil {
				t.Fatalf("%v: %s", err, data)
			}
			if c.skipped && (!r.OK || !r.Faults[1].Skipped || !strings.Contains(r.Verdict, "1 of 2 faults did not strike")) {
				t.Errorf("%s: %+v", r.Verdict, r.Faults)
			}
			if !c.skipped && (r.OK || !strings.HasPrefix(r.Verdict, "CUT OFF") || r.Records.Lost != 0) {
				t.Errorf("%v %s", r.OK, r.Verdict)
			}
		})
	}
}

func TestTheReportIsAPageThatNeedsNothingElse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "report.html")
	out, _ := command(t, exitFine, "", "experiment", "--plain", "--for", "1s", "--rate", "2000", "--channel", "a<b", "--health-interval", "100ms", "--fault", "alarm@200ms:300ms", "--fault", "cut@700ms", "--report", file)
	if !strings.Contains(out, "nothing was lost, and every fault has healed") || !strings.Contains(out, "[1] alarm 300ms") {
		t.Error(out)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, never := range []string{"<script", "http:", "https:", "src=", "<link", "@import", "url(", "a<b", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	for class, n := range map[string]int{"bandfill": 3, "confirmed": 3, "delivered": 3, "back": 4, "seen": 5, "line": 1} {
		if got := strings.Count(text, `class="`+class+`"`); got != n { // of each: two pictures, and the legend's
			t.Errorf("%d of %s, want %d", got, class, n)
		}
	}
	for _, picture := range strings.Split(text, "<svg")[1:] {
		picture, _, _ = strings.Cut("<svg"+picture, "</svg>")
		for d := xml.NewDecoder(strings.NewReader(picture + "</svg>")); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSamplesAddUpToTheLedger(t *testing.T) {
	t.Parallel()
	r := experimentOf(t, exitFine, "--for", "1s", "--rate", "3000", "--fault", "crash@200ms")
	var sum flowSample
	at := 0.0
	for _, s := range r.Throughput {
		sum.Attempted, sum.Confirmed, sum.Delivered = sum.Attempted+s.Attempted, sum.Confirmed+s.Confirmed, sum.Delivered+s.Delivered
		if s.At <= at || s.Span <= 0 {
			t.Errorf("a sample of no time: %+v", s)
		}
		at = s.At
	}
	if f := r.Records; sum.Attempted != f.Attempted || sum.Confirmed != f.Confirmed || sum.Delivered != f.Delivered {
		t.Errorf("samples %+v, ledger %+v", sum, f)
	}
	if n := len(merged(r.Throughput, 3)); n > 3 || n == 0 {
		t.Errorf("merged into %d", n)
	}
}

func TestTheLastSampleIsTaken(t *testing.T) {
	l := newLedger(testRun, 1, 1, false)
	l.attempt(0, 7)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if all := sampleFlow(ended, l, time.Now()); len(all) != 1 || all[0].Attempted != 7 {
		t.Errorf("%+v", all)
	}
}

func TestWhatIsDeletedIsExcused(t *testing.T) {
	x := idleExperiment(t, "--fault", "delete-queue@1s")
	x.p.ledger.attempt(0, 1)
	x.p.ledger.confirm(0, 0, 1)
	if _, err := x.arena.begin(t.Context(), x, x.strikes[0].fault); err != nil {
		t.Fatal(err)
	}
	if f := x.p.ledger.fates(); f.Excused != 1 || f.Lost != 0 {
		t.Errorf("%+v", f)
	}
}

func TestTheCommandThatIsSaidHasNoPassword(t *testing.T) {
	x := idleExperiment(t, "--broker", "amqp://me:never-show-this@h:7", "--fault", "cut@1s")
	if said := x.title(); strings.Contains(said, "never-show-this") || !strings.Contains(said, "--broker amqp://h:7 --for 10s --rate 5000 --fault cut@1s") {
		t.Error(said)
	}
}

func TestTheLedgerKnowsWhatWasDeletedCommittedAndReached(t *testing.T) {
	l := newLedger(testRun, 1, 2, true)
	l.attempt(0, 3)
	l.confirm(0, 0, 2)
	l.deliver(0, mine(0), time.Second)
	l.commit(0, mine(0))
	l.excuse()
	l.confirm(0, 2, 1) // it was attempted before
	l.attempt(0, 1)
	l.confirm(0, 3, 1)
	if p := l.progress(); p.Missing != 2 {
		t.Errorf("missing %d, want the fourth record, twice", p.Missing)
	}
	var reached []time.Duration
	l.mark(2*time.Millisecond, func(at time.Duration) { reached = append(reached, at) })
	l.mark(time.Millisecond, func(at time.Duration) { reached = append(reached, at) }) // records of a test are attempted then
	l.deliver(0, mine(3), 4*time.Second)
	if len(reached) > 0 {
		t.Error("the second reader has nothing yet")
	}
	l.deliver(1, mine(1), 5*time.Second)
	l.deliver(1, mine(3), 6*time.Second)
	if len(reached) != 1 || reached[0] != 5*time.Second {
		t.Errorf("reached %v", reached)
	}
	f := l.fates()
	if f.Readers[0] != (readerFates{Delivered: 2, Committed: 1, Excused: 2}) || f.Readers[1] != (readerFates{Delivered: 2, Excused: 2}) || f.Lost != 0 {
		t.Errorf("%+v", f)
	}
	if l.everywhere(0, 0) || !l.everywhere(0, 3) {
		t.Error("the first record is with one reader, the fourth with both")
	}
}

func TestNumbersBelowAreCounted(t *testing.T) {
	var b, c bitset
	for i := range uint64(200) {
		b.add(i)
	}
	c.add(3)
	c.add(130)
	for n, want := range map[uint64]int{0: 0, 3: 3, 4: 3, 64: 63, 128: 127, 131: 129, 200: 198, 5000: 198} {
		if got := b.withoutBelow(n, c); got != want {
			t.Errorf("below %d: %d, want %d", n, got, want)
		}
	}
}

func TestWhatComesBeforeAStrikeIsCompleteCountsFromItsBeginning(t *testing.T) {
	s := strike{began: time.Second, hit: 3 * time.Second}
	for at, want := range map[time.Duration]float64{1500 * time.Millisecond: 500, 4 * time.Second: 1000} {
		if got := s.sinceHit(at); got == nil || *got != want {
			t.Errorf("%v: %v, want %g", at, got, want)
		}
	}
	if s.sinceHit(0) != nil {
		t.Error("what never was has no time")
	}
}
