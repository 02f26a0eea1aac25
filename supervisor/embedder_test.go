package supervisor_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// embedder is an actor of a user's own, with both ends of a channel as children. Its requests have no Done: the answers come to it as messages.
type embedder struct {
	r              *real
	writerProps    *actor.Props
	readerProps    *actor.Props
	writer, reader *actor.PID
	total, sent    int
	seen           map[string]bool
	finished       bool

	pid           *actor.PID
	half          chan struct{} // half of the records were read
	done, stopped chan struct{}
}

const batchSize = 100

func startEmbedder(r *real, total int, options ...actor.PropsOption) *embedder {
	e := &embedder{r: r, total: total, seen: map[string]bool{}, half: make(chan struct{}), done: make(chan struct{}), stopped: make(chan struct{})}
	var errs [2]error
	e.writerProps, errs[0] = supervisor.WriterProps(r.config("writer", options...))
	e.readerProps, errs[1] = supervisor.ReaderProps(r.config("reader", options...))
	if err := errors.Join(errs[:]...); err != nil {
		r.Fatal(err)
	}
	var err error
	if e.pid, err = r.system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return e }), "pipeline"); err != nil {
		r.Fatal(err)
	}
	return e
}

// Receive implements actor.Actor.
func (e *embedder) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		e.writer, _ = ctx.SpawnNamed(e.writerProps, "writer")
		e.reader, _ = ctx.SpawnNamed(e.readerProps, "reader")
		ctx.Request(e.writer, &messages.Open{})
		ctx.Request(e.reader, &messages.Demand{Max: batchSize})
	case *messages.Opened:
		e.write(ctx)
		e.write(ctx)
	case *messages.Written:
		if m.Err != nil && m.Err != supervisor.ErrClosed {
			e.r.Error(m.Err)
		}
		e.write(ctx)
	case *messages.Batch:
		e.read(ctx, m)
	case *messages.Committed:
		if m.Err != nil && m.Err != supervisor.ErrRedelivered && m.Err != supervisor.ErrClosed {
			e.r.Error(m.Err)
		}
	case *actor.Stopped:
		close(e.stopped)
	}
}

func (e *embedder) write(ctx actor.Context) {
	m := &messages.Write{}
	for ; len(m.Records) < batchSize && e.sent < e.total; e.sent++ {
		m.Records = append(m.Records, broker.Record{Body: strconv.AppendInt(nil, int64(e.sent), 10)})
	}
	if len(m.Records) > 0 {
		ctx.Request(e.writer, m)
	}
}

func (e *embedder) read(ctx actor.Context, batch *messages.Batch) {
	if batch.Err != nil {
		if batch.Err != supervisor.ErrClosed { // it was stopped, and so were its children
			e.r.Error(batch.Err)
		}
		return
	}
	before := len(e.seen)
	for _, r := range batch.Records {
		e.seen[string(r.Body)] = true
	}
	ctx.Request(e.reader, &messages.Commit{Batch: batch})
	ctx.Request(e.reader, &messages.Demand{Max: batchSize})
	if n := len(e.seen); before < e.total/2 && n >= e.total/2 {
		close(e.half)
	}
	if len(e.seen) == e.total && !e.finished {
		e.finished = true
		close(e.done)
	}
}

func TestEmbedderMovesRecordsByMessages(t *testing.T) {
	r := newReal(t)
	e := startEmbedder(r, 10_000)
	wait(t, "the last record", e.done)
	r.system.Root.Stop(e.pid)
	wait(t, "the end", e.stopped)
}

// The embedder is stopped in mid-run: its channels go with it, nothing remains at the broker or in the process.
func TestEmbedderThatIsStoppedLeavesNothing(t *testing.T) {
	for range 10 {
		r := newReal(t)
		before := actorsOf(r.system)
		e := startEmbedder(r, 10_000)
		wait(t, "half of the records", e.half)
		r.system.Root.Stop(e.pid)
		wait(t, "the end", e.stopped)
		if n := actorsOf(r.system); n != before {
			t.Errorf("%d actors are left", n-before)
		}
		r.left()
	}
}
