package weir

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// What a Read leaves behind when its context ends, and what Batches do while nothing comes.

// pending makes sure that a demand is left behind: a Read whose context had ended before it asked leaves none.
func pending[T any](ctx context.Context, t *testing.T, r *Reader[T]) {
	t.Helper()
	for r.pending == nil {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		_, err := r.Read(short)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// The answer of a stopped reader to a Read that has left is not the answer to a Read after Start.
func TestStopLeavesNoAnswerToLaterReads(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text()))
	pending(ctx, t, r)
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if has := is[bool](t)(r.HasRecords(ctx)); has {
		t.Error("an empty channel has records")
	}
	if err := errors.Join(r.Start(ctx), w.Write(ctx, "x")); err != nil {
		t.Fatal(err)
	}
	if b := is[*Batch[string]](t)(r.Read(ctx)); b.Values[0] != "x" {
		t.Errorf("%q", b.Values)
	}
}

// A time-out of a Read that has left is none of the next.
func TestPollTimeoutOfAReadThatHasLeft(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), PollTimeout(20*time.Millisecond)))
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text()))
	pending(ctx, t, r)
	b := <-r.pending // it is answered, with nothing
	r.pending <- b
	if len(b.Records) != 0 {
		t.Fatal(b)
	}
	if has := is[bool](t)(r.HasRecords(ctx)); has {
		t.Error("an empty channel has records")
	}
	r.pending = make(chan *messages.Batch, 1)
	r.pending <- b
	if err := w.Write(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	for is[*messages.Snapshot](t)(r.Inspect(ctx)).Waiting == 0 {
		continue // until it is delivered
	}
	if b := is[*Batch[string]](t)(r.Read(ctx)); len(b.Values) != 1 {
		t.Errorf("%q, though a record waits", b.Values)
	}
}

// What was delivered for a Read that has left was not read.
func TestCommitUpToCountsWhatWasRead(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text()))
	pending(ctx, t, r)
	if err := w.Write(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	for is[*messages.Snapshot](t)(r.Inspect(ctx)).Records == 0 {
		continue // until it is handed over, to nobody
	}
	if o := is[Offsets](t)(r.Offsets(ctx)); o.Current != -1 {
		t.Errorf("%+v", o)
	}
	if err := r.CommitUpTo(ctx, 1); err == nil {
		t.Error("a record was committed that nobody has read")
	}
	is[*Batch[string]](t)(r.Read(ctx))
	if err := r.CommitUpTo(ctx, 1); err != nil {
		t.Error(err)
	}
}

// picky takes everything but "bad".
type picky struct{}

func (picky) Append(to []byte, v string) ([]byte, error) { return append(to, v...), nil }
func (picky) ContentEncoding() string                    { return "" }
func (picky) Decode(body []byte) (string, error) {
	if string(body) == "bad" {
		return "", errors.New("bad")
	}
	return string(body), nil
}

// Batches look from time to time whether all have finished: that must not end the dead-lettering of a record, which may take longer.
func TestBatchesThatExpectLetDeadLettersTakeTheirTime(t *testing.T) {
	ctx, port, rt := world(t)
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Custom[string](picky{}), Name("w"), Create()))
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Custom[string](picky{}), Name("r"), Expect(1)))
	port.Sync(func() { port.Delay(2 * finishedEvery / 3) }) // each way
	if err := w.Write(ctx, "bad", "good", "bad"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	var values []string
	for b, err := range r.Batches(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, b.Values...)
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	dead := 0
	port.Sync(func() { port.Delay(0); dead = port.Depth("c.dead") })
	if dead != 2 || len(values) != 1 {
		t.Errorf("%d dead letters of 2, values %q", dead, values)
	}
}

// A loop over batches that goes on after errors must not spin.
func TestBatchesEndWhereNothingCanBeRead(t *testing.T) {
	ctx, _, rt := world(t)
	for want, option := range map[error]Option{ErrNotStarted: StandBy(), ErrSilent: Silent()} {
		is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
		r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), option))
		pairs := 0
		for _, err := range r.Batches(ctx) {
			if pairs++; pairs > 1 || !errors.Is(err, want) {
				t.Fatalf("pair %d: %v", pairs, err)
			}
		}
	}
}

// A schema that is known before the opening is not waited for, and one that never comes keeps no endpoint that has ended.
func TestLateSchemaThatIsKnownOrNeverComes(t *testing.T) {
	ctx, _, rt := world(t)
	known, schema := AvroLater[string]()
	if err := schema.Set(`"string"`); err != nil {
		t.Fatal(err)
	}
	if known.waitedFor() {
		t.Error("a known schema is waited for")
	}
	format, never := AvroLater[string]()
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", format, Create()))
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for kept := 1; kept > 0; {
		never.mu.Lock()
		kept = len(never.tell)
		never.mu.Unlock()
	}
}
