package main

import (
	"context"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitstream"
)

// openWeirStream: writers deduplicate by their names and readers store their offsets, as is the default; the stream client is not asked to do either.
func openWeirStream(ctx context.Context, p *place) (ends, error) {
	at, err := rabbitstream.FromURL("rabbitmq-stream://guest:guest@" + p.node.StreamAddress() + "/")
	if err != nil {
		return nil, err
	}
	rt, err := weir.Open(ctx, p.node.URL(), weir.StreamsAt(at))
	if err != nil {
		return nil, err
	}
	opts := []weir.Option{weir.Stream()}
	if p.sub > 0 {
		opts = append(opts, weir.SubEntries(p.sub))
	}
	return openWeir(ctx, p, rt, opts, []weir.Option{weir.Prefetch(p.ahead)})
}
