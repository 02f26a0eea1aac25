package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/messages"
)

// runReport runs "demo run" by its command line and gives its report.
func runReport(t *testing.T, wantStatus int, args ...string) *report {
	t.Helper()
	console, out, err := captured("")
	if status := run(append([]string{"run", "--plain", "--json"}, args...), console); status != wantStatus {
		t.Fatalf("status %d, want %d: %s%s", status, wantStatus, err, out)
	}
	var r report
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return &r
}

// mustBeWhole checks that each reader got every record, whole.
func mustBeWhole(t *testing.T, r *report) {
	t.Helper()
	f := &r.Records
	if !r.OK || f.Sent == 0 || f.Sent != f.Confirmed || f.Unknown+f.Lost+f.Unexpected+f.Corrupted+f.Undelivered != 0 {
		t.Errorf("%+v, notes %v, failure %q", f, r.Notes, r.Failure)
	}
	if f.Duplicated > r.DuplicatesAtMost {
		t.Errorf("%d duplicates, the restarts allow for %d", f.Duplicated, r.DuplicatesAtMost)
	}
	for _, reader := range f.Readers {
		if reader.Delivered != f.Sent {
			t.Errorf("delivered %d of %d", reader.Delivered, f.Sent)
		}
	}
}

func TestRunDeliversEverything(t *testing.T) {
	r := runReport(t, exitFine, "--records", "20000", "--rate", "0", "--writers", "3", "--size", "64")
	mustBeWhole(t, r)
	if r.Records.Sent != 20000 || r.Records.Duplicated+r.Records.Reordered != 0 || len(r.Actors) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRunFansOut(t *testing.T) {
	r := runReport(t, exitFine, "--records", "3000", "--rate", "0", "--readers", "3", "--fan-out", "--ordered", "--prefetch", "10")
	mustBeWhole(t, r)
	if len(r.Records.Readers) != 3 || r.Records.Delivered != 9000 {
		t.Errorf("%+v", r.Records)
	}
}

func TestRunSendsAFilesLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("one\n\nthree\r\nfour"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runReport(t, exitFine, "--input", file)
	mustBeWhole(t, r)
	if r.Records.Sent != 4 {
		t.Errorf("sent %d of 4 lines", r.Records.Sent)
	}
	r = runReport(t, exitFine, "--input", file, "--rate", "0", "--crash", "data-producer=error@1ms", "--crashes", "2")
	if mustBeWhole(t, r); r.Records.Sent < 2*needRecords {
		t.Errorf("sent %d: the file begins again while crashes are owed", r.Records.Sent)
	}
}

func TestEachActorCrashesAndHeals(t *testing.T) {
	for _, child := range crashable() {
		for _, kind := range []crashKind{crashPanic, crashError, crashGoexit} {
			t.Run(fmt.Sprintf("%s/%s", child, kind), func(t *testing.T) {
				t.Parallel()
				r := runReport(t, exitFine, "--records", "1000", "--rate", "20000", "--health-interval", "20ms", "--ordered",
					"--crash", fmt.Sprintf("%s=%s@5ms", child, kind), "--crashes", "3")
				mustBeWhole(t, r)
				mustHaveCrashed(t, r, child, kind, 3)
				if r.Abandoned != 0 {
					t.Errorf("abandoned %d", r.Abandoned)
				}
			})
		}
	}
}

// mustHaveCrashed checks that these are the only restarts.
func mustHaveCrashed(t *testing.T, r *report, child messages.Child, kind crashKind, n int) {
	t.Helper()
	if len(r.Actors) != 1 {
		t.Fatalf("%+v: want restarts of %s only", r.Actors, child)
	}
	a := r.Actors[0]
	if a.Actor != child || a.Restarts != n || a.Injected != n || len(a.Causes) != 1 || a.Causes[kind] != n {
		t.Errorf("%+v: want %d restarts of %s by %s", a, n, child, kind)
	}
}

func TestAHangIsReplacedAndItsGoroutineCounted(t *testing.T) {
	t.Parallel()
	r := runReport(t, exitFine, "--records", "2000", "--rate", "0", "--crash", "data-consumer=hang@1ms", "--crashes", "1")
	mustBeWhole(t, r)
	mustHaveCrashed(t, r, messages.DataConsumer, crashHang, 1)
	if r.Abandoned != 1 {
		t.Errorf("abandoned %d, want 1", r.Abandoned)
	}
}

func TestCrashesOfSeveralActorsAreExact(t *testing.T) {
	t.Parallel()
	args := []string{"--rate", "0", "--writers", "2", "--readers", "2", "--records", "1000", "--health-interval", "20ms", "--crashes", "4"}
	for _, child := range crashable() {
		args = append(args, "--crash", string(child)+"=panic@10ms")
	}
	r := runReport(t, exitFine, args...)
	mustBeWhole(t, r)
	if len(r.Actors) != len(crashable()) {
		t.Errorf("%+v", r.Actors)
	}
	for _, a := range r.Actors {
		if a.Restarts != 4 || a.Injected != 4 {
			t.Errorf("%+v: want 4 restarts", a)
		}
	}
}

// interrupter presses Ctrl-C when enough has been said.
type interrupter struct {
	output
	when string
	stop *stopper
	also func() // pressed, too; may be nil
}

func (i *interrupter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), i.when) {
		i.stop.press()
		if i.also != nil {
			i.also()
		}
	}
	return i.output.Write(p)
}

func TestRunEndsInOrderWhenInterrupted(t *testing.T) {
	cmd := &parseInto(t, "run", "--plain", "--json", "--records", "1000000", "--rate", "2000").Run
	stop := newStopper()
	defer stop.close()
	var out output
	said := &interrupter{when: "running", stop: stop}
	if err := cmd.Run(&console{in: strings.NewReader(""), out: &out, err: said}, stop); err != nil {
		t.Fatal(err, said)
	}
	var r report
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if mustBeWhole(t, &r); r.Records.Sent >= 1000000 {
		t.Error("it was not interrupted")
	}
}

func TestRunEndsAtOnceWhenInterruptedTwice(t *testing.T) {
	cmd := &parseInto(t, "run", "--plain", "--rate", "2000", "--crash", "data-consumer=hang@1ms").Run
	stop := newStopper()
	defer stop.close()
	var out output
	said := &interrupter{when: "s  ", stop: stop} // each line of progress presses it
	if err := cmd.Run(&console{in: strings.NewReader(""), out: &out, err: said}, stop); err == nil {
		t.Error("a run that was cut off is not fine")
	}
	if text := out.String(); !strings.Contains(text, "cut off") || !strings.Contains(text, "lost 0") || !strings.Contains(text, "still under way") {
		t.Errorf("the report: %s", text)
	}
}

func TestReportForPeople(t *testing.T) {
	console, out, err := captured("")
	if status := run(strings.Fields("run --plain --records 500 --rate 0 --crash data-producer=panic@1ms --crashes 1"), console); status != exitFine {
		t.Fatal(err)
	}
	for _, want := range []string{"lost 0", "data-producer", "panic 1", "nothing was lost", "latency p50"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

func TestALossIsStatus1(t *testing.T) {
	cmd := &parseInto(t, "run", "--plain").Run
	stop := newStopper()
	defer stop.close()
	p, err := cmd.prepare(stop)
	if err != nil {
		t.Fatal(err)
	}
	p.began = p.start
	p.ledger.attempt(0, 1)
	p.ledger.confirm(0, 0, 1)
	r := p.report(0)
	if r.OK || !strings.Contains(r.text(), "LOST: 1 confirmed") {
		t.Errorf("%s", r.text())
	}
	if err := cmd.print(&console{out: io.Discard}, r); err != nil {
		t.Error(err)
	}
}
