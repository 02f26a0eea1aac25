package main

import (
	"context"
	"errors"

	"github.com/d2e2d648/weir"
)

// weirEnds is weir with its defaults, but for the raw client's prefetch and queue type: status, health checks and metrics are on.
type weirEnds[T any] struct {
	*place
	rt      *weir.Runtime
	format  weir.Format[T]
	value   T
	opts    []weir.Option // of both ends
	reading []weir.Option
	w       *weir.Writer[T]
	r       *weir.Reader[T] // opened for reads only: a reader takes what is written
	posted  []*weir.Receipt
}

// openWeirQueue: what is classic is declared as pypz does, since weir's own queues are quorum queues.
func openWeirQueue(ctx context.Context, p *place) (ends, error) {
	var opts []weir.Option
	if p.Kind == classic {
		opts = append(opts, weir.Compat())
	}
	rt, err := weir.Open(ctx, p.node.URL())
	if err != nil {
		return nil, err
	}
	return openWeir(ctx, p, rt, opts, []weir.Option{weir.Prefetch(p.ahead)})
}

// openWeir opens the writing end. It closes the runtime when it cannot.
func openWeir(ctx context.Context, p *place, rt *weir.Runtime, opts, reading []weir.Option) (ends, error) {
	if p.Format == formatAvro {
		return openTyped(ctx, &weirEnds[order]{place: p, rt: rt, format: weir.Avro[order](orderText), value: p.order, opts: opts, reading: reading})
	}
	return openTyped(ctx, &weirEnds[[]byte]{place: p, rt: rt, format: weir.Raw(), value: p.body, opts: opts, reading: reading})
}

func openTyped[T any](ctx context.Context, e *weirEnds[T]) (ends, error) {
	var err error
	if e.w, err = weir.OpenWriter(ctx, e.rt, e.queue, e.format, append(e.opts[:len(e.opts):len(e.opts)], weir.Create())...); err != nil {
		return nil, errors.Join(err, e.rt.Close(ctx))
	}
	return e, nil
}

func (e *weirEnds[T]) values(n int) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = e.value
	}
	return values
}

func (e *weirEnds[T]) write(ctx context.Context, w work, n int) error {
	if w.Callers == 0 {
		return e.send(ctx, w.Per, n)
	}
	return parts(n, w.Callers, func(n int) error {
		values := e.values(w.Per)
		for ; n > 0; n -= w.Per {
			if err := e.w.Write(ctx, values[:min(w.Per, n)]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// send keeps receipts until they are likely to be settled.
func (e *weirEnds[T]) send(ctx context.Context, per, n int) error {
	const most = 20_000
	receipts := make([]*weir.Receipt, 0, min(n, most))
	values := e.values(per)
	for ; n > 0; n -= per {
		receipt, err := e.w.Send(ctx, values[:min(per, n)]...)
		if err != nil {
			return err
		}
		if len(receipts) == most {
			if err := settled(ctx, receipts[:most/2]); err != nil {
				return err
			}
			receipts = receipts[:copy(receipts, receipts[most/2:])]
		}
		receipts = append(receipts, receipt)
	}
	return settled(ctx, receipts)
}

func settled(ctx context.Context, receipts []*weir.Receipt) error {
	for _, r := range receipts {
		if err := r.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *weirEnds[T]) fill(ctx context.Context, n int) error { return e.send(ctx, 100, n) }

func (e *weirEnds[T]) subscribe(ctx context.Context) (err error) {
	e.r, err = weir.OpenReader(ctx, e.rt, e.queue, e.format, append(e.opts[:len(e.opts):len(e.opts)], e.reading...)...)
	return err
}

func (e *weirEnds[T]) read(ctx context.Context, n int, seen func([]byte)) error {
	return readAll(ctx, e.r, n, seen)
}

func readAll[T any](ctx context.Context, r *weir.Reader[T], n int, seen func([]byte)) error {
	for got := 0; got < n; {
		batch, err := r.Read(ctx)
		if err != nil {
			return err
		}
		if seen != nil {
			for _, record := range batch.Records {
				seen(record.Body)
			}
		}
		got += len(batch.Values)
		if err := batch.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *weirEnds[T]) post(ctx context.Context, body []byte) error {
	value, ok := any(body).(T)
	if !ok {
		return errors.ErrUnsupported
	}
	receipt, err := e.w.Send(ctx, value)
	e.posted = append(e.posted, receipt)
	return err
}

func (e *weirEnds[T]) flush(ctx context.Context) error { return settled(ctx, e.posted) }

func (e *weirEnds[T]) close(ctx context.Context) error {
	if e.r == nil {
		r, err := weir.OpenReader(ctx, e.rt, e.queue, e.format, append(e.opts[:len(e.opts):len(e.opts)], weir.JoinOnly())...)
		if err != nil {
			return errors.Join(err, e.rt.Close(ctx))
		}
		e.r = r
	}
	return errors.Join(e.w.Close(ctx), e.r.CloseAndDelete(ctx, true), e.rt.Close(ctx))
}
