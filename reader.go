package weir

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Reader is the reading end of a channel. Its methods are safe for concurrent use; concurrent Reads share the records.
type Reader[T any] struct {
	*endpoint
	format   Format[T]
	poll     int
	expected int // writers
	stream   bool
	policy   Undecodable
	dead     *deadLetters

	reading chan struct{} // holds one token: who has it reads
	// There is one demand at a time, always the same, and its reply comes by answers.
	demand  *messages.Demand
	answers chan *messages.Batch
	// Of whoever reads: answers, while a Read has not waited for a reply, and the batch that it did not finish. They are the next Read's, or they would be handed to nobody.
	pending chan *messages.Batch
	undone  *decoding[T]
	got     atomic.Uint64 // records that Reads have given or dealt with; of a stream the offset behind them
}

// OpenReader opens the reading end of a channel and waits until it consumes. It creates the channel's resources, unless it is told not to with JoinOnly or is a member of a
// group other than its principal. What is "not yet" is tried again until the context ends; the error says what was missing. With Expect it then waits for writers.
func OpenReader[T any](ctx context.Context, rt *Runtime, channel string, format Format[T], opts ...Option) (*Reader[T], error) {
	s := settings{Config: supervisor.Config{Channel: channel, Create: true}}
	s.apply(opts)
	if err := format.check(channel, s.Compat); err != nil {
		return nil, err
	}
	s.Create = s.Create && s.GroupIndex == 0
	s.AwaitSchema = format.waitedFor()
	e, err := rt.openPort(ctx, supervisor.ReaderProps, &s, format.expectedBy)
	if err != nil {
		return nil, err
	}
	r := &Reader[T]{endpoint: e, format: format, poll: s.poll(), expected: s.Expected, stream: s.Stream != nil, policy: s.undecodable, reading: make(chan struct{}, 1), dead: newDeadLetters(e, &s), answers: make(chan *messages.Batch, 1)}
	r.demand = &messages.Demand{Max: r.poll, Done: func(b *messages.Batch) { r.answers <- b }}
	if r.policy == DeadLetter && !s.Create && !s.Silent {
		if err := r.dead.check(ctx); err != nil {
			return nil, errors.Join(err, r.Close(ctx))
		}
	}
	return r, nil
}

// Read waits for records and hands over what there is, at most the poll size. With PollTimeout it gives an empty batch when nothing has come for so long. When the context ends, the records that it waited for are the next Read's.
// A failed channel gives its *ChannelError, a closed one ErrClosed. Records that are never committed count against the prefetch: when that is used up, Read waits.
//
// With FailRead, a record that cannot be decoded gives a *RecordError, together with a batch that holds that record alone and no value: commit it to go on without it.
func (r *Reader[T]) Read(ctx context.Context) (*Batch[T], error) { return r.read(ctx, ctx) }

// read is Read that waits for records only as long as waiting does.
func (r *Reader[T]) read(ctx, waiting context.Context) (*Batch[T], error) {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-waiting.Done():
		return nil, waiting.Err()
	case <-r.life.Done():
		return nil, r.ended()
	}
	if err := r.format.await(ctx, r.endpoint); err != nil {
		return nil, err
	}
	for {
		if r.undone == nil {
			b, err := r.next(waiting)
			switch {
			case err != nil:
				return nil, err
			case len(b.Records) == 0:
				return &Batch[T]{batch: b, owner: r.endpoint}, nil
			}
			r.undone = &decoding[T]{batch: b}
		}
		batch, err := r.decode(ctx, r.undone)
		if batch != nil {
			r.note(batch.batch.Records)
		}
		if r.undone.over() {
			r.undone = nil
		}
		switch {
		case err != nil, len(batch.Values) > 0:
			return batch, err
		case len(batch.batch.Records) > 0: // nothing in it could be decoded, and it is dealt with
			if err := batch.Commit(ctx); err != nil && !errors.Is(err, ErrRedelivered) {
				return nil, err
			}
		}
	}
}

// note counts what is given, or of a stream notes the offset behind it.
func (r *Reader[T]) note(records []broker.Record) {
	switch n := len(records); {
	case n == 0:
	case r.stream:
		r.got.Store(records[n-1].Offset + 1)
	default:
		r.got.Add(uint64(n))
	}
}

func (r *Reader[T]) next(ctx context.Context) (*messages.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b := r.answered(); b != nil {
		return b, nil
	}
	reply := r.pending
	if reply == nil {
		reply = r.answers
		r.rt.system.Root.Send(r.pid, r.demand)
	}
	select {
	case b := <-reply:
		r.pending = nil
		return b, b.Err
	case <-ctx.Done():
		r.pending = reply
		return nil, ctx.Err()
	case <-r.life.Done():
		r.pending = nil
		select {
		case b := <-reply:
			return b, b.Err
		default:
			return nil, r.ended()
		}
	}
}

// answered gives the batch that came for a Read which did not wait for it. Another answer is of another time: that nothing came, or that the reader stood by.
func (r *Reader[T]) answered() *messages.Batch {
	select {
	case b := <-r.pending:
		r.pending = nil
		if b.Err == nil && len(b.Records) > 0 {
			return b
		}
	default:
	}
	return nil
}

// Batches gives batch after batch until the context ends or the channel does: the last pair holds the error. Commit each batch when its records are done with.
// On a reader that stands by it ends at once. With Expect it also ends, without an error, when all expected writers have finished and no record is left.
func (r *Reader[T]) Batches(ctx context.Context) iter.Seq2[*Batch[T], error] {
	return func(yield func(*Batch[T], error) bool) {
		for {
			b, err := r.readOrFinish(ctx)
			if b == nil && err == nil || !yield(b, err) || ctx.Err() != nil || isEnd(err) {
				return
			}
		}
	}
}

// finishedEvery is how often Batches looks whether all writers have finished, while nothing comes.
const finishedEvery = 100 * time.Millisecond

var errLook = errors.New("nothing has come: has everybody finished")

// readOrFinish is Read, and gives nothing when there is nothing more to expect.
func (r *Reader[T]) readOrFinish(ctx context.Context) (*Batch[T], error) {
	for r.expected > 0 {
		waiting, cancel := context.WithTimeoutCause(ctx, finishedEvery, errLook)
		b, err := r.read(ctx, waiting)
		look := err != nil && errors.Is(context.Cause(waiting), errLook) && errors.Is(err, waiting.Err())
		cancel()
		if err == nil && len(b.Records) > 0 || err != nil && !look {
			return b, err
		}
		if finished, err := r.Finished(ctx); err != nil || finished {
			return nil, err
		}
		if err == nil {
			return b, nil // an empty one, by PollTimeout
		}
	}
	return r.Read(ctx)
}

// isEnd says that the channel has ended. What ends its dead letters' writer does not end it.
func isEnd(err error) bool {
	if errors.Is(err, ErrNotStarted) || errors.Is(err, ErrSilent) {
		return true // or a loop that goes on would spin
	}
	var dead *DeadLetterError
	var failed *ChannelError
	return !errors.As(err, &dead) && (errors.Is(err, ErrClosed) || errors.As(err, &failed))
}

// Close ends the reader in order: intake stops, acknowledgements are made certain, peers are told Stopped and Closed. What was handed over and not committed is delivered
// again, to whoever reads the channel. It takes until the context's deadline, or 10 s; a *CloseError says what was left then. A second Close does nothing.
func (r *Reader[T]) Close(ctx context.Context) error {
	return r.closeWith(ctx, &messages.Close{})
}

// CloseAndDelete is Close, and then deletes the channel's resources: the queue when it has no other consumers, the status streams when no peer is open, or with
// force at once. It waits for that until the context's deadline, or 10 s; the *CloseError's NotDeleted says why it was not done.
func (r *Reader[T]) CloseAndDelete(ctx context.Context, force bool) error {
	return r.closeWith(ctx, &messages.Close{Delete: true, Force: force})
}

// closeWith closes the reader and its dead letters' writer side by side, within one deadline.
func (r *Reader[T]) closeWith(ctx context.Context, m *messages.Close) error {
	var dead error
	var wait sync.WaitGroup
	wait.Go(func() { dead = r.dead.close(ctx) })
	err := r.close(ctx, m)
	wait.Wait()
	return errors.Join(dead, err)
}

// WaitForWriters waits until at least so many live writers are there. When the context ends first, the error says how many were.
func (r *Reader[T]) WaitForWriters(ctx context.Context, count int) error {
	return r.awaitPeers(ctx, messages.PeersAlive, count)
}

// HasRecords says whether records are left: at the broker, or here and not read yet. What other readers hold uncommitted does not count. The broker is asked behind all that it has delivered, so a
// record that is on its way is not missed. It is not for use beside a Read that waits: that one takes what comes.
func (r *Reader[T]) HasRecords(ctx context.Context) (bool, error) {
	remainder, err := r.remaining(ctx)
	return err == nil && remainder.Records, err
}

// Finished says that there is nothing more to expect: no record is left (see HasRecords), and as many writers as Expect names have stopped or closed, or are not healthy any more, and no other is
// at work. Writers are counted first, so what one wrote last is not missed. Without Expect it only asks for records.
func (r *Reader[T]) Finished(ctx context.Context) (bool, error) {
	remainder, err := r.remaining(ctx)
	return err == nil && !remainder.Records && remainder.Finished >= remainder.Expected && !(remainder.AtWork && r.expected > 0), err
}

func (r *Reader[T]) remaining(ctx context.Context) (*messages.Remainder, error) {
	remainder, err := ask(ctx, r.endpoint, func(done func(*messages.Remainder)) any {
		return &messages.Remaining{Done: done, Expired: func() bool { return ctx.Err() != nil }}
	})
	if err != nil {
		return nil, err
	}
	select {
	case r.reading <- struct{}{}: // what a Read has left
		if b := r.answered(); b != nil {
			r.undone = &decoding[T]{batch: b}
		}
		remainder.Records = remainder.Records || r.undone != nil
		<-r.reading
	default:
	}
	return remainder, remainder.Err
}

// CommitUpTo commits the first count records that were read since the reader was opened, by the rules of pypz: more than were read is an error, as many as before does nothing, fewer is ignored with
// an event (CommitIgnored). ErrRedelivered means that all of them that are not committed come again.
// Of a stream it commits what has an offset below count.
func (r *Reader[T]) CommitUpTo(ctx context.Context, count uint64) error {
	if got := r.got.Load(); count > got { // the supervisor also counts what a Read has left behind
		return fmt.Errorf("channel %s: commit up to %d: only %d were read", r.channel, count, got)
	}
	committed, err := ask(ctx, r.endpoint, func(done func(*messages.Committed)) any { return &messages.CommitUpTo{Count: count, Done: done} })
	if err != nil {
		return err
	}
	return committed.Err
}

// Offsets gives the reader's figures as pypz counts them: the first record has offset 0, and -1 is before it. Of a stream they are its offsets: of what is before the reader's beginning, of what was read
// last, and of what was committed last.
func (r *Reader[T]) Offsets(ctx context.Context) (Offsets, error) {
	s, err := r.Inspect(ctx)
	if err != nil {
		return Offsets{}, err
	}
	if got := r.got.Load(); got > 0 || !r.stream {
		s.Offsets.Current = int64(got) - 1
	} else {
		s.Offsets.Current = s.Offsets.Initial
	}
	return s.Offsets, nil
}

// Offsets are a reader's initial, current and last committed offset.
type Offsets = messages.Offsets

// Acknowledge tells the writers that this reader has all that it needs of what it has read; a writer asks for it with AllAcknowledged. It commits nothing.
func (r *Reader[T]) Acknowledge(ctx context.Context) error {
	return r.request(ctx, func(done func(*messages.Opened)) any { return &messages.AcknowledgeInput{Done: done} })
}

// undecodable deals with one record by the policy. An error means that it is not dealt with.
func (r *Reader[T]) undecodable(ctx context.Context, record *broker.Record, err *RecordError) error {
	if r.policy == DeadLetter {
		if failed := r.dead.put(ctx, record.Body); failed != nil {
			return &DeadLetterError{Channel: r.channel, Err: failed}
		}
	}
	head := messages.Head{At: r.rt.env.Clock.Now(), Channel: r.channel, Name: r.name}
	r.publish(&Undecoded{Head: head, Err: err, DeadLettered: r.policy == DeadLetter})
	return nil
}
