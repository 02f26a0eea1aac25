package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
)

// sink is where records go.
type sink[T any] interface {
	// begin writes what stands before all records.
	begin() error
	// write writes records. They are all on the output when it returns.
	write(values []T) error
}

// recordReader writes a channel's records to a sink.
type recordReader[T any] struct {
	r     *weir.Reader[T]
	out   sink[T]
	count int // stop after so many; 0: never
	idle  time.Duration
	// gather is how many records are worth waiting for a little, to be written together; 0: none.
	gather int
	stream bool

	account readAccount
}

// readAccount is what became of a reader's records.
type readAccount struct {
	committed   int
	first, last uint64 // offsets of those, in a stream
	again       int    // written, but their session failed before they were committed
	outputGone  bool
}

// part is a batch, or where --count ends in it, its beginning.
type part[T any] struct {
	*weir.Batch[T]
	values []T
}

// linger is how long records that are to be written together may wait for more.
const linger = 20 * time.Millisecond

// copy goes on until soft ends, or what was asked for is done. What it has written it commits, unless hard ends.
func (l *recordReader[T]) copy(soft, hard context.Context) error {
	if err := l.put(l.out.begin()); err != nil {
		return err
	}
	for soft.Err() == nil && !l.account.outputGone && l.wants(0) {
		parts, values, err := l.take(soft)
		if len(parts) == 0 {
			return err
		}
		if failed := l.put(l.out.write(values)); failed != nil || l.account.outputGone {
			return failed
		}
		if err := errors.Join(l.commit(hard, parts), err); err != nil {
			return err
		}
	}
	return nil
}

// wants says whether there is to be more than what is committed and held.
func (l *recordReader[T]) wants(held int) bool {
	return l.count == 0 || l.account.committed+held < l.count
}

// take gives the batches to be written next, and their records; none when reading is over, with or without an error.
func (l *recordReader[T]) take(soft context.Context) (parts []part[T], values []T, err error) {
	batch, err := l.next(soft, l.idle)
	for batch != nil {
		p := part[T]{batch, batch.Values}
		if l.count > 0 {
			p.values = p.values[:min(len(p.values), l.count-l.account.committed-len(values))]
		}
		parts, values = append(parts, p), append(values, p.values...)
		if len(values) >= l.gather || !l.wants(len(values)) {
			break
		}
		batch, err = l.next(soft, linger)
	}
	return parts, values, err
}

// next gives the next batch; none when nothing has come for so long (0: it waits) or reading is over, with or without an error.
func (l *recordReader[T]) next(soft context.Context, wait time.Duration) (*weir.Batch[T], error) {
	ctx, cancel := soft, func() {}
	if wait > 0 {
		ctx, cancel = context.WithTimeout(soft, wait)
	}
	defer cancel()
	batch, err := l.r.Read(ctx)
	var record *weir.RecordError
	switch {
	case err == nil:
		return batch, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, nil
	case errors.As(err, &record) && l.stream:
		at := batch.Records[0].Offset
		return nil, fmt.Errorf("the record at offset %d cannot be read: %s; nothing from it on was committed (is the schema the writer's? --undecodable says what else can be done; --replay --from %d begins behind it)", at, plain(record.Err), at+1)
	case errors.As(err, &record):
		return nil, fmt.Errorf("a record cannot be read: %s; it and those after it stay in the queue (is the schema the writer's? --undecodable says what else can be done)", plain(record.Err))
	}
	return nil, err
}

// put looks at how a write to the output ended.
func (l *recordReader[T]) put(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		l.account.outputGone = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

func (l *recordReader[T]) commit(hard context.Context, parts []part[T]) error {
	for _, p := range parts {
		switch err := l.commitPart(hard, p); {
		case err == nil:
			l.account.add(p.Records[:len(p.values)])
		case errors.Is(err, weir.ErrRedelivered):
			l.account.again += len(p.values)
		default:
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// commitPart commits a batch, or of a stream what is taken of it.
func (l *recordReader[T]) commitPart(hard context.Context, p part[T]) error {
	if n := len(p.values); n < len(p.Values) {
		return l.r.CommitUpTo(hard, p.Records[n-1].Offset+1)
	}
	return p.Commit(hard)
}

func (a *readAccount) add(records []broker.Record) {
	if a.committed == 0 {
		a.first = records[0].Offset
	}
	a.committed += len(records)
	a.last = records[len(records)-1].Offset
}
