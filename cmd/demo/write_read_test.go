package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
)

const orderSchema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"item","type":"string"},{"name":"price","type":["null","double"]}]}`

func schemaFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "order.avsc")
	if err := os.WriteFile(file, []byte(orderSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// embedded gives a Runtime in this process: both ends of a test's channel share it.
func onEmbeddedRuntime(t *testing.T) *weir.Runtime {
	rt := weir.Embedded()
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// writeOn runs "demo write" on a Runtime of the test's.
func writeOn(t *testing.T, rt *weir.Runtime, stop *stopper, in io.Reader, args ...string) (said string, err error) {
	t.Helper()
	cmd := &parseInto(t, append([]string{"write", "c", "--broker", "amqp://nobody", "--create"}, args...)...).Write
	console, _, text := captured("")
	write, err := cmd.prepare(stop.soft, in, false)
	if err == nil {
		err = write(console, stop, rt)
	}
	return text.String(), err
}

// readOn runs "demo read" on a Runtime of the test's.
func readOn(t *testing.T, rt *weir.Runtime, stop *stopper, out io.Writer, args ...string) (said string, err error) {
	t.Helper()
	cmd := &parseInto(t, append([]string{"read", "c", "--broker", "amqp://nobody"}, args...)...).Read
	console, _, text := captured("")
	console.out = out
	read, err := cmd.prepare(console)
	if err == nil {
		err = read(console, stop, rt)
	}
	return text.String(), err
}

func stopperOf(t *testing.T) *stopper {
	s := newStopper()
	t.Cleanup(s.close)
	return s
}

func textLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d ü\x1b\r\n", i)
	}
	return b.String()
}

func orderLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"item":"thing %d","price":%d.5}`+"\n", i, i%7, i)
	}
	return b.String()
}

// roundTrip writes lines and reads so many.
func roundTrip(t *testing.T, in string, write, read []string) string {
	t.Helper()
	rt, stop := onEmbeddedRuntime(t), stopperOf(t)
	if said, err := writeOn(t, rt, stop, strings.NewReader(in), write...); err != nil {
		t.Fatal(said, err)
	}
	var out bytes.Buffer
	if said, err := readOn(t, rt, stop, &out, read...); err != nil {
		t.Fatal(said, err)
	}
	return out.String()
}

func TestTextComesOutAsItWentIn(t *testing.T) {
	in := "\n" + textLines(5000) + "\n\nlast"
	if out := roundTrip(t, in, nil, []string{"--count", "5004", "--delete"}); out != in+"\n" {
		t.Errorf("%d bytes went in, %d came out", len(in), len(out))
	}
}

func TestAvroComesOutAsTheJSONThatWentIn(t *testing.T) {
	in, schema := orderLines(5000), schemaFile(t)
	blank := strings.Replace(in, "\n", "\n  \n\n", 3)
	if out := roundTrip(t, blank, []string{"--schema", schema}, []string{"--schema", schema, "--count", "5000"}); out != in {
		t.Errorf("%d bytes went in, %d came out", len(in), len(out))
	}
}

func TestTextAsJSONStrings(t *testing.T) {
	in := "a\"b\n<ü>\x1b\n"
	want := `"a\"b"` + "\n" + `"<ü>\u001b"` + "\n"
	if out := roundTrip(t, in, nil, []string{"--json", "--count", "2"}); out != want {
		t.Errorf("%s, want %s", out, want)
	}
}

func TestIdleEndsReading(t *testing.T) {
	if out := roundTrip(t, "x\n", nil, []string{"--idle", "50ms"}); out != "x\n" {
		t.Errorf("%q", out)
	}
}

func TestFirstBadRecordIsNamedAndNothingOfItsCallIsSent(t *testing.T) {
	schema := schemaFile(t)
	lines := strings.SplitAfter(orderLines(5000), "\n")
	for _, c := range []struct {
		name, bad string
		args      []string
		say       []string
	}{
		{"field", `{"id":1,"item":"x","price":"dear"}`, []string{"--schema", schema}, []string{"line 4711: field Order.price", "does not fit the schema"}},
		{"no JSON", `{"id":1`, []string{"--schema", schema}, []string{"line 4711: "}},
		{"no JSON, no schema", `{"id":1`, []string{"--format", "ndjson"}, []string{"line 4711: no JSON value"}},
		{"no UTF-8", "\xff", nil, []string{"line 4711: ", "not UTF-8"}},
		{"too long", strings.Repeat("x", maxBody+1), nil, []string{"line 4711 is longer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt, stop := onEmbeddedRuntime(t), stopperOf(t)
			in := strings.Join(lines[:4710], "") + c.bad + "\n" + strings.Join(lines[4711:], "")
			_, err := writeOn(t, rt, stop, strings.NewReader(in), c.args...)
			if err == nil {
				t.Fatal("it was taken")
			}
			sent := 4000
			if c.name == "too long" { // it belongs to no call yet: those before it are sent
				sent = 4710
			}
			for _, want := range append(c.say, number(sent)+" records were confirmed", fmt.Sprintf("nothing from line %d on was sent", sent+1)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			var out bytes.Buffer
			if _, err := readOn(t, rt, stop, &out, "--idle", "100ms", "--json"); err == nil && strings.Count(out.String(), "\n") != sent {
				t.Errorf("%d records are at the broker, want %d", strings.Count(out.String(), "\n"), sent)
			}
		})
	}
}

// pausing gives some lines and then presses Ctrl-C, with its input not at an end.
type pausing struct {
	lines io.Reader
	stop  *stopper
	held  chan struct{}
}

func (p *pausing) Read(b []byte) (int, error) {
	n, err := p.lines.Read(b)
	if err == io.EOF {
		p.stop.press()
		<-p.held
	}
	return n, err
}

func TestInterruptedWriterSaysWhatWasConfirmed(t *testing.T) {
	rt := onEmbeddedRuntime(t)
	in := &pausing{lines: strings.NewReader(textLines(2500)), stop: stopperOf(t), held: make(chan struct{})}
	_, err := writeOn(t, rt, in.stop, in)
	close(in.held)
	var confirmed, line int
	if _, scan := fmt.Sscanf(strings.ReplaceAll(fmt.Sprint(err), ",", ""), "interrupted: %d records were confirmed nothing from line %d on was sent", &confirmed, &line); scan != nil || line != confirmed+1 {
		t.Error(err)
	}
}
