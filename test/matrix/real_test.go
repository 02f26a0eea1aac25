package matrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// Some cells again, on goroutines and the real clock, by the face: on the embedded broker, and on RabbitMQ, whose sessions tell their events in another way.

// spot is a point of a real life: which message of which actor, and whether the fault strikes before it.
type spot struct {
	actor   messages.Child
	message string
	after   bool
}

// always are points that every life passes, on every port.
var always = []spot{
	{messages.Topology, "actor.Started", true}, {messages.Topology, "actors.answered 0", false},
	{messages.DataProducer, "actor.Started", false}, {messages.DataProducer, "messages.Publish", false}, {messages.DataProducer, "messages.Publish", true}, {messages.DataProducer, "messages.Finish", false},
	{messages.DataProducer, "actor.Stopping", false}, {messages.DataProducer, "actor.Stopped", true},
	{messages.DataConsumer, "actor.Started", true}, {messages.DataConsumer, "messages.Acknowledge", false}, {messages.DataConsumer, "messages.Acknowledge", true}, {messages.DataConsumer, "messages.Finish", true},
	{messages.StatusProducer, "messages.SendStatus Opened", false}, {messages.StatusProducer, "messages.SendStatus Closed", true},
	{messages.StatusConsumer, "actor.Started", false}, {messages.StatusConsumer, "actor.Stopping", true},
	{messages.HealthTicker, "actors.healthDue", true}, {messages.MetricsAggregator, "messages.Measure", false},
}

// embeddedOnly are points whose messages come otherwise on RabbitMQ.
var embeddedOnly = []spot{
	{messages.DataProducer, "broker.Opened", false}, {messages.DataProducer, "broker.Confirmed", true}, {messages.DataConsumer, "broker.Delivered", false}, {messages.DataConsumer, "broker.Ended", true},
	{messages.StatusProducer, "broker.Confirmed", false}, {messages.StatusConsumer, "broker.Delivered", true},
}

// rabbitOnly: what a session has to tell comes together.
var rabbitOnly = []spot{
	{messages.DataProducer, "broker.Pending", false}, {messages.DataConsumer, "broker.Pending", true}, {messages.StatusProducer, "broker.Pending", true}, {messages.StatusConsumer, "broker.Pending", false},
}

func TestCellsOnTheEmbeddedBroker(t *testing.T) {
	open := func(_ context.Context, option weir.RuntimeOption) (*weir.Runtime, error) {
		return weir.Embedded(option), nil
	}
	for _, stream := range []bool{false, true} {
		strikeEach(t, open, stream, append(always, embeddedOnly...), []Kind{Panic, Error, Hang, Goexit})
	}
}

func TestCellsOnRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		open := func(ctx context.Context, option weir.RuntimeOption) (*weir.Runtime, error) {
			config, err := rabbitmq.FromURL(node.URL())
			if err != nil {
				return nil, err
			}
			streams, err := rabbitstream.FromURL(node.StreamURL())
			if err != nil {
				return nil, err
			}
			return weir.OpenConfig(ctx, config, option, weir.StreamsAt(streams))
		}
		for i, stream := range []bool{false, true} {
			strikeEach(t, open, stream, append(always, rabbitOnly...), [][]Kind{{Panic, Hang}, {Goexit}}[i])
		}
	})
}

type opener func(context.Context, weir.RuntimeOption) (*weir.Runtime, error)

// atOnce is how many lives go on beside each other: a hang takes seconds to be noticed, in which nothing happens.
const atOnce = 12

// strikeEach runs a life for each spot and kind.
func strikeEach(t *testing.T, open opener, stream bool, spots []spot, kinds []Kind) {
	var all sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, at := range spots {
		for _, kind := range kinds {
			free <- struct{}{}
			all.Go(func() {
				defer func() { <-free }()
				name := fmt.Sprintf("%s/%s/%s/%s/after=%v", Point{Stream: stream}.plane(), at.actor, kind, at.message, at.after)
				t.Run(name, func(t *testing.T) {
					(&realLife{T: t, at: at, kind: kind, stream: stream, hit: make(chan struct{}), release: make(chan struct{})}).run(open)
				})
			})
		}
	}
	all.Wait()
}

// realLife is a channel's, with one fault.
type realLife struct {
	*testing.T
	at        spot
	kind      Kind
	stream    bool
	struck    atomic.Bool
	hit       chan struct{} // closed when it was
	release   chan struct{} // lets what hangs go, in the end
	abandoned atomic.Int64
	ledger    *ledger.Ledger
	writers   int // incidents
	readers   int
}

// The middleware strikes at the first pass of the spot.
func (l *realLife) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		here := strings.Contains(ctx.Self().Id, "/"+string(l.at.actor)+"-") && nameOf(envelope.Message) == l.at.message
		if here && !l.at.after {
			l.strike()
		}
		next(ctx, envelope)
		if here && l.at.after {
			l.strike()
		}
	}
}

func (l *realLife) strike() {
	if !l.struck.CompareAndSwap(false, true) {
		return
	}
	close(l.hit)
	switch l.kind {
	case Panic:
		panic(errPanic)
	case Error:
		panic(&actors.Failure{Err: errTyped})
	case Goexit:
		runtime.Goexit()
	case Hang:
		<-l.release
	}
}

const realWindow, realPrefetch = 50, 20

func (l *realLife) run(open opener) {
	ctx, cancel := context.WithTimeout(l.Context(), 2*time.Minute)
	defer cancel()
	rt, err := open(ctx, weir.WithSpawnOptions(actor.WithReceiverMiddleware(l.middleware)))
	if err != nil {
		l.Fatal(err)
	}
	events := rt.Subscribe()
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		l.count(events)
	}()
	l.ledger = ledger.New(time.Now, 1, 40, 1, 0)
	l.live(ctx, rt)
	if err := rt.Close(ctx); err != nil && !errors.Is(err, weir.ErrClosed) {
		l.Errorf("close the runtime: %v", err)
	}
	close(l.release)
	events.Close()
	<-counted
	l.check()
}

func (l *realLife) live(ctx context.Context, rt *weir.Runtime) {
	channel := fmt.Sprintf("matrix-%x", rand.Uint64())
	options := []weir.Option{weir.Window(realWindow, 0), weir.Prefetch(realPrefetch), weir.HealthInterval(100 * time.Millisecond)}
	if l.stream {
		options = append(options, weir.Stream())
	} else {
		options = append(options, weir.Ordered())
	}
	reader, err := weir.OpenReader(ctx, rt, channel, weir.Raw(), append(options, weir.Name("reader"))...)
	if err != nil {
		l.Fatal(err)
	}
	writer, err := weir.OpenWriter(ctx, rt, channel, weir.Raw(), append(options, weir.Name("writer"))...)
	if err != nil {
		l.Fatal(err)
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.read(reading, reader)
	}()
	for range 30 {
		l.write(ctx, writer, 3)
	}
	if l.at.actor == messages.HealthTicker || l.at.actor == messages.MetricsAggregator { // they have something to do now and then only
		select {
		case <-l.hit:
		case <-ctx.Done():
		}
		l.write(ctx, writer, 1)
	}
	l.arrived(ctx)
	l.closes(ctx, writer.Close)
	stop()
	<-done
	l.closes(ctx, reader.Close)
	if _, err := reader.Inspect(ctx); !errors.Is(err, weir.ErrClosed) {
		l.Errorf("the reader is closed, and answers with %v", err)
	}
}

func (l *realLife) write(ctx context.Context, w *weir.Writer[[]byte], n int) {
	first, bodies := l.ledger.Attempt(0, n)
	err := w.Write(ctx, bodies...)
	if l.ledger.Settle(0, first, n, err); err != nil {
		l.Errorf("write: %v", err)
	}
}

func (l *realLife) read(ctx context.Context, r *weir.Reader[[]byte]) {
	for {
		batch, err := r.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.Errorf("read: %v", err)
			return
		}
		first := l.ledger.Deliver(0, batch.Values)
		switch err := batch.Commit(ctx); {
		case err == nil:
			l.ledger.Commit(0, first, len(batch.Values))
		case !errors.Is(err, weir.ErrRedelivered) && ctx.Err() == nil:
			l.Errorf("commit: %v", err)
			return
		}
	}
}

// arrived waits until all that was written was read and committed.
func (l *realLife) arrived(ctx context.Context) {
	missing := 0
	if !l.ledger.Until(ctx, func(log *ledger.Log) bool {
		missing = log.Fates().Missing()
		return missing == 0
	}) {
		l.Fatalf("%d records do not arrive", missing)
	}
}

// closes: it ends in order, within its time. When the data consumer fails just then its acknowledgements are not certain.
func (l *realLife) closes(ctx context.Context, end func(context.Context) error) {
	const within = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	began := time.Now()
	err := end(ctx)
	if took := time.Since(began); took > within+time.Second {
		l.Errorf("close took %v", took)
	}
	var left *weir.CloseError
	uncertain := errors.As(err, &left) && left.Uncertain && left.Unconfirmed+left.NotSent+len(left.Unsaid) == 0
	if err != nil && !(uncertain && l.at.actor == messages.DataConsumer) {
		l.Errorf("close: %v", err)
	}
}

func (l *realLife) count(events *weir.Subscription) {
	for e := range events.All(context.Background()) {
		switch e := e.(type) {
		case *messages.Abandoned:
			l.abandoned.Add(1)
		case *messages.ChannelFailed:
			l.Errorf("the channel failed: %v", e.Err)
		case *messages.UnhandledMessage:
			l.Errorf("%s does not know %T", e.Child, e.Message)
		case *messages.ChildFailed:
			if e.Child == messages.DataProducer {
				l.writers++
			}
			if e.Child == messages.DataConsumer {
				l.readers++
			}
		}
	}
}

func (l *realLife) check() {
	if !l.struck.Load() {
		l.Fatal("the point was not passed")
	}
	if hangs := map[bool]int64{true: 1}[l.kind == Hang]; l.abandoned.Load() != hangs {
		l.Errorf("%d goroutines were given up, not %d", l.abandoned.Load(), hangs)
	}
	promise := ledger.Promise{Ordered: true, Duplicates: l.readers * realPrefetch}
	if !l.stream {
		promise.Duplicates += l.writers * realWindow
	}
	l.ledger.Read(func(log *ledger.Log) {
		for _, bad := range log.Fates().Bad(promise) {
			l.Error(bad)
		}
	})
}
