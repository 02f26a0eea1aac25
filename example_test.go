package weir_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

type Order struct {
	ID    int64  `avro:"id"`
	Item  string `avro:"item"`
	Count int32  `avro:"count"`
}

const orderSchema = `{"type": "record", "name": "Order", "fields": [
	{"name": "id", "type": "long"}, {"name": "item", "type": "string"}, {"name": "count", "type": "int"}]}`

// A record goes from a writer to a reader. With weir.Open(ctx, "amqp://localhost") instead of weir.Embedded() it goes over RabbitMQ.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)

	r, err := weir.OpenReader(ctx, rt, "orders", weir.Avro[Order](orderSchema), weir.Name("worker-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := weir.OpenWriter(ctx, rt, "orders", weir.Avro[Order](orderSchema), weir.Name("shop"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(ctx, Order{1, "tea", 2}, Order{2, "bread", 1}); err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range r.Batches(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, order := range batch.Values {
			fmt.Println(order.ID, order.Count, "×", order.Item)
		}
		if err := batch.Commit(ctx); err != nil {
			fmt.Println(err)
		}
		if batch.Values[len(batch.Values)-1].ID == 2 {
			break
		}
	}
	// Output:
	// 1 2 × tea
	// 2 1 × bread
}

// Send fills the pipeline from one goroutine; the receipts say later what became of the records.
func ExampleWriter_Send() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)
	w, err := weir.OpenWriter(ctx, rt, "log", weir.Text(), weir.Create())
	if err != nil {
		fmt.Println(err)
		return
	}
	var receipts []*weir.Receipt
	for i := range 1000 {
		receipt, err := w.Send(ctx, fmt.Sprint("line ", i))
		if err != nil {
			fmt.Println(err)
			return
		}
		receipts = append(receipts, receipt)
	}
	confirmed := 0
	for _, receipt := range receipts {
		if receipt.Wait(ctx) == nil {
			confirmed++
		}
	}
	fmt.Println(confirmed, "confirmed")
	// Output: 1000 confirmed
}

// A WriteError says of each record what became of it.
func ExampleWriteError() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)
	w, err := weir.OpenWriter(ctx, rt, "log", weir.Text(), weir.Create())
	if err != nil {
		fmt.Println(err)
		return
	}
	err = w.Write(ctx, "fine", "not UTF-8: \xff")
	var record *weir.RecordError
	if errors.As(err, &record) {
		fmt.Println("record", record.Index, "does not fit, nothing was sent")
	}
	_ = w.Close(ctx)
	err = w.Write(ctx, "too late")
	var failed *weir.WriteError
	if errors.As(err, &failed) {
		fmt.Println(failed.Outcomes[0], errors.Is(err, weir.ErrClosed))
	}
	// Output:
	// record 1 does not fit, nothing was sent
	// not sent true
}

// Events tell what happens to a channel: here, how it comes to life.
func ExampleRuntime_Subscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)
	events := rt.Subscribe()
	defer events.Close()
	if _, err := weir.OpenReader(ctx, rt, "orders", weir.Raw()); err != nil {
		fmt.Println(err)
		return
	}
	for event := range events.All(ctx) {
		if changed, ok := event.(*messages.StateChanged); ok {
			fmt.Println(changed.Is)
			if changed.Is == messages.Running {
				break
			}
		}
	}
	// Output:
	// preparing
	// opening
	// running
}

// engine is an actor of the user's own that has a channel's two ends as its children and talks to them in messages.
type engine struct {
	rt   *weir.Runtime
	done chan string

	reader, writer *actor.PID
	got            int
}

func (e *engine) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		config := supervisor.Config{Channel: "jobs", Name: "engine-in", Create: true, Port: e.rt.Port(), Env: e.rt.Env()}
		readerProps, _ := supervisor.ReaderProps(config)
		config.Name = "engine-out"
		writerProps, _ := supervisor.WriterProps(config)
		e.reader, e.writer = ctx.Spawn(readerProps), ctx.Spawn(writerProps)
		ctx.Request(e.writer, &messages.Write{Records: []broker.Record{{Body: []byte("a")}, {Body: []byte("b")}}})
		ctx.Request(e.reader, &messages.Demand{Max: 100}) // nothing comes unasked
	case *messages.Written:
		if m.Err != nil {
			e.done <- m.Err.Error()
		}
	case *messages.Batch:
		if m.Err != nil {
			return // the channel has ended
		}
		e.got += len(m.Records)
		ctx.Request(e.reader, &messages.Commit{Batch: m})
		ctx.Request(e.reader, &messages.Demand{Max: 100})
	case *messages.Committed:
		if m.Err == nil && e.got == 2 {
			e.done <- "2 records were read and committed"
		}
	}
}

// The same channels in an actor system: spawn the supervisors as children of an actor of yours. When it stops, they do.
func Example_actors() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet), actor.WithDeadLetterThrottleInterval(1))
	rt := weir.Embedded(weir.InSystem(system))
	defer rt.Close(ctx)

	e := &engine{rt: rt, done: make(chan string, 2)}
	pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return e }))
	fmt.Println(<-e.done)
	_ = system.Root.StopFuture(pid).Wait()
	// Output: 2 records were read and committed
}

// Two readers of a stream each get all of it, from where they like; one that comes again goes on behind what it committed.
func ExampleStream() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)

	w, err := weir.OpenWriter(ctx, rt, "events", weir.Text(), weir.Name("shop"), weir.Stream(), weir.Create())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(ctx, "opened", "sold", "closed"); err != nil {
		fmt.Println(err)
		return
	}
	read := func(name string, opts ...weir.Option) {
		r, err := weir.OpenReader(ctx, rt, "events", weir.Text(), append(opts, weir.Name(name))...)
		if err != nil {
			fmt.Println(err)
			return
		}
		batch, err := r.Read(ctx)
		if err == nil {
			fmt.Println(name, batch.Values)
			err = batch.Commit(ctx)
		}
		if err = errors.Join(err, r.Close(ctx)); err != nil {
			fmt.Println(err)
		}
	}
	read("audit", weir.FromFirst(), weir.Poll(2))
	read("audit", weir.FromFirst())
	read("late", weir.FromOffset(2))
	// Output:
	// audit [opened sold]
	// audit [closed]
	// late [closed]
}
