package weir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Writer is the writing end of a channel. It is safe for concurrent use.
type Writer[T any] struct {
	*endpoint
	format Format[T]
	props  *broker.Properties // of each record; nil: none
	gather gather
	room   room // admission of Sends: what more may be under way
	max    int  // bytes of a record
}

// OpenWriter opens the writing end of a channel and waits until its resources are there and it can write. What is "not yet" is tried again until the context ends; the
// error says what was missing. A writer creates nothing, unless it is told to with Create. With Expect it then waits for readers.
func OpenWriter[T any](ctx context.Context, rt *Runtime, channel string, format Format[T], opts ...Option) (*Writer[T], error) {
	s := settings{Config: supervisor.Config{Channel: channel}}
	s.apply(opts)
	if err := format.check(channel, s.Compat); err != nil {
		return nil, err
	}
	s.Create = s.Create && s.GroupIndex == 0
	s.AwaitSchema = format.waitedFor()
	s.sequential = false // a reader's
	e, err := rt.openPort(ctx, supervisor.WriterProps, &s, format.expectedBy)
	if err != nil {
		return nil, err
	}
	return newWriter(e, format, &s), nil
}

func newWriter[T any](e *endpoint, format Format[T], s *settings) *Writer[T] {
	w := &Writer[T]{endpoint: e, format: format, max: s.maxRecord,
		room: newRoom(space{int64(s.window()), cmp.Or(int64(s.WindowBytes), supervisor.DefaultWindowBytes)})}
	if encoding := format.codec.ContentEncoding(); encoding != "" && s.Stream == nil { // it is for pypz, which reads no streams
		w.props = &broker.Properties{ContentEncoding: encoding}
	}
	w.gather.message = &messages.Writes{Take: w.gather.take}
	context.AfterFunc(e.life, w.abandon)
	return w
}

// Write publishes the values, in their order, and returns nil when the broker has confirmed every one. A value that does not fit the format gives a *RecordError, and nothing
// of the call is sent. Otherwise a *WriteError says of each value what became of it. When the context ends, what was not sent is withdrawn, and what was
// sent is Unknown and not sent again. A broker that is away or blocked is waited for.
//
// What one goroutine writes keeps its order. Calls of several goroutines that overlap have none, and the broker takes them faster than those of one.
func (w *Writer[T]) Write(ctx context.Context, values ...T) error {
	receipt, err := w.prepare(ctx, values)
	if err != nil {
		return err
	}
	if err := w.submit(ctx, receipt, true); err != nil {
		return err
	}
	return w.await(ctx, receipt)
}

// await ends a write: when all is known, or by withdrawing it when the context ends.
func (w *Writer[T]) await(ctx context.Context, receipt *Receipt) error {
	select {
	case <-receipt.Done():
	case <-ctx.Done():
		return w.withdraw(ctx, receipt)
	case <-w.life.Done():
	}
	return receipt.result()
}

// withdraw ends a write whose context has ended. The supervisor answers at once.
func (w *Writer[T]) withdraw(ctx context.Context, r *Receipt) error {
	w.rt.system.Root.Send(w.pid, w.gather.message) // the caller that is to say so may not have done it yet
	w.rt.system.Root.Send(w.pid, &messages.Withdraw{Write: &r.write})
	select {
	case <-r.Done():
	case <-w.life.Done():
	}
	err := r.result()
	if failed := (*WriteError)(nil); errors.As(err, &failed) && errors.Is(failed.Cause, supervisor.ErrWithdrawn) {
		failed.Cause = ctx.Err()
	}
	return err
}

// Send publishes the values, in their order, and returns when they are admitted: there is room for them in the window, and a tenth of it where it was full. So one goroutine can fill the pipeline. The Receipt says
// later what became of them. Errors are those of Write; the context bounds the admission alone.
func (w *Writer[T]) Send(ctx context.Context, values ...T) (*Receipt, error) {
	receipt, err := w.prepare(ctx, values)
	if err == nil {
		err = w.submit(ctx, receipt, false)
	}
	if err != nil {
		return nil, err
	}
	return receipt, nil
}

// prepare gives a receipt for what is to be sent: all of it, or an error.
func (w *Writer[T]) prepare(ctx context.Context, values []T) (*Receipt, error) {
	if err := w.format.await(ctx, w.endpoint); err != nil {
		return nil, err
	}
	r := &Receipt{from: w.endpoint, room: &w.room}
	r.write.Records = r.one[:]
	if len(values) != 1 {
		r.write.Records = make([]broker.Record, len(values))
	}
	size, err := w.encode(r.write.Records, values)
	if err != nil {
		return nil, err
	}
	r.took = space{min(int64(len(values)), w.room.size.records), min(size, w.room.size.bytes)} // what is larger than the window has all of it
	return r, nil
}

// submit waits for admission and hands the records over.
func (w *Writer[T]) submit(ctx context.Context, r *Receipt, awaited bool) error {
	if !w.room.acquire(ctx, w.life, r.took) {
		cause := ctx.Err()
		if cause == nil {
			cause = w.ended() // there will never be room
		}
		return &WriteError{Channel: w.channel, Outcomes: make([]Outcome, len(r.write.Records)), Cause: cause}
	}
	r.write.Awaited, r.write.Done = awaited, r.settle
	if w.gather.add(&r.write) {
		w.rt.system.Root.Send(w.pid, w.gather.message)
	}
	if w.life.Err() != nil {
		w.abandon()
	}
	return nil
}

// abandon answers what gathered and will not be taken any more.
func (w *Writer[T]) abandon() {
	for _, write := range w.gather.take() {
		write.Done(&messages.Written{Write: write, Err: w.ended(), Outcomes: make([]Outcome, len(write.Records))})
	}
}

// encode makes the records, whose bodies share one array, and gives their size.
func (w *Writer[T]) encode(records []broker.Record, values []T) (int64, error) {
	var arena []byte
	var err error
	for i := range values {
		start := len(arena)
		if arena, err = w.format.codec.Append(arena, values[i]); err != nil {
			return 0, &RecordError{Channel: w.channel, Index: i, Err: err}
		}
		if size := len(arena) - start; size > w.max {
			return 0, &RecordError{Channel: w.channel, Index: i, Err: fmt.Errorf("%w: %d bytes, the most is %d (see MaxRecord)", ErrTooLarge, size, w.max)}
		}
		if i == 0 && len(values) > 1 { // others are likely to be as long
			arena = append(make([]byte, 0, (len(arena)+8)*len(values)), arena...)
		}
		records[i] = broker.Record{Body: arena[start:], Properties: w.props}
	}
	at := 0
	for i := range records { // it may have become another array on the way: the last one alone is kept
		end := at + len(records[i].Body)
		records[i].Body = arena[at:end:end]
		at = end
	}
	return int64(at), nil
}

// WaitForReaders waits until at least so many live readers are there. When the context ends first, the error says how many were.
func (w *Writer[T]) WaitForReaders(ctx context.Context, count int) error {
	return w.awaitPeers(ctx, messages.PeersAlive, count)
}

// AllAcknowledged says whether all healthy readers have acknowledged their input since the last write; true when there is none. A reader does it with Acknowledge.
func (w *Writer[T]) AllAcknowledged(ctx context.Context) (bool, error) {
	peers, err := w.Peers(ctx)
	return err == nil && peers.AllAcknowledged(), err
}

// Close ends the writer in order: intake stops, confirms are awaited, peers are told Stopped and Closed. It takes until the context's deadline, or 10 s; a *CloseError says what was
// left then. Writes that wait get their answer. A second Close does nothing.
func (w *Writer[T]) Close(ctx context.Context) error {
	return w.close(ctx, &messages.Close{})
}

// Receipt says what became of the values of a Send. It is safe for concurrent use.
type Receipt struct {
	from  *endpoint
	write messages.Write
	one   [1]broker.Record // of the write, where it has one
	room  *room
	took  space // of it

	mu      sync.Mutex
	settled bool
	err     error         // valid when it is settled
	done    chan struct{} // closed when it is settled; made when somebody waits: few Sends of a pipeline are waited for before they are settled
}

// Done is closed when all is known. (When the supervisor itself has crashed it may stay open; Wait returns all the same.)
func (r *Receipt) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		if r.settled {
			return closed
		}
		r.done = make(chan struct{})
	}
	return r.done
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Wait waits until all is known: nil when the broker has confirmed every value, else a *WriteError. When the context ends first it gives the context's error, and the
// values stay under way.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.Done():
	case <-r.from.life.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.result()
}

// settle takes the supervisor's answer.
func (r *Receipt) settle(written *messages.Written) {
	r.room.release(r.took)
	r.mu.Lock()
	defer r.mu.Unlock()
	if written.Err != nil {
		r.err = &WriteError{Channel: r.from.channel, Outcomes: written.Outcomes, Cause: written.Err}
	}
	r.settled = true
	if r.done != nil {
		close(r.done)
	}
}

// result gives what is known when it is settled or the supervisor has ended, which has answered all that it took in.
func (r *Receipt) result() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled {
		return r.err
	}
	return &WriteError{Channel: r.from.channel, Outcomes: make([]Outcome, len(r.write.Records)), Cause: r.from.ended()}
}

// gather collects Sends, so that the supervisor is woken once and takes all.
type gather struct {
	mu      sync.Mutex
	writes  []*messages.Write
	message *messages.Writes
}

// add says whether the supervisor must be told.
func (g *gather) add(w *messages.Write) (tell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes = append(g.writes, w)
	return len(g.writes) == 1
}

func (g *gather) take() []*messages.Write {
	g.mu.Lock()
	defer g.mu.Unlock()
	writes := g.writes
	g.writes = nil
	if len(writes) > 0 {
		g.writes = make([]*messages.Write, 0, len(writes))
	}
	return writes
}
