package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
)

func TestCountTakesExactlySoMany(t *testing.T) {
	rt, stop := onEmbeddedRuntime(t), stopperOf(t)
	in := textLines(1000)
	if _, err := writeOn(t, rt, stop, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, n := range []int{1, 7, 250, 742} {
		var out bytes.Buffer
		said, err := readOn(t, rt, stop, &out, "--count", fmt.Sprint(n))
		if err != nil || bytes.Count(out.Bytes(), []byte("\n")) != n || !strings.HasPrefix(said, fmt.Sprint(n)+" records were written and committed") {
			t.Fatalf("asked for %d, got %d lines: %s, %v", n, bytes.Count(out.Bytes(), []byte("\n")), said, err)
		}
		all.Write(out.Bytes())
	}
	if all.String() != in {
		t.Error("together they are not what was written")
	}
}

// full is an output that somebody stops reading.
type full struct {
	bytes.Buffer
	room int
}

func (f *full) Write(p []byte) (int, error) {
	if f.Len()+len(p) > f.room {
		return 0, io.ErrClosedPipe
	}
	return f.Buffer.Write(p)
}

func TestWhatWasNotWrittenIsNotCommitted(t *testing.T) {
	rt, stop := onEmbeddedRuntime(t), stopperOf(t)
	in := textLines(1000)
	if _, err := writeOn(t, rt, stop, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	first := &full{room: len(in) / 2}
	if said, err := readOn(t, rt, stop, first); err != nil || !strings.Contains(said, "stay in the queue") {
		t.Fatalf("%s, %v", said, err)
	}
	var rest bytes.Buffer
	left := 1000 - bytes.Count(first.Bytes(), []byte("\n"))
	if _, err := readOn(t, rt, stop, &rest, "--count", fmt.Sprint(left)); err != nil {
		t.Fatal(err)
	}
	if first.String()+rest.String() != in {
		t.Error("what the first reader did not write, the second did not get")
	}
}

// pressing presses Ctrl-C at its first write.
type pressing struct {
	bytes.Buffer
	stop *stopper
}

func (p *pressing) Write(b []byte) (int, error) {
	p.stop.press()
	return p.Buffer.Write(b)
}

func TestInterruptedReaderCommitsWhatItWrote(t *testing.T) {
	rt := onEmbeddedRuntime(t)
	in := textLines(1000)
	if _, err := writeOn(t, rt, stopperOf(t), strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	first := &pressing{stop: stopperOf(t)}
	if said, err := readOn(t, rt, first.stop, first); err != nil {
		t.Fatal(said, err)
	}
	var rest bytes.Buffer
	left := 1000 - bytes.Count(first.Bytes(), []byte("\n"))
	if _, err := readOn(t, rt, stopperOf(t), &rest, "--count", fmt.Sprint(left)); err != nil {
		t.Fatal(err)
	}
	if left == 1000 || first.String()+rest.String() != in {
		t.Errorf("%d lines before, %d after", 1000-left, left)
	}
}

func TestRecordThatIsNoRecordStopsTheReadAndStays(t *testing.T) {
	rt, stop, schema := onEmbeddedRuntime(t), stopperOf(t), schemaFile(t)
	if _, err := writeOn(t, rt, stop, strings.NewReader("no avro\n")); err != nil {
		t.Fatal(err)
	}
	_, err := readOn(t, rt, stop, io.Discard, "--schema", schema)
	if err == nil || !strings.Contains(err.Error(), "stay in the queue") {
		t.Errorf("%v", err)
	}
	var out bytes.Buffer
	if _, err := readOn(t, rt, stop, &out, "--count", "1"); err != nil || out.String() != "no avro\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestDeleteSaysWhichPeerIsOpen(t *testing.T) {
	t.Parallel() // it waits for the peer
	rt, stop := onEmbeddedRuntime(t), stopperOf(t)
	w, err := weir.OpenWriter(t.Context(), rt, "c", weir.Text(), weir.Name("still-here"), weir.Create())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := readOn(t, rt, stop, io.Discard, "--count", "1", "--delete"); err == nil || !strings.Contains(err.Error(), "still-here") {
		t.Errorf("%v", err)
	}
}

func TestControlCharactersAreEscapedOnATerminalOnly(t *testing.T) {
	record := "a\x1b[31m\tb\nü\u009b\x7f\xff"
	if got := string(textLine(false)(nil, []byte(record))); got != record {
		t.Errorf("piped: %q", got)
	}
	if got, want := string(textLine(true)(nil, []byte(record))), "a\\u001b[31m\tb\\u000aü\\u009b\\u007f\\xff"; got != want {
		t.Errorf("on a terminal: %q, want %q", got, want)
	}
}
