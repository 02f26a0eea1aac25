package sim_test

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/sim"
)

// A channel in a world, as the tests of other packages use it: a writer whose producer panics, and a reader.
func TestWorld(t *testing.T) {
	w := sim.NewWorld(1)
	w.Fault("data-producer", 4, sim.PanicWithin)
	spawn := func(name string, props *actor.Props, err error) *actor.PID {
		if err != nil {
			t.Fatal(err)
		}
		pid, err := w.System().Root.SpawnNamed(props, name)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	failed := 0
	config := supervisor.Config{Channel: "orders", Name: "shop", Port: w.Broker(), Env: w.Env(), Create: true, Events: func(e messages.Event) {
		if _, ok := e.(*messages.ChildFailed); ok {
			failed++
		}
	}}
	props, err := supervisor.WriterProps(config)
	writer := spawn("writer", props, err)
	config.Name = "worker"
	props, err = supervisor.ReaderProps(config)
	reader := spawn("reader", props, err)

	written, read := 0, 0
	for range 5 {
		w.System().Root.Send(writer, &messages.Write{Records: []broker.Record{{Body: []byte("x")}}, Done: func(m *messages.Written) {
			if m.Err != nil {
				t.Error(m.Err)
			}
			written++
		}})
	}
	var demand func()
	demand = func() {
		w.System().Root.Send(reader, &messages.Demand{Max: 2, Done: func(b *messages.Batch) {
			read += len(b.Records)
			w.System().Root.Send(reader, &messages.Commit{Batch: b})
			demand()
		}})
	}
	demand()
	if !w.RunUntil(func() bool { return written == 5 && read >= 5 }, time.Minute) {
		t.Fatalf("written %d, read %d", written, read)
	}
	if failed != 1 {
		t.Errorf("%d children failed", failed)
	}
}
