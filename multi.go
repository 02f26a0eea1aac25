package weir

import (
	"context"
	"errors"
	"sync"
)

// Multi writes the same values to several channels, as an output port of pypz does to each that is connected. It is safe for concurrent use, and so are its writers, beside it.
type Multi[T any] struct{ writers []*Writer[T] }

// MultiWriter makes one writer of several. They may have other formats, options and runtimes, and stay the caller's. With none, writing does nothing.
func MultiWriter[T any](writers ...*Writer[T]) *Multi[T] {
	return &Multi[T]{append([]*Writer[T](nil), writers...)}
}

// Write publishes the values to every channel, and returns nil when each channel's broker has confirmed every one: at least once in each.
//
// First all values are encoded for all channels. When one does not fit a channel's format, nothing is sent to any, and the error is a *RecordError that names channel, value and field. (A schema that
// comes later, see AvroLater, is waited for, too.) Then each channel gets the values in their order, at its own pace: one that is down or blocked does not hold up the others, which get theirs,
// but Write only returns when all have ended or the context ends. So all channels are given the values of one goroutine in the same order; those of several may come in another order in each.
//
// Otherwise the error joins the *WriteError of each channel that has one, in the order of the writers. Channels that are not named have confirmed everything: to write all once more is to write
// twice there.
func (m *Multi[T]) Write(ctx context.Context, values ...T) error {
	all := make([]*Receipt, len(m.writers))
	for i, w := range m.writers {
		var err error
		if all[i], err = w.prepare(ctx, values); err != nil {
			return err
		}
	}
	return m.each(func(i int, w *Writer[T]) error {
		if err := w.submit(ctx, all[i], true); err != nil {
			return err
		}
		return w.await(ctx, all[i])
	})
}

// WaitForReaders waits until each channel has at least so many live readers. When the context ends first, the error says of which channels how many were there.
func (m *Multi[T]) WaitForReaders(ctx context.Context, count int) error {
	return m.each(func(_ int, w *Writer[T]) error { return w.WaitForReaders(ctx, count) })
}

// Close closes the writers side by side, within the one context; see Writer.Close. The error joins those of the writers.
func (m *Multi[T]) Close(ctx context.Context) error {
	return m.each(func(_ int, w *Writer[T]) error { return w.Close(ctx) })
}

// Err joins the reasons why channels have failed; nil while none has.
func (m *Multi[T]) Err() error {
	errs := make([]error, len(m.writers))
	for i, w := range m.writers {
		errs[i] = w.Err()
	}
	return errors.Join(errs...)
}

// each does it with all writers at once, and waits for all.
func (m *Multi[T]) each(do func(i int, w *Writer[T]) error) error {
	errs := make([]error, len(m.writers))
	var wait sync.WaitGroup
	for i, w := range m.writers {
		wait.Go(func() { errs[i] = do(i, w) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
