package weir_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
)

func quiet(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }

// start gives a runtime on an embedded broker and a context; the runtime is closed at the end of the test.
func start(t *testing.T, opts ...weir.RuntimeOption) (context.Context, *weir.Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	rt := weir.Embedded(opts...)
	t.Cleanup(func() {
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return ctx, rt
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func read[T any](ctx context.Context, t *testing.T, r *weir.Reader[T], n int) (values []T) {
	t.Helper()
	for len(values) < n {
		b := must[*weir.Batch[T]](t)(r.Read(ctx))
		values = append(values, b.Values...)
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

func TestWriteLargerThanTheWindow(t *testing.T) {
	ctx, rt := start(t)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text(), weir.Window(10, 100)))
	lines := make([]string, 500)
	for i := range lines {
		lines[i] = fmt.Sprint("line ", i, strings.Repeat("x", i%200))
	}
	if err := w.Write(ctx, lines...); err != nil {
		t.Fatal(err)
	}
	for i, line := range read(ctx, t, r, len(lines)) {
		if line != lines[i] {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

// A Read whose context ends must not swallow the batch that comes for it.
func TestReadLeavesItsBatchToTheNext(t *testing.T) {
	ctx, rt := start(t)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text()))
	waiting, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(waiting)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := w.Write(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if got := read(ctx, t, r, 2); got[0] != "a" || got[1] != "b" {
		t.Fatal(got)
	}
}

// When the context of a Write ends, what was sent is Unknown, what was not is withdrawn and never arrives.
func TestWriteIsWithdrawn(t *testing.T) {
	port := embedded.Start()
	defer port.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.OnPort(port)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text(), weir.Window(2, 1000)))
	events := w.Subscribe()
	port.Sync(func() { port.Block(true) })
	for event := range events.All(ctx) {
		if alarm, ok := event.(*messages.AlarmChanged); ok && alarm.On {
			break
		}
	}
	short, end := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() { result <- w.Write(short, "1", "2", "3", "4", "5") }()
	for snapshot := must[*messages.Snapshot](t)(w.Inspect(ctx)); snapshot.Waiting < 5; {
		snapshot = must[*messages.Snapshot](t)(w.Inspect(ctx))
	}
	end()
	var failed *weir.WriteError
	if err := <-result; !errors.As(err, &failed) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if failed.Count(weir.Unknown) != 2 || failed.Count(weir.NotSent) != 3 || failed.Outcomes[0] != weir.Unknown || failed.Outcomes[4] != weir.NotSent {
		t.Fatal(failed)
	}
	port.Sync(func() { port.Block(false) })
	if err := w.Write(ctx, "6"); err != nil {
		t.Fatal(err)
	}
	if got := read(ctx, t, r, 3); strings.Join(got, " ") != "1 2 6" {
		t.Fatalf("got %v: what was withdrawn must not arrive", got)
	}
	if err := rt.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	ctx, rt := start(t)
	short, cancel := context.WithCancel(ctx)
	events := rt.Subscribe()
	go func() {
		for event := range events.All(ctx) {
			if _, ok := event.(*messages.WaitsFor); ok {
				cancel()
				return
			}
		}
	}()
	_, err := weir.OpenWriter(short, rt, "nowhere", weir.Raw())
	if !errors.Is(err, context.Canceled) || !errors.Is(err, broker.ErrNotFound) || !strings.Contains(err.Error(), "nowhere") {
		t.Fatalf("%v: it must say that the exchange nowhere is not there", err)
	}
}

func TestUndecodableRecords(t *testing.T) {
	for _, test := range []struct {
		policy weir.Undecodable
		dead   int
	}{{weir.DeadLetter, 1}, {weir.Skip, 0}} {
		ctx, rt := start(t)
		r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text(), weir.OnUndecodable(test.policy)))
		w := must[*weir.Writer[[]byte]](t)(weir.OpenWriter(ctx, rt, "c", weir.Raw()))
		if err := w.Write(ctx, []byte("a"), []byte("\xff"), []byte("b")); err != nil {
			t.Fatal(err)
		}
		var got, bodies []string
		for len(got) < 2 {
			batch := must[*weir.Batch[string]](t)(r.Read(ctx))
			got = append(got, batch.Values...)
			for _, record := range batch.Records {
				bodies = append(bodies, string(record.Body))
			}
		}
		if strings.Join(got, " ") != "a b" || !slices.Equal(bodies, got) {
			t.Fatalf("%v with the records %q: neighbours of a bad record must arrive", got, bodies)
		}
		lease := rt.Port().Lease("test")
		depth := make(chan broker.Result, 1)
		lease.Do(broker.InspectQueue{Name: "c.dead"}, func(r broker.Result) { depth <- r })
		if d := <-depth; d.Err != nil || d.Queue.Ready != test.dead {
			t.Errorf("policy %d: %d dead letters, %v", test.policy, d.Queue.Ready, d.Err)
		}
		lease.Abort()
	}
}

// With FailRead a bad record's neighbours arrive all the same, and who commits it goes on without it.
func TestUndecodableFailsTheRead(t *testing.T) {
	ctx, rt := start(t)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text(), weir.OnUndecodable(weir.FailRead), weir.Poll(3), weir.Prefetch(3)))
	w := must[*weir.Writer[[]byte]](t)(weir.OpenWriter(ctx, rt, "c", weir.Raw()))
	var want []string
	for i := range 30 { // ten times the prefetch
		if err := w.Write(ctx, []byte{'a' + byte(i%26)}, []byte("\xff")); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(rune('a'+i%26)))
	}
	var got []string
	for bad := 0; bad < 30; {
		batch, err := r.Read(ctx)
		var record *weir.RecordError
		switch {
		case errors.As(err, &record):
			if bad++; len(batch.Values) != 0 || string(batch.Records[0].Body) != "\xff" {
				t.Fatalf("%v comes with %v", err, batch)
			}
		case err != nil:
			t.Fatal(err)
		}
		got = append(got, batch.Values...)
		if err := batch.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("got %v", got)
	}
}

// A bad value stops its whole call before anything is sent.
func TestNothingOfABadCallIsSent(t *testing.T) {
	ctx, rt := start(t)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text()))
	var record *weir.RecordError
	if err := w.Write(ctx, "a", "b", "\xff"); !errors.As(err, &record) || record.Index != 2 {
		t.Fatal(err)
	}
	if err := w.Write(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	if got := read(ctx, t, r, 1); got[0] != "c" {
		t.Fatal(got)
	}
}

// A record that no broker takes would end one producer after another, and the channel with them.
func TestRecordLongerThanAllowed(t *testing.T) {
	ctx, rt := start(t)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text(), weir.MaxRecord(3)))
	var record *weir.RecordError
	if err := w.Write(ctx, "abc", "abcd"); !errors.As(err, &record) || record.Index != 1 || !errors.Is(err, weir.ErrTooLarge) {
		t.Fatal(err)
	}
	if err := w.Write(ctx, "def"); err != nil {
		t.Fatal(err)
	}
	if got := read(ctx, t, r, 1); got[0] != "def" {
		t.Fatal(got)
	}
}

func TestWaitForReaders(t *testing.T) {
	ctx, rt := start(t)
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text(), weir.Create()))
	waited := make(chan error, 1)
	go func() { waited <- w.WaitForReaders(ctx, 2) }()
	for range 2 {
		must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(ctx)
	go func() { waited <- w.WaitForReaders(short, 3) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestCloseAndDelete(t *testing.T) {
	port := embedded.Start()
	defer port.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.OnPort(port)
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text(), weir.HealthInterval(100*time.Millisecond)))
	w := must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, "c", weir.Text(), weir.Name("w")))
	if err := r.WaitForWriters(ctx, 1); err != nil {
		t.Fatal(err)
	}
	events := r.Subscribe()
	deleted := make(chan error, 1)
	go func() { deleted <- r.CloseAndDelete(ctx, false) }()
	for event := range events.All(ctx) {
		if waits, ok := event.(*messages.WaitsFor); ok {
			if !strings.Contains(waits.Reason.Error(), "c@w") {
				t.Errorf("%v does not name the open peer", waits.Reason)
			}
			break
		}
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	lease := port.Lease("test")
	for _, name := range []string{"c", "c.dead", "c.reader.status", "c.writer.status"} {
		result := make(chan broker.Result, 1)
		lease.Do(broker.InspectQueue{Name: name}, func(r broker.Result) { result <- r })
		if r := <-result; !errors.Is(r.Err, broker.ErrNotFound) {
			t.Errorf("%s is still there: %v", name, r.Err)
		}
	}
	lease.Abort()
	if err := rt.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestClosedRuntimeOpensNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, "c", weir.Text()))
	if err := rt.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(ctx); !errors.Is(err, weir.ErrClosed) {
		t.Error(err)
	}
	if _, err := weir.OpenReader(ctx, rt, "d", weir.Text()); !errors.Is(err, weir.ErrClosed) {
		t.Error(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsWrong(t *testing.T) {
	ctx, rt := start(t)
	for name, open := range map[string]func() error{
		"schema":  func() error { _, err := weir.OpenWriter(ctx, rt, "c", weir.Avro[int](`{"type": "what"}`)); return err },
		"channel": func() error { _, err := weir.OpenWriter(ctx, rt, "", weir.Raw()); return err },
		"name":    func() error { _, err := weir.OpenReader(ctx, rt, "c", weir.Raw(), weir.Name("a@b")); return err },
		"group":   func() error { _, err := weir.OpenReader(ctx, rt, "c", weir.Raw(), weir.Group("g", 2, 2)); return err },
	} {
		if err := open(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A slow subscriber loses its oldest events, which are counted, and harms nobody.
func TestSlowSubscriber(t *testing.T) {
	ctx, rt := start(t)
	events := rt.Subscribe()
	for i := range 100 {
		r := must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, fmt.Sprint("c", i), weir.Text()))
		if err := r.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if events.Dropped() == 0 {
		t.Fatal("nothing was dropped: open more channels")
	}
	event := must[weir.Event](t)(events.Next(ctx))
	if event.Of().Channel == "c0" {
		t.Error("the oldest event was kept")
	}
	events.Close()
}
