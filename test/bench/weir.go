package main

import (
	"context"
	"errors"
	"sync"

	"github.com/d2e2d648/weir"
)

// weirClient is weir with its defaults, but for the raw client's prefetch and queue type: status, health checks and metrics are on.
type weirClient struct{}

func (weirClient) name() string { return "weir" }

type weirEnds struct {
	b  *bench
	rt *weir.Runtime
	w  *weir.Writer[[]byte]
	r  *weir.Reader[[]byte] // opened for reads only: a reader takes what is written
	q  string
}

func (weirClient) open(ctx context.Context, b *bench) (ends, error) {
	rt, err := weir.Open(ctx, b.node.URL())
	if err != nil {
		return nil, err
	}
	e := &weirEnds{b: b, rt: rt, q: b.queue()}
	opts := []weir.Option{weir.Create()}
	if b.queueType == "classic" {
		opts = append(opts, weir.Compat())
	}
	e.w, err = weir.OpenWriter(ctx, rt, e.q, weir.Raw(), opts...)
	return e, err
}

func (e *weirEnds) calls(ctx context.Context, callers int) error {
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			values := make([][]byte, 100)
			for k := range values {
				values[k] = e.b.body
			}
			for left := e.b.records / callers; left > 0 && errs[i] == nil; left -= 100 {
				errs[i] = e.w.Write(ctx, values[:min(100, left)]...)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (e *weirEnds) pipeline(ctx context.Context) error {
	receipts := make([]*weir.Receipt, 0, e.b.records)
	for range e.b.records {
		receipt, err := e.w.Send(ctx, e.b.body)
		if err != nil {
			return err
		}
		receipts = append(receipts, receipt)
	}
	for _, receipt := range receipts {
		if err := receipt.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *weirEnds) read(ctx context.Context) error {
	opts := []weir.Option{weir.Prefetch(inFlight)}
	if e.b.queueType == "classic" {
		opts = append(opts, weir.Compat())
	}
	r, err := weir.OpenReader(ctx, e.rt, e.q, weir.Raw(), opts...)
	if err != nil {
		return err
	}
	e.r = r
	for got := 0; got < e.b.records; {
		batch, err := r.Read(ctx)
		if err != nil {
			return err
		}
		got += len(batch.Values)
		if err := batch.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *weirEnds) close(ctx context.Context) error {
	r := e.r
	if r == nil {
		var err error
		if r, err = weir.OpenReader(ctx, e.rt, e.q, weir.Raw(), weir.JoinOnly()); err != nil {
			return err
		}
	}
	return errors.Join(e.w.Close(ctx), r.CloseAndDelete(ctx, true), e.rt.Close(ctx))
}
