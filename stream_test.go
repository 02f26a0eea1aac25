package weir_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
)

// numbers gives n texts, from first on.
func numbers(first, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(first + i)
	}
	return texts
}

// all reads until the reader says that nothing is left, and commits.
func all(ctx context.Context, t *testing.T, r *weir.Reader[string]) (values []string) {
	t.Helper()
	for {
		has, err := r.HasRecords(ctx)
		ok(t, err)
		if !has {
			return values
		}
		b := must[*weir.Batch[string]](t)(r.Read(ctx))
		values = append(values, b.Values...)
		ok(t, b.Commit(ctx))
	}
}

func same(t *testing.T, who string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d records, want %d; first and last: %v, %v, want %v, %v", who, len(got), len(want), got[:min(1, len(got))], got[max(0, len(got)-1):], want[0], want[len(want)-1])
	}
}

func TestStreamIsReadFromWhereverOneLikes(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		next := reader(ctx, t, rt, channel, "next", weir.FromNext())
		const n = 2500
		ok(t, w.Write(ctx, numbers(0, n)...))
		same(t, "next", all(ctx, t, next), numbers(0, n))
		middle := time.Now()
		late := reader(ctx, t, rt, channel, "late", weir.FromNext())
		ok(t, w.Write(ctx, numbers(n, 500)...))
		same(t, "late", all(ctx, t, late), numbers(n, 500))
		same(t, "first", all(ctx, t, reader(ctx, t, rt, channel, "first", weir.Stream())), numbers(0, n+500))
		same(t, "offset", all(ctx, t, reader(ctx, t, rt, channel, "offset", weir.FromOffset(1234))), numbers(1234, n+500-1234))
		same(t, "time", all(ctx, t, reader(ctx, t, rt, channel, "time", weir.FromTime(middle))), numbers(n, 500))
		last := all(ctx, t, reader(ctx, t, rt, channel, "last", weir.FromLast()))
		if len(last) == 0 || len(last) > 500 || last[len(last)-1] != fmt.Sprint(n+499) {
			t.Errorf("last: %d records", len(last))
		}
	})
}

func TestStreamGoesOnBehindTheCommittedOffset(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		ok(t, w.Write(ctx, numbers(0, 1000)...))
		r := reader(ctx, t, rt, channel, "reader", weir.Stream(), weir.Poll(100), weir.Prefetch(1000))
		read := 0
		for read < 300 {
			read += len(must[*weir.Batch[string]](t)(r.Read(ctx)).Values)
		}
		if offsets := must[weir.Offsets](t)(r.Offsets(ctx)); offsets != (weir.Offsets{Initial: -1, Current: int64(read) - 1, Committed: -1}) {
			t.Errorf("%+v", offsets)
		}
		ok(t, r.CommitUpTo(ctx, 250))
		ok(t, r.Close(ctx))
		r = reader(ctx, t, rt, channel, "reader", weir.Stream())
		same(t, "again", all(ctx, t, r), numbers(250, 750))
		if o := must[weir.Offsets](t)(r.Offsets(ctx)); o != (weir.Offsets{Initial: 249, Current: 999, Committed: 999}) {
			t.Errorf("%+v", o)
		}
		ok(t, r.Close(ctx))
		r = reader(ctx, t, rt, channel, "reader", weir.Replay())
		same(t, "replay", all(ctx, t, r), numbers(0, 1000))
	})
}

func TestStreamWritersNeedNamesOfTheirOwn(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		ok(t, w.Write(ctx, numbers(0, 10)...))
		began := time.Now()
		_, err := weir.OpenWriter(ctx, rt, channel, weir.Text(), weir.Name("writer"), weir.Stream())
		if !errors.Is(err, weir.ErrNameInUse) {
			t.Errorf("%v", err)
		}
		t.Logf("refused after %s: %v", time.Since(began).Round(time.Millisecond), err)
		ok(t, w.Write(ctx, numbers(10, 10)...))
		ok(t, w.Close(ctx))
		w = writer(ctx, t, rt, channel, "writer", weir.Stream())
		ok(t, w.Write(ctx, numbers(20, 10)...))
		entries := writer(ctx, t, rt, channel, "entries", weir.SubEntries(100))
		ok(t, entries.Write(ctx, numbers(30, 250)...))
		r := reader(ctx, t, rt, channel, "reader", weir.Stream())
		same(t, "reader", all(ctx, t, r), numbers(0, 280))
	})
}

func TestStreamIsFinishedWithItsWriters(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		r := reader(ctx, t, rt, channel, "reader", weir.Stream(), weir.Expect(1))
		ok(t, w.Write(ctx, numbers(0, 3000)...))
		closed := make(chan error, 1)
		go func() { closed <- w.Close(ctx) }()
		var values []string
		for b, err := range r.Batches(ctx) {
			ok(t, err)
			values = append(values, b.Values...)
			ok(t, b.Commit(ctx))
		}
		same(t, "reader", values, numbers(0, 3000))
		ok(t, <-closed)
		ok(t, r.CloseAndDelete(ctx, false))
		lease := rt.Port().Lease("test")
		defer lease.Abort()
		for _, name := range []string{channel, channel + ".dead", channel + ".reader.status", channel + ".writer.status", channel + "@writer.lock"} {
			answer := make(chan error, 1)
			lease.Do(broker.InspectQueue{Name: name}, func(r broker.Result) { answer <- r.Err })
			if err := <-answer; !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestStreamTakesNoRecordThatNoFrameHasRoomFor(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		largest := strings.Repeat("x", weir.DefaultStreamMaxRecord)
		var bad *weir.RecordError
		if err := w.Write(ctx, "small", largest+"x"); !errors.Is(err, weir.ErrTooLarge) || !errors.As(err, &bad) || bad.Index != 1 {
			t.Errorf("%v", err)
		}
		ok(t, w.Write(ctx, largest))
		same(t, "reader", all(ctx, t, reader(ctx, t, rt, channel, "reader", weir.Stream())), []string{largest})
	})
}

// A reader that takes a stream for a queue is told so, instead of reading it from wherever it ends.
func TestStreamReadAsAQueue(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		w := writer(ctx, t, rt, channel, "writer", weir.Stream(), weir.Create())
		r, err := weir.OpenReader(ctx, rt, channel, weir.Text(), quick("reader")...)
		if err == nil { // RabbitMQ shows it only by a record
			if err := w.Write(ctx, "a record"); err != nil {
				t.Fatal(err)
			}
			_, err = r.Read(ctx)
			if closed := r.Close(ctx); closed == nil {
				t.Error("closed in order")
			}
		}
		var failed *weir.ChannelError
		if !errors.As(err, &failed) || !failed.Permanent || !errors.Is(err, broker.ErrWrongType) || !strings.Contains(err.Error(), "it is a stream") {
			t.Errorf("it was told: %v", err)
		}
	})
}
