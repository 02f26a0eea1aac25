package matrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// closeWithinReal is what each Close has on a broker that is frozen, and slack how much later it may return: the supervisor stops a moment after it has answered.
const closeWithinReal, slack = 2 * time.Second, time.Second

// frozen is a channel on a node that is stopped by SIGSTOP: its sockets stay open, and nothing answers.
type frozen struct {
	*testing.T
	node    *rabbit.Node
	stream  bool
	channel string
}

func (f *frozen) options(name string) []weir.Option {
	options := []weir.Option{weir.Name(name), weir.Window(10, 0)}
	if f.stream {
		options = append(options, weir.Stream())
	}
	return options
}

func (f *frozen) runtime(ctx context.Context) *weir.Runtime {
	f.Helper()
	config, err := rabbitmq.FromURL(f.node.URL())
	if err != nil {
		f.Fatal(err)
	}
	streams, err := rabbitstream.FromURL(f.node.StreamURL())
	if err != nil {
		f.Fatal(err)
	}
	config.Heartbeat, streams.Heartbeat = time.Minute, time.Minute // nobody notices it by them
	rt, err := weir.OpenConfig(ctx, config, weir.StreamsAt(streams))
	if err != nil {
		f.Fatal(err)
	}
	return rt
}

// returns sees that something ends in its time.
func (f *frozen) returns(what string, end func(context.Context) error) error {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), closeWithinReal)
	defer cancel()
	began := time.Now()
	err := end(ctx)
	if took := time.Since(began); took > closeWithinReal+slack {
		f.Errorf("%s took %v of %v", what, took, closeWithinReal)
	}
	f.Logf("%s: %v, %v", what, time.Since(began).Round(time.Millisecond), err)
	return err
}

// On a frozen RabbitMQ everything closes within its deadline and says what it left: a writer with unconfirmed records, a reader with a batch whose commit nobody has heard, one that is opening, the runtime.
func TestCloseOnAFrozenRabbitMQ(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			node := rabbittest.Fresh(t, rabbit.Options{Version: version, Stream: true})
			for _, stream := range []bool{false, true} {
				t.Run(Point{Stream: stream}.plane(), func(t *testing.T) {
					(&frozen{T: t, node: node, stream: stream, channel: fmt.Sprintf("frozen-%x", rand.Uint64())}).run()
				})
			}
		})
	}
}

func (f *frozen) run() {
	ctx, cancel := context.WithTimeout(f.Context(), 2*time.Minute)
	defer cancel()
	rt := f.runtime(ctx)
	reader, err := weir.OpenReader(ctx, rt, f.channel, weir.Text(), f.options("reader")...)
	if err != nil {
		f.Fatal(err)
	}
	writer, err := weir.OpenWriter(ctx, rt, f.channel, weir.Text(), f.options("writer")...)
	if err != nil {
		f.Fatal(err)
	}
	if err := writer.Write(ctx, "a", "b", "c"); err != nil {
		f.Fatal(err)
	}
	var batches []*weir.Batch[string]
	for n := 0; n < 3; {
		batch, err := reader.Read(ctx)
		if err != nil {
			f.Fatal(err)
		}
		batches = append(batches, batch)
		n += len(batch.Values)
	}
	if err := f.node.Freeze(); err != nil {
		f.Fatal(err)
	}
	defer func() {
		if err := errors.Join(f.node.Thaw(), rt.Close(ctx)); err != nil {
			f.Errorf("afterwards everything ends: %v", err)
		}
	}()
	for _, batch := range batches {
		if err := batch.Commit(ctx); err != nil {
			f.Fatal(err)
		}
	}
	receipt, err := writer.Send(ctx, "d", "e")
	if err != nil {
		f.Fatal(err)
	}
	f.opening(ctx, rt)
	f.closes(ctx, writer, reader, receipt)
	if err := f.returns("the runtime", rt.Close); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		f.Errorf("nothing was open any more: %v", err)
	}
}

// opening: an endpoint that cannot open ends with its context, and leaves nothing that its Close would have to say.
func (f *frozen) opening(ctx context.Context, rt *weir.Runtime) {
	err := f.returns("opening", func(ctx context.Context) error {
		_, err := weir.OpenReader(ctx, rt, f.channel+"-another", weir.Text(), f.options("reader")...)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		f.Errorf("opening on a frozen broker: %v", err)
	}
}

func (f *frozen) closes(ctx context.Context, writer *weir.Writer[string], reader *weir.Reader[string], receipt *weir.Receipt) {
	reading := make(chan error, 1)
	go func() {
		_, err := reader.Read(ctx)
		reading <- err
	}()
	var left *weir.CloseError
	again := make(chan error, 1)
	go func() { again <- writer.Close(ctx) }()
	if err := f.returns("the writer", writer.Close); !errors.As(err, &left) || left.Unconfirmed != 2 || left.NotSent != 0 || len(left.Unsaid) < 2 {
		f.Errorf("the writer left two records unconfirmed, and peers that do not know it: %v", err)
	}
	if err := <-again; !errors.As(err, &left) {
		f.Errorf("the writer's other Close: %v", err)
	}
	var failed *weir.WriteError
	if err := receipt.Wait(ctx); !errors.As(err, &failed) || failed.Count(weir.Unknown) != 2 {
		f.Errorf("the write under way: %v", err)
	}
	if err := f.returns("the reader", reader.Close); !errors.As(err, &left) || !left.Uncertain || left.Unacknowledged != 3 || len(left.Unsaid) < 2 {
		f.Errorf("the reader's three commits are not certain: %v", err)
	}
	if err := <-reading; !errors.Is(err, weir.ErrClosed) {
		f.Errorf("the read under way: %v", err)
	}
}
