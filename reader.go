package weir

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Reader is the reading end of a channel. Its methods are safe for concurrent use; concurrent Reads share the records.
type Reader[T any] struct {
	*endpoint
	format Format[T]
	poll   int
	policy Undecodable
	dead   deadLetters

	reading sync.Mutex // one Read at a time
	// pending is the reply that a Read did not wait for: its batch is the next Read's, or it would be handed to nobody.
	pending chan *messages.Batch
}

// OpenReader opens the reading end of a channel and waits until it consumes. It creates the channel's resources, unless it is told not to with JoinOnly or is a member of a
// group other than its principal. What is "not yet" is tried again until the context ends; the error says what was missing.
func OpenReader[T any](ctx context.Context, rt *Runtime, channel string, format Format[T], opts ...Option) (*Reader[T], error) {
	if format.err != nil {
		return nil, format.err
	}
	s := settings{Config: supervisor.Config{Channel: channel, Create: true}}
	s.apply(opts)
	if s.GroupIndex > 0 {
		s.Create = false
	}
	e, err := rt.openEndpoint(ctx, supervisor.ReaderProps, s.Config)
	if err != nil {
		return nil, err
	}
	r := &Reader[T]{endpoint: e, format: format, poll: s.Poll, policy: s.undecodable}
	if r.poll == 0 {
		r.poll = supervisor.DefaultPoll
	}
	return r, nil
}

// Batch is records that were handed over together. Commit it when they are done with.
type Batch[T any] struct {
	// Values are the records, in their order.
	Values []T
	// Records are the same as they came from the broker.
	Records []broker.Record
	batch   *messages.Batch
	owner   *endpoint
}

// Redelivered says that the value may have been delivered before.
func (b *Batch[T]) Redelivered(i int) bool { return b.Records[i].Redelivered }

// Commit acknowledges the batch's records, and no others. Batches may be committed in any order; the broker hears of the contiguous part. Nil means that the
// acknowledgement was sent; Close makes it certain. ErrRedelivered means that the session that delivered it has failed: the records come again.
func (b *Batch[T]) Commit(ctx context.Context) error {
	committed, err := ask(ctx, b.owner, func(done func(*messages.Committed)) any {
		return &messages.Commit{Batch: b.batch, Done: done}
	})
	if err != nil {
		return err
	}
	return committed.Err
}

// Read waits for records and hands over what there is, at most the poll size. When the context ends, the records that it waited for are the next Read's.
// A failed channel gives its *ChannelError, a closed one ErrClosed.
func (r *Reader[T]) Read(ctx context.Context) (*Batch[T], error) {
	for {
		b, err := r.next(ctx)
		if err != nil {
			return nil, err
		}
		batch, err := r.decode(ctx, b)
		if err != nil {
			return nil, err
		}
		if len(batch.Values) > 0 {
			return batch, nil
		}
		if err := batch.Commit(ctx); err != nil && !errors.Is(err, ErrRedelivered) { // nothing in it could be decoded
			return nil, err
		}
	}
}

func (r *Reader[T]) next(ctx context.Context) (*messages.Batch, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	reply := r.pending
	if reply == nil {
		reply = make(chan *messages.Batch, 1)
		r.rt.system.Root.Send(r.pid, &messages.Demand{Max: r.poll, Done: func(b *messages.Batch) { reply <- b }})
	}
	select {
	case b := <-reply:
		r.pending = nil
		return b, b.Err
	case <-ctx.Done():
		r.pending = reply
		return nil, ctx.Err()
	case <-r.gone:
		r.pending = nil
		select {
		case b := <-reply:
			return b, b.Err
		default:
			return nil, ErrClosed
		}
	}
}

// Batches gives batch after batch until the context ends or the channel does: the last pair holds the error. Commit each batch when its records are done with.
func (r *Reader[T]) Batches(ctx context.Context) iter.Seq2[*Batch[T], error] {
	return func(yield func(*Batch[T], error) bool) {
		for {
			b, err := r.Read(ctx)
			if !yield(b, err) || ctx.Err() != nil || isEnd(err) {
				return
			}
		}
	}
}

// decode decodes a batch. What cannot be decoded is dealt with by the policy before the rest is handed over.
func (r *Reader[T]) decode(ctx context.Context, b *messages.Batch) (*Batch[T], error) {
	out := &Batch[T]{Values: make([]T, 0, len(b.Records)), Records: b.Records, batch: b, owner: r.endpoint}
	var kept []broker.Record // nil while all could be decoded
	for i := range b.Records {
		value, err := r.format.codec.Decode(b.Records[i].Body)
		if err == nil {
			out.Values = append(out.Values, value)
			if kept != nil {
				kept = append(kept, b.Records[i])
			}
			continue
		}
		if kept == nil {
			kept = append(make([]broker.Record, 0, len(b.Records)), b.Records[:i]...)
		}
		if err := r.undecodable(ctx, &b.Records[i], &RecordError{Channel: r.channel, Index: i, Err: err}); err != nil {
			return nil, err
		}
	}
	if kept != nil {
		out.Records = kept
	}
	return out, nil
}

// Undecoded is an event: a record could not be decoded.
type Undecoded struct {
	messages.Head
	Err          error
	DeadLettered bool
}

func (r *Reader[T]) undecodable(ctx context.Context, record *broker.Record, err *RecordError) error {
	if r.policy == FailRead {
		return err
	}
	if r.policy == DeadLetter {
		if failed := r.dead.put(ctx, r.endpoint, record.Body); failed != nil {
			return failed
		}
	}
	head := messages.Head{At: r.rt.env.Clock.Now(), Channel: r.channel, Name: r.name}
	r.rt.publish(&Undecoded{Head: head, Err: err, DeadLettered: r.policy == DeadLetter})
	return nil
}

// deadLetters publishes records to a channel's queue for dead letters, by a supervised writer of its own that is opened for the first of them.
type deadLetters struct {
	mu     sync.Mutex
	writer *Writer[[]byte]
}

func (d *deadLetters) put(ctx context.Context, e *endpoint, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writer == nil {
		queue := e.channel + ".dead"
		s := settings{Config: supervisor.Config{Channel: e.channel, Name: e.name + "-dead-letters", NoStatus: true,
			Resources: &actors.Resources{Queue: queue, RoutingKey: queue}}}
		s.apply(nil)
		opened, err := e.rt.openEndpoint(ctx, supervisor.WriterProps, s.Config)
		if err != nil {
			return err
		}
		d.writer = newWriter(opened, Raw(), &s)
	}
	return d.writer.Write(ctx, body)
}

func (d *deadLetters) close(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writer == nil {
		return nil
	}
	return d.writer.Close(ctx)
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

func (r *Reader[T]) closeWith(ctx context.Context, m *messages.Close) error {
	return errors.Join(r.dead.close(ctx), r.close(ctx, m))
}

// WaitForWriters waits until at least so many live writers are there. When the context ends first, the error says how many were.
func (r *Reader[T]) WaitForWriters(ctx context.Context, count int) error {
	return r.awaitPeers(ctx, count)
}
