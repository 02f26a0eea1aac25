package weir

import (
	"context"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

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

// Commit acknowledges the batch's records, and no others. Batches may be committed in any order; while an earlier one is not, the broker hears of a later one only at Close. Nil means
// that the acknowledgement is sent, or will be; Close makes it certain. ErrRedelivered means that the session that delivered the batch has failed: the records come again.
func (b *Batch[T]) Commit(ctx context.Context) error {
	committed, err := ask(ctx, b.owner, func(done func(*messages.Committed)) any {
		return &messages.Commit{Batch: b.batch, Done: done}
	})
	if err != nil {
		return err
	}
	return committed.Err
}

// Undecoded is an event: a record could not be decoded.
type Undecoded struct {
	messages.Head
	Err          error
	DeadLettered bool
}

// decoding is a batch on its way from the supervisor to the user. It survives a Read whose context ends while a record of it is being dead-lettered.
type decoding[T any] struct {
	batch  *messages.Batch
	from   int // records before it were handed over
	at     int // the next record to decode
	values []T
	// records are the values' own, where one between them was left out; nil: all from from to at.
	records []broker.Record
}

func (d *decoding[T]) over() bool { return d.from == len(d.batch.Records) }

// add takes the next record with its value.
func (d *decoding[T]) add(value T) {
	if d.values == nil {
		d.values = make([]T, 0, len(d.batch.Records)-d.at)
	}
	d.values = append(d.values, value)
	if d.records != nil {
		d.records = append(d.records, d.batch.Records[d.at])
	}
	d.at++
}

// leaveOut goes on behind the next record.
func (d *decoding[T]) leaveOut() {
	if d.records == nil {
		d.records = make([]broker.Record, 0, len(d.batch.Records)-d.from-1)
		d.records = append(d.records, d.batch.Records[d.from:d.at]...)
	}
	d.at++
}

// decode goes on with a batch as far as it can, and hands over what it has. What cannot be decoded is dealt with by the policy first.
func (r *Reader[T]) decode(ctx context.Context, d *decoding[T]) (*Batch[T], error) {
	for d.at < len(d.batch.Records) {
		record := &d.batch.Records[d.at]
		value, err := r.format.codec.Decode(record.Body)
		if err == nil {
			d.add(value)
			continue
		}
		bad := &RecordError{Channel: r.channel, Index: d.at, Err: err}
		if r.policy == FailRead {
			if d.at > d.from {
				return handOver(r.endpoint, d), nil // its neighbours in front first
			}
			d.at++
			return handOver(r.endpoint, d), bad
		}
		if err := r.undecodable(ctx, record, bad); err != nil {
			return nil, err
		}
		d.leaveOut()
	}
	return handOver(r.endpoint, d), nil
}

// handOver makes a batch of what is decoded: of its tags, and no others.
func handOver[T any](owner *endpoint, d *decoding[T]) *Batch[T] {
	part := *d.batch
	part.First, part.Records = d.batch.First+uint64(d.from), d.batch.Records[d.from:d.at:d.at]
	part.Last = d.batch.First + uint64(d.at) - 1
	out := &Batch[T]{Values: d.values, Records: part.Records, batch: &part, owner: owner}
	if d.records != nil {
		out.Records = d.records
	}
	d.from, d.values, d.records = d.at, nil, nil
	return out
}
