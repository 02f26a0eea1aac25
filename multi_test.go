package weir

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// several opens a reader and a writer of each channel.
func several(ctx context.Context, t *testing.T, rt *Runtime, channels ...string) (readers []*Reader[string], writers []*Writer[string]) {
	t.Helper()
	for _, c := range channels {
		readers = append(readers, is[*Reader[string]](t)(OpenReader(ctx, rt, c, Text(), Name("r"))))
		writers = append(writers, is[*Writer[string]](t)(OpenWriter(ctx, rt, c, Text(), Name("w"), GraceWindow(time.Millisecond))))
	}
	return readers, writers
}

func readAll(ctx context.Context, t *testing.T, r *Reader[string], n int) string {
	t.Helper()
	var values []string
	for len(values) < n {
		b := is[*Batch[string]](t)(r.Read(ctx))
		values = append(values, b.Values...)
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(values, " ")
}

func TestMultiWrites(t *testing.T) {
	ctx, _, rt := world(t)
	readers, writers := several(ctx, t, rt, "a", "b", "c")
	m := MultiWriter(writers...)
	if err := m.WaitForReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // in order, in each
		if err := m.Write(ctx, fmt.Sprint(2*i), fmt.Sprint(2*i+1)); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Trim(fmt.Sprint(func() (all []int) {
		for i := range 200 {
			all = append(all, i)
		}
		return all
	}()), "[]")
	for _, r := range readers {
		if got := readAll(ctx, t, r, 200); got != want {
			t.Errorf("channel %s: got %s", r.channel, got)
		}
	}
	if err := errors.Join(m.Write(ctx), m.Err(), m.Close(ctx), m.Close(ctx)); err != nil {
		t.Error(err)
	}
	err := m.Write(ctx, "x")
	for _, w := range writers {
		if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "write to channel "+w.channel+": of 1 records 0 confirmed") {
			t.Errorf("%v: channel %s is closed", err, w.channel)
		}
	}
}

func TestMultiOfNone(t *testing.T) {
	m := MultiWriter[string]()
	if err := errors.Join(m.Write(t.Context(), "x"), m.WaitForReaders(t.Context(), 1), m.Err(), m.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

// What does not fit one of the channels is sent to none.
func TestMultiEncodesAllFirst(t *testing.T) {
	type order struct {
		Count int64  `avro:"count"`
		Item  string `avro:"item"`
	}
	schema := `{"type": "record", "name": "Order", "fields": [{"name": "count", "type": "long"}, {"name": "item", "type": %s}]}`
	ctx, _, rt := world(t)
	var writers []*Writer[order]
	var readers []*Reader[order]
	for channel, of := range map[string]string{"all": `"string"`, "few": `{"type": "enum", "name": "Item", "symbols": ["tea", "rice"]}`} {
		format := Avro[order](fmt.Sprintf(schema, of))
		readers = append(readers, is[*Reader[order]](t)(OpenReader(ctx, rt, channel, format)))
		writers = append(writers, is[*Writer[order]](t)(OpenWriter(ctx, rt, channel, format)))
	}
	m := MultiWriter(writers...)
	err := m.Write(ctx, order{1, "tea"}, order{2, "salt"})
	var record *RecordError
	if !errors.As(err, &record) || record.Channel != "few" || record.Index != 1 || !strings.Contains(err.Error(), "Item") {
		t.Fatalf("%v: it must name channel, record and field", err)
	}
	if err := m.Write(ctx, order{3, "rice"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		if b := is[*Batch[order]](t)(r.Read(ctx)); len(b.Values) != 1 || b.Values[0] != (order{3, "rice"}) {
			t.Errorf("channel %s: got %v", r.channel, b.Values)
		}
	}
}

// When a channel fails, the others get theirs, and the error names the one that failed.
func TestMultiWithAChannelThatFails(t *testing.T) {
	ctx, _, rt := world(t, WithSpawnOptions(actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, e *actor.MessageEnvelope) {
			if _, ok := e.Message.(*messages.Publish); ok && strings.Contains(c.Self().Id, "/b/") {
				panic("injected")
			}
			next(c, e)
		}
	})))
	readers, writers := several(ctx, t, rt, "a", "b", "c")
	m := MultiWriter(writers...)
	err := m.Write(ctx, "1", "2")
	var failed *WriteError
	var why *ChannelError
	if !errors.As(err, &failed) || failed.Channel != "b" || failed.Count(Confirmed) != 0 || !errors.As(err, &why) || strings.Count(err.Error(), "write to") != 1 {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2} {
		if got := readAll(ctx, t, readers[i], 2); got != "1 2" {
			t.Errorf("channel %s: got %s", readers[i].channel, got)
		}
	}
	if err := m.Err(); !errors.As(err, &why) || why.Channel != "b" {
		t.Error(err)
	}
	_ = m.Close(ctx) // what a failed channel says to that is another test's
	for _, i := range []int{0, 2} {
		if err := writers[i].Write(ctx, "x"); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: a failed channel keeps channel %s from closing", err, writers[i].channel)
		}
	}
}

// A channel whose broker is blocked holds up the call until its context ends, and not the other channel.
func TestMultiEndsWithTheContext(t *testing.T) {
	ctx, _, rt := world(t)
	_, port, other := world(t)
	free := is[*Writer[string]](t)(OpenWriter(ctx, rt, "free", Text(), Create()))
	stuck := is[*Writer[string]](t)(OpenWriter(ctx, other, "stuck", Text(), Create(), Window(1, 1000)))
	blocked(ctx, port, stuck)
	short, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	m := MultiWriter(stuck, free)
	go func() { result <- m.Write(short, "1", "2") }()
	for {
		f, s := is[*messages.Snapshot](t)(free.Inspect(ctx)), is[*messages.Snapshot](t)(stuck.Inspect(ctx))
		if f.Records == 2 && s.Waiting == 2 {
			break
		}
	}
	cancel()
	err := <-result
	var failed *WriteError
	if !errors.As(err, &failed) || failed.Channel != "stuck" || !errors.Is(err, context.Canceled) || failed.Count(Unknown) != 1 || failed.Count(NotSent) != 1 {
		t.Fatal(err)
	}
	if strings.Contains(err.Error(), "channel free") {
		t.Errorf("%v: the free channel has confirmed everything", err)
	}
	if err := m.Write(short, "3"); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "channel free: of 1 records 0 confirmed, 0 unknown, 0 unroutable, 1 not sent") {
		t.Errorf("%v: nothing is sent when the context has ended", err)
	}
	err = m.WaitForReaders(short, 1)
	for _, channel := range []string{"free", "stuck"} {
		if err == nil || !strings.Contains(err.Error(), "wait for peers of channel "+channel) {
			t.Errorf("%v: it does not name %s", err, channel)
		}
	}
}

// Writers of one channel, and several goroutines, go well together.
func TestMultiBesideItself(t *testing.T) {
	ctx, _, rt := world(t)
	readers, writers := several(ctx, t, rt, "a", "b")
	m := MultiWriter(writers...)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for j := range 50 {
				if err := m.Write(ctx, fmt.Sprint(i, ".", j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for _, r := range readers {
		seen := map[string]bool{}
		for _, value := range strings.Fields(readAll(ctx, t, r, 200)) {
			seen[value] = true
		}
		if len(seen) != 200 {
			t.Errorf("channel %s: %d records", r.channel, len(seen))
		}
	}
}
