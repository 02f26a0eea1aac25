package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
)

// begins is where an option has a reader begin.
func begins(t *testing.T, text string) (s streamStart) {
	t.Helper()
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Error(err)
	}
	return s
}

func TestStartsInAStreamAreRead(t *testing.T) {
	for _, text := range []string{"first", "last", "next", "0", "4711", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.5+02:00", "10m", "1h30m", "7d"} {
		if s := begins(t, text); !s.given() {
			t.Errorf("%s says nothing", text)
		}
	}
	for _, wrong := range []string{"", "begin", "-1", "-10m", "0s", "1.5", "2024-05-01", "99999999999999999999", "d"} {
		var s streamStart
		if err := s.UnmarshalText([]byte(wrong)); err == nil || !strings.Contains(err.Error(), "10m") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestRetentionIsRead(t *testing.T) {
	for text, want := range map[string]retained{
		"24h": {age: 24 * time.Hour}, "7d": {age: 7 * 24 * time.Hour}, "90s": {age: 90 * time.Second}, "1000B": {bytes: 1000}, "500MB": {bytes: 500_000_000}, "10GiB": {bytes: 10 << 30}, "1.5KiB": {bytes: 1536}, "2TiB": {bytes: 2 << 40},
	} {
		var r retained
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
	for _, wrong := range []string{"", "10", "B", "10G", "10gib", "-1h", "-1B", "0s", "500ms", "1.5s", "NaNB", "infB", "99999999TiB", "0.1B", "-1d", "70000d"} {
		var r retained
		if err := r.UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q was taken: %+v", wrong, r)
		}
	}
	for _, text := range []string{"--retain 24h,10GiB", "--retain 10GiB --retain 24h"} {
		flag := parseInto(t, strings.Fields("write c --broker amqp://h --plane stream --create "+text)...).Write.Retain
		if got := bounds(flag); got != (retained{24 * time.Hour, 10 << 30}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// bounds are what a flag makes of both.
func bounds(f retentionFlag) (all retained) {
	for _, r := range f {
		all.age, all.bytes = all.age+r.age, all.bytes+r.bytes
	}
	return all
}

// onStream adds the flag.
func onStream(args ...string) []string { return append(args, "--plane", "stream") }

func writeStream(t *testing.T, rt *weir.Runtime, in string, args ...string) {
	t.Helper()
	if said, err := writeOn(t, rt, stopperOf(t), strings.NewReader(in), onStream(args...)...); err != nil {
		t.Fatal(said, err)
	}
}

func readStream(t *testing.T, rt *weir.Runtime, args ...string) (out, said string) {
	t.Helper()
	var b bytes.Buffer
	said, err := readOn(t, rt, stopperOf(t), &b, onStream(args...)...)
	if err != nil {
		t.Fatal(said, err)
	}
	return b.String(), said
}

func TestCountEndsAnywhereInAStream(t *testing.T) {
	rt, in := onEmbeddedRuntime(t), textLines(5000)
	writeStream(t, rt, in)
	all, at := "", 0
	for _, n := range []int{1, 7, 1250, 3742} {
		out, said := readStream(t, rt, "--name", "r", "--count", fmt.Sprint(n))
		at += n
		if !strings.HasPrefix(said, number(n)+" records were written and committed under the name r, at offset") || !strings.HasSuffix(said, fmt.Sprintf("%d\n", at-1)) {
			t.Error(said)
		}
		all += out
	}
	if all != in {
		t.Error("together they are not what was written")
	}
	if out, said := readStream(t, rt, "--count", "5000"); out != in || said != "5,000 records were written, at offsets 0 to 4999\n" {
		t.Errorf("another reader has %d of %d bytes: %s", len(out), len(in), said)
	}
	if out, _ := readStream(t, rt, "--name", "r", "--replay", "--from", "4990", "--count", "10"); out != tail(in, 10) {
		t.Errorf("replayed: %q", out)
	}
}

// tail gives the last n lines.
func tail(in string, n int) string {
	lines := strings.SplitAfter(in, "\n")
	return strings.Join(lines[max(0, len(lines)-1-n):], "")
}

func TestInterruptedReaderOfAStreamGoesOnBehindItsCommits(t *testing.T) {
	rt, in := onEmbeddedRuntime(t), textLines(5000)
	writeStream(t, rt, in)
	first := &pressing{stop: stopperOf(t)}
	if said, err := readOn(t, rt, first.stop, first, onStream("--name", "r")...); err != nil {
		t.Fatal(said, err)
	}
	left := 5000 - strings.Count(first.String(), "\n")
	if rest, _ := readStream(t, rt, "--name", "r", "--count", fmt.Sprint(left)); left == 5000 || first.String()+rest != in {
		t.Errorf("%d lines before, %d after", 5000-left, left)
	}
}

func TestContainerOutOfAStreamEndsAnywhere(t *testing.T) {
	rt, records, schema := onEmbeddedRuntime(t), orderRecords(t, 3000), schemaFile(t)
	writeStream(t, rt, container(t, records), "--format", "avro")
	args := []string{"--format", "avro", "--schema", schema, "--name", "r", "--count"}
	first, _ := readStream(t, rt, append(args, "1234")...)
	rest, _ := readStream(t, rt, append(args, "1766")...)
	mustBeRecords(t, append(contents(t, first), contents(t, rest)...), records)
}

func TestRecordThatIsNoRecordIsNamedByItsOffset(t *testing.T) {
	rt, schema := onEmbeddedRuntime(t), schemaFile(t)
	lines := orderLines(20)
	writeStream(t, rt, tail(lines, 10), "--schema", schema)
	writeStream(t, rt, "no avro\n")
	writeStream(t, rt, tail(lines, 10), "--schema", schema)
	var out bytes.Buffer
	_, err := readOn(t, rt, stopperOf(t), &out, onStream("--schema", schema, "--name", "r")...)
	if err == nil || !strings.Contains(err.Error(), "the record at offset 10 cannot be read") || !strings.Contains(err.Error(), "--from 11 ") || strings.Contains(err.Error(), "queue") || out.String() != tail(lines, 10) {
		t.Errorf("%v, %s", err, out.String())
	}
	if out, _ := readStream(t, rt, "--name", "r", "--count", "1"); out != "no avro\n" {
		t.Errorf("the next of that name reads %q", out)
	}
	if out, _ := readStream(t, rt, "--schema", schema, "--name", "r", "--replay", "--from", "11", "--count", "10"); out != tail(lines, 10) {
		t.Errorf("behind it there is %q", out)
	}
	for _, policy := range []string{"skip", "dead-letter"} {
		if out, _ := readStream(t, rt, "--schema", schema, "--undecodable", policy, "--count", "15"); strings.Count(out, "\n") != 15 {
			t.Errorf("%s: %q", policy, out)
		}
	}
	if out := dead(t, rt, "c.dead"); out != "no avro" {
		t.Errorf("dead: %q", out)
	}
}

// dead reads one record of a queue.
func dead(t *testing.T, rt *weir.Runtime, queue string) string {
	t.Helper()
	r, err := weir.OpenReader(sniffContext(t), rt, queue, weir.Text())
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Read(sniffContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return b.Values[0]
}

func TestOutputOfAStreamThatNobodyReads(t *testing.T) {
	rt, in := onEmbeddedRuntime(t), textLines(5000)
	writeStream(t, rt, in)
	out := &full{room: len(in) / 2}
	said, err := readOn(t, rt, stopperOf(t), out, onStream("--name", "r")...)
	if err != nil || !strings.Contains(said, "nobody reads the output any more") || strings.Contains(said, "queue") {
		t.Fatal(said, err)
	}
	left := 5000 - strings.Count(out.String(), "\n")
	if rest, _ := readStream(t, rt, "--name", "r", "--count", fmt.Sprint(left)); out.String()+rest != in {
		t.Error("what the first reader did not write, the second did not get")
	}
}

func TestASecondWriterOfANameIsToldSo(t *testing.T) {
	t.Parallel() // it tries for two seconds
	rt := onEmbeddedRuntime(t)
	if _, err := weir.OpenWriter(t.Context(), rt, "c", weir.Text(), weir.Name("shop"), weir.Stream(), weir.Create()); err != nil {
		t.Fatal(err)
	}
	_, err := writeOn(t, rt, stopperOf(t), strings.NewReader("x\n"), onStream("--name", "shop")...)
	if want := "another writer of the channel c has the name shop: wait until it has ended, or choose another --name"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if _, err := writeOn(t, rt, stopperOf(t), strings.NewReader("x\n"), onStream("--name", "shop", "--sub-entries", "10")...); err != nil {
		t.Errorf("entries need no name of their own: %v", err)
	}
}

func TestAWriterGoesOnBehindWhatItsNameHas(t *testing.T) {
	rt, in := onEmbeddedRuntime(t), textLines(3000)
	writeStream(t, rt, in, "--name", "shop")
	writeStream(t, rt, in, "--name", "shop")
	if out, _ := readStream(t, rt, "--count", "6000"); out != in+in {
		t.Errorf("%d bytes of twice %d", len(out), len(in))
	}
}

func TestALineThatNoFrameHasRoomForIsNamed(t *testing.T) {
	rt := onEmbeddedRuntime(t)
	in := "short\n" + strings.Repeat("x", weir.DefaultStreamMaxRecord+1) + "\n"
	_, err := writeOn(t, rt, stopperOf(t), strings.NewReader(in), onStream()...)
	if err == nil || !strings.Contains(err.Error(), "line 2: ") || !strings.Contains(err.Error(), "the most is 1047552; 0 records") {
		t.Errorf("%.300v", err)
	}
}

func TestTheOtherPlaneIsNamed(t *testing.T) {
	rt := onEmbeddedRuntime(t)
	if said, err := writeOn(t, rt, stopperOf(t), strings.NewReader("x\n")); err != nil {
		t.Fatal(said, err)
	}
	_, err := readOn(t, rt, stopperOf(t), io.Discard, onStream()...)
	if err == nil || !strings.Contains(err.Error(), "leave out --plane stream") {
		t.Errorf("%v", err)
	}
	if _, err := writeOn(t, rt, stopperOf(t), strings.NewReader("x\n"), onStream()...); err == nil || !strings.Contains(err.Error(), "leave out --plane stream") {
		t.Errorf("%v", err)
	}
}
