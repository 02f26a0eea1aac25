package main

import (
	"context"
	"errors"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitstream"
)

// surviveWeir is weir with its defaults; its classic queues are declared as pypz does.
type weirSurvivor struct {
	rt   *weir.Runtime
	w    *weir.Writer[[]byte]
	stop context.CancelFunc
	done chan struct{}
}

func surviveWeir(ctx context.Context, at *site, seen func([]byte)) (survivor, error) {
	streams, err := rabbitstream.FromURL("rabbitmq-stream://guest:guest@" + at.stream + "/")
	if err != nil {
		return nil, err
	}
	rt, err := weir.Open(ctx, at.url, weir.StreamsAt(streams))
	if err != nil {
		return nil, err
	}
	s := &weirSurvivor{rt: rt, done: make(chan struct{})}
	if err := s.open(ctx, at, seen); err != nil {
		return nil, errors.Join(err, rt.Close(ctx))
	}
	return s, nil
}

func (s *weirSurvivor) open(ctx context.Context, at *site, seen func([]byte)) error {
	var opts []weir.Option
	switch at.kind {
	case classic:
		opts = append(opts, weir.Compat())
	case streams:
		opts = append(opts, weir.Stream())
	}
	r, err := weir.OpenReader(ctx, s.rt, at.queue, weir.Raw(), append(opts[:len(opts):len(opts)], weir.Name("reader"))...)
	if err != nil {
		return err
	}
	if s.w, err = weir.OpenWriter(ctx, s.rt, at.queue, weir.Raw(), append(opts[:len(opts):len(opts)], weir.Name("writer"))...); err != nil {
		return err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.done)
		for {
			batch, err := r.Read(ctx)
			if err != nil {
				return
			}
			for _, body := range batch.Values {
				seen(body)
			}
			if err := batch.Commit(ctx); err != nil && !errors.Is(err, weir.ErrRedelivered) {
				return
			}
		}
	}()
	return nil
}

// attempt admits a record, which waits in the window until the writer is back.
func (s *weirSurvivor) attempt(ctx context.Context, body []byte) error {
	_, err := s.w.Send(ctx, body)
	return err
}

func (s *weirSurvivor) close(ctx context.Context) error {
	s.stop()
	<-s.done
	return s.rt.Close(ctx)
}
