package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func (e *end) commitUpTo(count uint64) *answer[messages.Committed] {
	a, done := take[messages.Committed](e.bed)
	e.send(&messages.CommitUpTo{Count: count, Done: done})
	return a
}

// counted checks a reader's figures, and how many records the broker still has.
func (e *end) counted(initial, current, committed int64, depth int) {
	e.Helper()
	e.world.RunFor(100 * time.Millisecond)
	s := e.snapshot()
	if want := (messages.Offsets{Initial: initial, Current: current, Committed: committed}); s.Offsets != want {
		e.Errorf("offsets %+v, want %+v", s.Offsets, want)
	}
	if n := e.world.Broker().Depth("orders"); n != depth {
		e.Errorf("%d records are at the broker, want %d", n, depth)
	}
}

// outcome names what became of a commit.
func (e *end) outcome(a *answer[messages.Committed]) string {
	e.Helper()
	switch m := await(e.bed, a, time.Second); {
	case m.Err == nil:
		return "ok"
	case errors.Is(m.Err, supervisor.ErrRedelivered):
		return "redelivered"
	case errors.Is(m.Err, supervisor.ErrClosed), errors.Is(m.Err, supervisor.ErrNotStarted):
		return m.Err.Error()
	}
	return "range"
}

// The table of the wire contract, "Offsets".
func TestCommitUpTo(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	await(b, written, time.Second)
	b.world.RunFor(time.Second) // all are in the reader's buffer
	reader.counted(-1, -1, -1, 10)
	ignored := 0
	for i, step := range []struct {
		read, commit  uint64
		outcome       string
		ignored       bool
		current, last int64
		depth         int
	}{
		{0, 0, "ok", false, -1, -1, 10},
		{0, 1, "range", false, -1, -1, 10}, // delivered, but not read
		{6, 0, "ok", false, 5, -1, 10},
		{0, 7, "range", false, 5, -1, 10},
		{0, 4, "ok", false, 5, 3, 6},
		{0, 4, "ok", false, 5, 3, 6},
		{0, 2, "ok", true, 5, 3, 6},
		{0, 0, "ok", true, 5, 3, 6},
		{4, 6, "ok", false, 9, 5, 4}, // exactly what it says, not all that was read
		{0, 10, "ok", false, 9, 9, 0},
		{0, 11, "range", false, 9, 9, 0},
		{0, 10, "ok", false, 9, 9, 0},
		{0, 1 << 63, "range", false, 9, 9, 0},
	} {
		if step.read > 0 {
			await(b, reader.demand(int(step.read)), time.Second)
		}
		if got := reader.outcome(reader.commitUpTo(step.commit)); got != step.outcome {
			t.Errorf("step %d: %s, want %s", i, got, step.outcome)
		}
		if step.ignored {
			ignored++
			if ev := last[*messages.CommitIgnored](reader); ev.Count != step.commit || ev.Committed != 4 {
				t.Errorf("step %d: %+v", i, ev)
			}
		}
		if n := len(seen[*messages.CommitIgnored](reader)); n != ignored {
			t.Errorf("step %d: %d were ignored, want %d", i, n, ignored)
		}
		reader.counted(-1, step.current, step.last, step.depth)
	}
}

// The figures before the channel is open are those of a pypz reader that was not initialised.
func TestOffsetsBeforeTheChannelIsOpen(t *testing.T) {
	b := newBed(t)
	reader := b.reader(joins)
	reader.counted(0, messages.NotInitialisedOffset, 0, 0)
	if got := reader.outcome(reader.commitUpTo(0)); got != "ok" {
		t.Error(got)
	}
	if got := reader.outcome(reader.commitUpTo(1)); got != "range" {
		t.Error(got)
	}
	b.writer().opened()
	reader.opened()
	reader.counted(-1, -1, -1, 0)
}

// Commits of batches and of counts are of one account: what is committed behind a gap counts when the gap is closed.
func TestCommitUpToAmongCommitsOfBatches(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1", "2", "3", "4", "5")
	await(b, written, time.Second)
	b.world.RunFor(time.Second)
	var batches []*messages.Batch
	for range 3 {
		batches = append(batches, await(b, reader.demand(2), time.Second))
	}
	reader.commit(batches[2])
	reader.counted(-1, 5, -1, 6)
	for i, step := range []struct {
		count uint64
		last  int64
		depth int
	}{{2, 1, 4}, {4, 5, 0}, {5, 5, 0}} {
		if got := reader.outcome(reader.commitUpTo(step.count)); got != "ok" {
			t.Errorf("step %d: %s", i, got)
		}
		reader.counted(-1, 5, step.last, step.depth)
	}
	if n := len(seen[*messages.CommitIgnored](reader)); n != 1 { // the 5
		t.Errorf("%d were ignored", n)
	}
}

// After an incident the figures go on: what was read and not committed comes again and counts again, and the records of the dead incarnation cannot be committed any more.
func TestCommitUpToAfterAnIncident(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1", "2", "3", "4")
	await(b, written, time.Second)
	b.world.RunFor(time.Second)
	await(b, reader.demand(5), time.Second)
	check := func(when string, commits map[uint64]string) {
		t.Helper()
		for _, count := range []uint64{0, 2, 3, 4, 5, 6, 7, 8} {
			if want := commits[count]; want != "" {
				if got := reader.outcome(reader.commitUpTo(count)); got != want {
					t.Errorf("%s, %d: %s, want %s", when, count, got, want)
				}
			}
		}
	}
	check("before", map[uint64]string{3: "ok"})
	reader.counted(-1, 4, 2, 2)
	b.world.Broker().RefuseFor(time.Second)
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	down := map[uint64]string{2: "ok", 3: "ok", 4: "redelivered", 5: "redelivered", 6: "range"}
	check("while it is down", down)
	b.until("it is up", 5*time.Second, func() bool { return last[*messages.ChildReady](reader).Child == messages.DataConsumer })
	check("when it is up", down)
	reader.counted(-1, 4, 2, 2)
	batch := await(b, reader.demand(5), 5*time.Second)
	if len(batch.Records) != 2 || string(batch.Records[0].Body) != "3" {
		t.Fatalf("%+v", batch)
	}
	check("when they came again", map[uint64]string{2: "ok", 3: "ok", 4: "redelivered", 5: "redelivered", 8: "range"})
	reader.counted(-1, 6, 2, 2)
	check("their commits", map[uint64]string{6: "ok"})
	reader.counted(-1, 6, 5, 1)
	check("their commits", map[uint64]string{7: "ok"})
	reader.counted(-1, 6, 6, 0)

	for i := range 3 { // incidents without anything open leave the figures as they are
		b.world.RunFor(time.Second) // what was committed last has arrived
		b.world.Broker().CutOwner("orders/reader/data-consumer")
		b.world.RunFor(5 * time.Second)
		reader.counted(-1, 6+int64(i), 6+int64(i), 0)
		written, _ := writer.write(fmt.Sprint("later ", i))
		await(b, written, time.Second)
		await(b, reader.demand(1), time.Second)
		if got := reader.outcome(reader.commitUpTo(8 + uint64(i))); got != "ok" {
			t.Error(got)
		}
	}
	if s := reader.snapshot(); s.Records != 10 || s.Uncommitted != 0 {
		t.Errorf("%+v", s)
	}
}

// The figures never go back, whatever fails when.
func TestOffsetsOverManyIncidents(t *testing.T) {
	for seed := range uint64(30) {
		b := seeded(t, seed)
		writer, reader := b.both(noStatus)
		was, read := messages.Offsets{Initial: -1, Current: -1, Committed: -1}, 0
		for i := range 40 {
			written, _ := writer.write(fmt.Sprint(i))
			await(b, written, time.Minute)
			if b.world.Jitter(4) == 0 {
				b.world.Broker().CutOwner("orders/reader/data-consumer")
			}
			read += len(await(b, reader.demand(3), time.Minute).Records)
			b.world.RunFor(b.world.Jitter(time.Millisecond)) // the session may end meanwhile
			await(b, reader.commitUpTo(uint64(read)-uint64(b.world.Jitter(2))), time.Second)
			now := reader.snapshot().Offsets
			if now.Initial != -1 || now.Current != int64(read)-1 || now.Committed < was.Committed || now.Committed > now.Current {
				t.Fatalf("seed %d: %+v after %+v, %d were read", seed, now, was, read)
			}
			was = now
		}
	}
}

// Commits by a count end when those of batches do: at the close.
func TestCommitUpToWhenTheReaderCloses(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1")
	await(b, written, time.Second)
	await(b, reader.demand(2), time.Second)
	reader.answered(reader.stop(), nil)
	if got := reader.outcome(reader.commitUpTo(1)); got != "ok" { // while it stands by it can
		t.Error(got)
	}
	b.world.Broker().Delay(50 * time.Millisecond)
	closed := reader.close(5 * time.Second)
	for _, count := range []uint64{0, 1, 2, 3} {
		if got := reader.outcome(reader.commitUpTo(count)); got != supervisor.ErrClosed.Error() {
			t.Errorf("%d: %s", count, got)
		}
	}
	if m := await(b, closed, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if n := b.world.Broker().Depth("orders"); n != 1 {
		t.Errorf("%d records are left", n)
	}
}
