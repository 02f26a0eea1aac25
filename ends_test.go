package weir

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
)

// Calls that could hang: each has a way to end that something inside has to keep.

func world(t *testing.T, opts ...RuntimeOption) (context.Context, *embedded.Broker, *Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	port := embedded.Start()
	rt := OnPort(port, opts...)
	t.Cleanup(func() {
		port.Sync(func() { port.Block(false); port.Thaw() })
		if err := rt.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
		port.Stop()
		cancel()
	})
	return ctx, port, rt
}

func is[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// blocked turns the alarm on and waits until the writer knows.
func blocked[T any](ctx context.Context, port *embedded.Broker, w *Writer[T]) {
	events := w.Subscribe()
	defer events.Close()
	port.Sync(func() { port.Block(true) })
	for event := range events.All(ctx) {
		if alarm, ok := event.(*messages.AlarmChanged); ok && alarm.On {
			return
		}
	}
}

// Writes that wait for room in the window when the writer closes get their answer, and later ones do, too.
func TestWritesThatWaitForRoomEndWithTheWriter(t *testing.T) {
	ctx, port, rt := world(t)
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text(), Create(), Window(10, 1000)))
	blocked(ctx, port, w)
	ten := strings.Split("0123456789", "")
	results := make(chan error, 6)
	for range 6 {
		go func() { results <- w.Write(context.Background(), ten...) }()
	}
	for snapshot := is[*messages.Snapshot](t)(w.Inspect(ctx)); snapshot.Waiting < 10; {
		snapshot = is[*messages.Snapshot](t)(w.Inspect(ctx))
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	var left *CloseError
	if err := w.Close(short); !errors.As(err, &left) || left.Unconfirmed != 10 {
		t.Errorf("close: %v", err)
	}
	for range 6 {
		var failed *WriteError
		if err := <-results; !errors.As(err, &failed) {
			t.Error(err)
		}
	}
	for range 30 { // more than the window has room for
		if err := w.Write(ctx, "late"); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
}

// A Read's context counts while another Read waits.
func TestReadBesideAnother(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	go func() { _, _ = r.Read(ctx) }()
	for len(r.reading) == 0 {
		is[*messages.Snapshot](t)(r.Inspect(ctx))
	}
	short, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() {
		_, err := r.Read(short)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A Withdraw that overtakes the word that there is something to write must not find nothing: the write would be sent later, and its caller wait.
func TestWithdrawOvertakesNothing(t *testing.T) {
	ctx, port, rt := world(t)
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text(), Create()))
	blocked(ctx, port, w)
	answered := make(chan struct{})
	w.gather.add(&messages.Write{Done: func(*messages.Written) { close(answered) }}) // whoever added it has not told the supervisor yet
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	var failed *WriteError
	if err := w.Write(short, "x"); !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	<-answered
}

// A Read whose context ends while a record is being dead-lettered leaves the whole batch to the next.
func TestReadGoesOnWithTheBatchOfTheLast(t *testing.T) {
	ctx, port, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	w := is[*Writer[[]byte]](t)(OpenWriter(ctx, rt, "c", Raw()))
	if err := w.Write(ctx, []byte("a"), []byte("\xff"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	blocked(ctx, port, w)
	var values []string
	var dead *DeadLetterError
	for !errors.As(func() error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		b, err := r.Read(short)
		if err == nil {
			values = append(values, b.Values...)
		}
		return err
	}(), &dead) {
		continue // not yet come to the bad record
	}
	port.Sync(func() { port.Block(false) })
	for len(values) < 2 {
		b := is[*Batch[string]](t)(r.Read(ctx))
		values = append(values, b.Values...)
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(values) != "[a b]" {
		t.Error(values)
	}
}

// Close ends a Read that is dead-lettering to a broker that does not answer, within one deadline.
func TestCloseEndsADeadLetter(t *testing.T) {
	ctx, port, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	w := is[*Writer[[]byte]](t)(OpenWriter(ctx, rt, "c", Raw()))
	if err := w.Write(ctx, []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	blocked(ctx, port, w)
	result := make(chan error, 1)
	go func() {
		_, err := r.Read(context.Background())
		result <- err
	}()
	for {
		r.dead.mu.Lock()
		opened := r.dead.writer != nil
		r.dead.mu.Unlock()
		if opened {
			break
		}
		is[*messages.Snapshot](t)(r.Inspect(ctx))
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_ = r.Close(short) // what it left depends on how far the dead letter had come
	if err := <-result; err == nil {
		t.Error("the Read was handed something")
	}
	if _, err := r.Read(ctx); err == nil {
		t.Error("a closed reader reads")
	}
}

// The dead letters' writer is made anew when it has ended, and its end is not the reader's.
func TestDeadLettersWriterIsMadeAnew(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	w := is[*Writer[[]byte]](t)(OpenWriter(ctx, rt, "c", Raw()))
	for _, good := range []string{"a", "b"} {
		if err := w.Write(ctx, []byte("\xff"), []byte(good)); err != nil {
			t.Fatal(err)
		}
		b := is[*Batch[string]](t)(r.Read(ctx))
		if b.Values[0] != good {
			t.Fatal(b.Values)
		}
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		rt.system.Root.Stop(r.dead.writer.pid)
		<-r.dead.writer.Done()
	}
}

// A supervisor that crashes is no orderly close: calls that wait and later ones get its ChannelError.
func TestCrashOfTheSupervisor(t *testing.T) {
	crash := make(chan struct{})
	ctx, _, rt := world(t, WithSpawnOptions(actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, e *actor.MessageEnvelope) {
			if _, ok := e.Message.(*messages.Inspect); ok {
				<-crash
				panic("injected")
			}
			next(c, e)
		}
	})))
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	waiting := make(chan error, 1)
	go func() {
		_, err := r.Read(ctx)
		waiting <- err
	}()
	close(crash)
	_, inspected := r.Inspect(ctx)
	<-r.Done()
	_, after := r.Read(ctx)
	for what, err := range map[string]error{"waiting": <-waiting, "in hand": inspected, "later": after} {
		var failed *ChannelError
		if !errors.As(err, &failed) || failed.Child != "supervisor" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEndsThatComeTwice(t *testing.T) {
	ctx, _, rt := world(t)
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text()))
	if err := errors.Join(r.Close(ctx), r.Close(ctx)); err != nil {
		t.Error(err)
	}
	var left *CloseError
	if err := r.CloseAndDelete(ctx, true); !errors.As(err, &left) || left.NotDeleted == nil {
		t.Errorf("%v: nothing was deleted, and that must be said", err)
	}
	if err := errors.Join(rt.Close(ctx), rt.Close(ctx)); err != nil {
		t.Error(err)
	}
}

func TestFormatsThatCannotBe(t *testing.T) {
	ctx, _, rt := world(t)
	if _, err := OpenWriter(ctx, rt, "c", Format[int]{}, Create()); !errors.Is(err, errNoCodec) {
		t.Error(err)
	}
	empty := Avro[struct{}](`{"type": "record", "name": "Nothing", "fields": []}`)
	if _, err := OpenReader(ctx, rt, "c", empty, Compat()); !errors.Is(err, errEmptyBodies) {
		t.Error(err)
	}
	if _, err := OpenWriter(ctx, rt, "c", empty, Compat()); !errors.Is(err, errEmptyBodies) {
		t.Error(err)
	}
}

// Two brokers, one actor system: endpoints of the same names do not collide.
func TestTwoRuntimesInOneSystem(t *testing.T) {
	system := newSystem(&zerolog.Logger{})
	ctx, _, first := world(t, InSystem(system))
	_, _, second := world(t, InSystem(system))
	for _, rt := range []*Runtime{first, second} {
		is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), Name("r")))
	}
}

// A reader that does not create the channel says at its opening that there is no queue for dead letters.
func TestNoQueueForDeadLetters(t *testing.T) {
	ctx, _, rt := world(t)
	is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), Compat()))
	if _, err := OpenReader(ctx, rt, "c", Text(), JoinOnly()); err == nil || !strings.Contains(err.Error(), "c.dead") {
		t.Errorf("%v: it must name c.dead", err)
	}
	is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), JoinOnly(), OnUndecodable(Skip)))
}
