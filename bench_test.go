package weir_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/d2e2d648/weir"
)

// The whole way of a record on the embedded port: what weir itself costs. An operation is one record.

func open(b *testing.B) (context.Context, *weir.Writer[[]byte], *weir.Reader[[]byte]) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	rt := weir.Embedded()
	b.Cleanup(func() {
		if err := rt.Close(ctx); err != nil {
			b.Error(err)
		}
		cancel()
	})
	r, err := weir.OpenReader(ctx, rt, "c", weir.Raw(), weir.Prefetch(1000))
	if err != nil {
		b.Fatal(err)
	}
	w, err := weir.OpenWriter(ctx, rt, "c", weir.Raw())
	if err != nil {
		b.Fatal(err)
	}
	return ctx, w, r
}

func drain(ctx context.Context, b *testing.B, r *weir.Reader[[]byte], n int) {
	for got := 0; got < n; {
		batch, err := r.Read(ctx)
		if err != nil {
			b.Error(err)
			return
		}
		got += len(batch.Values)
		if err := batch.Commit(ctx); err != nil {
			b.Error(err)
			return
		}
	}
}

func benchmark(b *testing.B, write func(ctx context.Context, w *weir.Writer[[]byte], n int) error) {
	ctx, w, r := open(b)
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan struct{})
	go func() {
		defer close(done)
		drain(ctx, b, r, b.N)
	}()
	if err := write(ctx, w, b.N); err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
}

func BenchmarkWrite100(b *testing.B) { benchmark(b, calls) }

// calls writes in calls of 100.
func calls(ctx context.Context, w *weir.Writer[[]byte], n int) error {
	values := make([][]byte, 100)
	for i := range values {
		values[i] = make([]byte, 100)
	}
	for ; n > 0; n -= 100 {
		if err := w.Write(ctx, values[:min(n, 100)]...); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkCallers has several callers on one writer.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{4, 16} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			benchmark(b, func(ctx context.Context, w *weir.Writer[[]byte], n int) error {
				errs := make(chan error, callers)
				for i := range callers {
					share := n / callers
					if i < n%callers {
						share++
					}
					go func() { errs <- calls(ctx, w, share) }()
				}
				var all error
				for range callers {
					all = errors.Join(all, <-errs)
				}
				return all
			})
		})
	}
}

func BenchmarkSend(b *testing.B) {
	body := make([]byte, 100)
	benchmark(b, func(ctx context.Context, w *weir.Writer[[]byte], n int) error {
		var last *weir.Receipt
		for range n {
			receipt, err := w.Send(ctx, body)
			if err != nil {
				return err
			}
			last = receipt
		}
		return last.Wait(ctx)
	})
}
