package weir_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

type point struct {
	X int64 `avro:"x"`
}

const pointSchema = `{"type":"record","name":"point","fields":[{"name":"x","type":"long"}]}`

func TestSchemaThatComesLater(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		format, schema := weir.AvroLater[point]()
		w := must[*weir.Writer[point]](t)(weir.OpenWriter(ctx, rt, channel, format, quick("w", weir.Create())...))
		r := must[*weir.Reader[point]](t)(weir.OpenReader(ctx, rt, channel, weir.Avro[point](pointSchema), quick("r")...))
		waits := func(p weir.Peers) bool {
			return p.Count() == 1 && p.All[0].Times.At(messages.StatusWaitingForSchema) > 0
		}
		until(ctx, t, r, "the writer says that it waits", waits)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := w.Write(ended, point{1}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "schema") {
			t.Errorf("write without a schema: %v", err)
		}
		written := make(chan error, 1)
		go func() { written <- w.Write(ctx, point{2}) }()
		if err := schema.Set(`{"type":"string"}`); err == nil {
			t.Error("a schema that does not fit the type")
		}
		ok(t, schema.Set(pointSchema))
		ok(t, schema.Set(pointSchema))
		if err := schema.Set(`{"type":"record","name":"other","fields":[]}`); err == nil {
			t.Error("another schema")
		}
		ok(t, <-written)
		if got := read(ctx, t, r, 1); got[0] != (point{2}) {
			t.Errorf("%v", got)
		}
		last := must[weir.Peers](t)(r.Peers(ctx)).All[0].Times.At(messages.StatusWaitingForSchema)
		until(ctx, t, r, "health checks go on", func(p weir.Peers) bool { return p.All[0].Times.At(messages.StatusHealthCheck) > last+500 })
		if now := must[weir.Peers](t)(r.Peers(ctx)).All[0].Times.At(messages.StatusWaitingForSchema); now > last+300 {
			t.Error("it says that it waits although it has the schema")
		}
	})
}

func TestWaitForASchemaEndsWithTheEndpoint(t *testing.T) {
	ctx, rt := start(t)
	format, _ := weir.AvroLater[point]()
	r := must[*weir.Reader[point]](t)(weir.OpenReader(ctx, rt, "c", format))
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(ctx)
		ended <- err
	}()
	ok(t, r.Close(ctx))
	if err := <-ended; !errors.Is(err, weir.ErrClosed) {
		t.Error(err)
	}
}
