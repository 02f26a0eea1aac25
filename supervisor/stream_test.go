package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func onStream(edit ...func(*supervisor.Stream)) func(*supervisor.Config) {
	return func(c *supervisor.Config) {
		c.Stream = &supervisor.Stream{}
		for _, f := range edit {
			f(c.Stream)
		}
	}
}

func starts(from broker.OffsetKind) func(*supervisor.Stream) {
	return func(s *supervisor.Stream) { s.Start.From = from }
}

func replays(s *supervisor.Stream) { s.IgnoreStored = true }

// put writes records that are numbered from first on, and waits until they are confirmed.
func (e *end) put(first, n int) {
	e.Helper()
	for i := first; i < first+n; i++ {
		written, _ := e.write(fmt.Sprint(i))
		if m := await(e.bed, written, time.Minute); m.Err != nil {
			e.Fatal(m.Err)
		}
	}
}

// gets demands until it has n records, which must be numbered from first on, and gives the batches.
func (e *end) gets(first, n int) (batches []*messages.Batch) {
	e.Helper()
	for n > 0 {
		b := await(e.bed, e.demand(n), time.Minute)
		if b.Err != nil {
			e.Fatal(b.Err)
		}
		for i, r := range b.Records {
			if string(r.Body) != fmt.Sprint(first+i) {
				e.Fatalf("%s: record %q, want %d", e.name, r.Body, first+i)
			}
		}
		first += len(b.Records)
		n -= len(b.Records)
		batches = append(batches, b)
	}
	return batches
}

// hasNone checks that the reader has nothing more, and that the broker has nothing more for it.
func (e *end) hasNone() {
	e.Helper()
	if e.left(e.remaining(), time.Minute) {
		e.Error("there is more")
	}
}

func (e *end) commits(batches ...*messages.Batch) {
	e.Helper()
	for _, b := range batches {
		if m := await(e.bed, e.commit(b), time.Second); m.Err != nil {
			e.Fatal(m.Err)
		}
	}
}

func (e *end) closes() {
	e.Helper()
	if m := await(e.bed, e.close(5*time.Second), 6*time.Second); m.Err != nil {
		e.Fatal(m.Err)
	}
}

// storedUnder reads with a session of its own what is stored under a name: where it begins.
func (b *bed) storedUnder(name string) (next uint64) {
	b.Helper()
	lease := b.world.Broker().Lease("test")
	defer lease.Abort()
	opened := false
	lease.OpenConsumer(broker.ConsumerConfig{Queue: "orders", Name: name, Stream: &broker.StreamOffset{}, Prefetch: 1, MaxBatch: 1}, func(e broker.Event) {
		if e, ok := e.(*broker.Opened); ok {
			next, opened = e.Next, true
		}
	})
	b.until("a session opens", time.Second, func() bool { return opened })
	return next
}

// stored is how many records the stream has.
func (b *bed) stored() int {
	q, _ := b.world.Broker().Queue("orders")
	return q.Ready
}

func TestEachReaderOfAStreamGetsAllInOrder(t *testing.T) {
	b, writer, reader := both(t, onStream())
	other := b.reader(onStream(), named("other"))
	other.opened()
	writer.put(0, 250)
	reader.commits(reader.gets(0, 250)...)
	other.gets(0, 250)
	late := b.reader(onStream(), named("late"))
	late.opened()
	late.gets(0, 250)
	late.hasNone()
	if q := b.world.Broker().Queues(); strings.Join(q, " ") != "orders orders.dead orders.reader.status orders.writer.status orders@writer.lock" || len(b.world.Broker().Exchanges()) != 0 {
		t.Errorf("resources: %q, %q", q, b.world.Broker().Exchanges())
	}
}

// What the broker has but could not confirm is neither published again nor unknown for ever: the next session asks.
func TestAStreamsWriterSettlesWhatIsUnknown(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 5)
	b.world.Broker().LoseConfirms(1000)
	written, _ := writer.write("5", "6", "7")
	b.until("the broker has them", time.Second, func() bool { return b.stored() == 8 })
	b.world.Broker().CutOwner("orders/writer/data-producer")
	if m := await(b, written, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.world.Broker().Mend()
	writer.put(8, 2)
	reader.gets(0, 10)
	reader.hasNone()
	if n := b.stored(); n != 10 {
		t.Errorf("%d records are stored", n)
	}
}

// A writer that is started again under its name goes on behind what the broker has of it: the broker would take its records for known ones.
func TestAStreamsWriterGoesOnUnderItsName(t *testing.T) {
	b, writer, reader := both(t, onStream(), noStatus)
	writer.put(0, 20)
	writer.closes()
	if _, held := b.world.Broker().Queue("orders@writer.lock"); held {
		t.Error("a writer that is closed holds its name")
	}
	again := b.spawnAgain(writer)
	again.opened()
	again.put(20, 20)
	reader.gets(0, 40)
	reader.hasNone()
}

// spawnAgain spawns a second end that is configured as another, name and all. What it is seen to do is noted with the other.
func (b *bed) spawnAgain(former *end) *end {
	b.Helper()
	e := &end{bed: b, name: former.name, stopped: true}
	var err error
	if e.pid, err = b.world.System().Root.SpawnNamed(former.props, "again/"+former.name); err != nil {
		b.Fatal(err)
	}
	b.ends = append(b.ends, e)
	return e
}

func TestAStreamsWriterNeedsANameOfItsOwn(t *testing.T) {
	b, writer, reader := both(t, onStream())
	second := b.spawnAgain(writer)
	began := b.world.Now()
	m := await(b, second.open(), 10*time.Second)
	var failed *supervisor.ChannelError
	if !errors.Is(m.Err, actors.ErrNameInUse) || !errors.As(m.Err, &failed) || !failed.Permanent {
		t.Errorf("%v", m.Err)
	}
	if took := b.world.Now() - began; took > 5*time.Second {
		t.Errorf("refused after %s", took)
	}
	writer.put(0, 3) // it is not disturbed
	reader.gets(0, 3)
	third := b.writer(onStream(func(s *supervisor.Stream) { s.SubEntries = 100 }), named("third"))
	third.opened()
	third.put(3, 3)
	reader.gets(3, 3)
}

// The broker may still take a failed producer's session for alive: the next one waits for the name, as long as the grace window allows.
func TestAStreamsWriterWaitsForItsOwnName(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 3)
	stop := b.failing("writer/data-producer", errInjected)
	b.world.Broker().CutOwner("orders/writer/data-producer")
	b.world.RunFor(time.Second)
	ghost := b.world.Broker().Lease("ghost")
	held := false
	ghost.OpenConsumer(broker.ConsumerConfig{Queue: "orders@writer.lock", Own: true, Prefetch: 1, MaxBatch: 1}, func(broker.Event) { held = true })
	b.until("the ghost has the name", time.Second, func() bool { return held })
	stop()
	written, _ := writer.write("3")
	b.world.RunFor(30 * time.Second)
	if f := last[*messages.ChildFailed](writer); written.got != nil || !errors.Is(f.Err, actors.ErrNameInUse) {
		t.Fatalf("%+v, %+v", written.got, f)
	}
	ghost.Abort()
	if m := await(b, written, 5*time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	reader.gets(0, 4)
	reader.hasNone()
}

func TestALostNameFailsTheProducer(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 1)
	failed := func() bool {
		return slices.ContainsFunc(seen[*messages.ChildFailed](writer), func(f *messages.ChildFailed) bool {
			return f.Child == messages.DataProducer && errors.Is(f.Err, broker.ErrUnavailable) && strings.Contains(f.Err.Error(), "hold the writer's name")
		})
	}
	for range 8 { // whose turn it is goes behind all others, so that the name's is among the first
		b.world.Broker().CutConsumer(0)
		b.world.RunFor(100 * time.Millisecond)
	}
	b.until("it fails", time.Second, failed)
	writer.put(1, 2)
	reader.gets(0, 3)
}

// Somebody else has published under the name: what this writer publishes would be confirmed and dropped.
func TestAWriterWhoseNameWasUsedFails(t *testing.T) {
	b, writer, _ := both(t, onStream())
	writer.put(0, 3)
	lease := b.world.Broker().Lease("test")
	defer lease.Abort()
	confirmed := false
	var p broker.Publisher
	p = lease.OpenPublisher(broker.PublisherConfig{RoutingKey: "orders", Name: "writer", Window: 10}, func(e broker.Event) {
		switch e := e.(type) {
		case *broker.Opened:
			p.Publish(broker.Batch{First: e.LastSequence + 1, Records: []broker.Record{{Body: []byte("alien")}}})
		case *broker.Confirmed:
			confirmed = true
		}
	})
	b.until("it is stored", time.Second, func() bool { return confirmed })
	b.world.Broker().CutOwner("orders/writer/data-producer")
	b.until("it fails", 5*time.Second, func() bool { return writer.has(messages.Failed) })
	if err := writer.snapshot().Err; err == nil || !strings.Contains(err.Error(), "more was published under the writer's name") {
		t.Error(err)
	}
}

func TestAStreamsReaderGoesOnBehindItsCommits(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 10)
	reader.commits(reader.gets(0, 4)...)
	reader.gets(4, 3) // and not committed
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	again := reader.gets(4, 6)
	n := 0
	for _, batch := range again {
		for _, r := range batch.Records {
			if r.Redelivered != (n < 6) && n != 6 {
				t.Errorf("record %s: redelivered %v", r.Body, r.Redelivered)
			}
			n++
		}
	}
	reader.hasNone()
	if o := reader.snapshot().Offsets; o != (messages.Offsets{Initial: -1, Current: 9, Committed: 3}) {
		t.Errorf("%+v", o)
	}
	reader.commits(again...)
	reader.closes()
	if next := b.storedUnder("reader"); next != 10 {
		t.Errorf("stored: %d", next-1)
	}
	second := b.spawnAgain(reader)
	second.opened()
	second.hasNone()
	writer.put(10, 1)
	second.gets(10, 1)
}

// A session that fails before it has stored a commit leaves that to the next: what Close says is certain is.
func TestACommitSurvivesItsSession(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 4)
	reader.commits(reader.gets(0, 4)...)
	b.world.Broker().CutOwner("orders/reader/data-consumer") // at once: nothing is stored
	if next := b.storedUnder("reader"); next != 0 {
		t.Fatalf("stored: %d", next-1)
	}
	b.until("the next is ready", 5*time.Second, func() bool {
		return len(seen[*messages.ChildFailed](reader)) > 0 && reader.child(messages.DataConsumer).Ready
	})
	reader.hasNone()
	reader.closes()
	if next := b.storedUnder("reader"); next != 4 {
		t.Errorf("stored: %d", next-1)
	}
}

// Where the next session has not got so far, Close does not say that it is certain.
func TestACommitThatIsNotStoredIsNotCertain(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 4)
	reader.commits(reader.gets(0, 4)...)
	closed, done := take[messages.Closed](b)
	reader.on = func(e messages.Event) {
		if e, ok := e.(*messages.ChildReady); ok && e.Child == messages.DataConsumer {
			reader.send(&messages.Close{Timeout: 5 * time.Second, Done: done})
		}
	}
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	m := await(b, closed, 10*time.Second)
	var left *supervisor.CloseError
	if next := b.storedUnder("reader"); next != 4 && !(errors.As(m.Err, &left) && left.Uncertain) {
		t.Errorf("stored: %d, and Close says %v", next-1, m.Err)
	}
}

// What is published between two sessions of one reader is not missed, wherever it began.
func TestAReaderThatBeganAtTheEndMissesNothing(t *testing.T) {
	for _, from := range []broker.OffsetKind{broker.FromNext, broker.FromLast, broker.FromFirst} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			b := newBed(t)
			writer := b.writer(onStream())
			writer.opened()
			first := 0
			if from != broker.FromFirst {
				writer.put(0, 3)
				first = 3
			}
			if from == broker.FromLast {
				first = 2
			}
			reader := b.reader(onStream(starts(from)))
			reader.opened()
			b.world.Broker().RefuseFor(time.Second)
			b.world.Broker().CutOwner("orders/reader/data-consumer")
			b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
			if from == broker.FromFirst {
				writer.put(0, 3)
			}
			writer.put(3, 2)
			reader.gets(first, 5-first)
			reader.hasNone()
		})
	}
}

// A stream that is deleted and made anew has offsets of its own: where the reader was in the old one says nothing.
func TestAStreamThatIsMadeAnewIsReadFromItsBeginning(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint("reader away ", away), func(t *testing.T) {
			b, writer, reader := both(t, onStream())
			writer.put(0, 50)
			reader.commits(reader.gets(0, 50)...)
			if away { // it does not see the old one go
				stop := b.failing("reader/data-consumer", errInjected)
				b.until("it is away", 10*time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
				defer stop()
				t.Cleanup(stop)
			}
			lease := b.world.Broker().Lease("test")
			defer lease.Abort()
			gone := false
			lease.Do(broker.DeleteQueue{Name: "orders"}, func(broker.Result) { gone = true })
			b.until("it is gone", time.Second, func() bool { return gone }) // what comes before that goes with it
			writer.put(50, 10)
			b.inject = nil
			reader.commits(reader.gets(50, 10)...)
			reader.hasNone()
			if o := reader.snapshot().Offsets; o.Committed != 9 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// The same when the new one has grown beyond that before the reader is back: it has seen the old one go, or it sees that what it committed last is not at its place.
func TestAStreamThatIsMadeAnewAndHasGrownIsReadFromItsBeginning(t *testing.T) {
	for _, test := range []struct {
		name      string
		committed int
		away      bool
	}{{"seen", 0, false}, {"seen and committed", 5, false}, {"away", 5, true}, {"away, nothing committed", 0, true}} {
		t.Run(test.name, func(t *testing.T) {
			b, writer, reader := both(t, onStream())
			writer.put(0, 5)
			batches := reader.gets(0, 5)
			if test.committed > 0 {
				reader.commits(batches...)
			}
			lease := b.world.Broker().Lease("test")
			defer lease.Abort()
			gone := func() { lease.Do(broker.DeleteQueue{Name: "orders"}, func(broker.Result) {}) }
			if !test.away {
				gone()
				b.until("the reader sees it", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
			}
			defer b.failing("reader/data-consumer", errInjected)()
			b.until("the reader is down", 10*time.Second, func() bool { return !reader.child(messages.DataConsumer).Ready })
			if test.away {
				gone()
				b.until("it is gone", time.Second, func() bool { return b.stored() <= 0 }) // what comes before goes with it
			}
			writer.put(5, 20)
			b.inject = nil
			reader.gets(5, 20)
		})
	}
}

// The same when the new one is as long as the old one was, and the reader began at its end and has had nothing, or the new one has the same records.
func TestAStreamThatIsMadeAnewToTheSameLengthIsReadFromItsBeginning(t *testing.T) {
	for _, from := range []broker.OffsetKind{broker.FromNext, broker.FromFirst} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			b := newBed(t)
			writer := b.writer(onStream())
			writer.opened()
			if from == broker.FromNext {
				writer.put(0, 5)
			}
			reader := b.reader(onStream(starts(from)))
			reader.opened()
			if from == broker.FromFirst {
				writer.put(0, 5)
				reader.commits(reader.gets(0, 5)...)
				for b.storedUnder("reader") < 5 {
				}
				before := reader.child(messages.DataConsumer).Epoch
				b.world.Broker().CutOwner("orders/reader/data-consumer")
				b.until("the next one finds the commit stored", 10*time.Second, func() bool {
					child := reader.child(messages.DataConsumer)
					return child.Ready && child.Epoch > before
				})
			}
			lease := b.world.Broker().Lease("test")
			defer lease.Abort()
			defer b.failing("reader/data-consumer", errInjected)()
			b.until("the reader is down", 10*time.Second, func() bool { return !reader.child(messages.DataConsumer).Ready })
			lease.Do(broker.DeleteQueue{Name: "orders"}, func(broker.Result) {})
			b.until("it is gone", time.Second, func() bool { return b.stored() <= 0 })
			writer.put(0, 5)
			b.inject = nil
			reader.gets(0, 5)
			reader.hasNone()
		})
	}
}

// A writer was killed with records on their way; they arrive when it has been started again, and what it writes then is not taken for them.
func TestARestartedWriterIsNotTakenForItsFormerLife(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 3)
	lease := b.world.Broker().Lease("test")
	defer lease.Abort()
	var late broker.Publisher
	next := uint64(0)
	late = lease.OpenPublisher(broker.PublisherConfig{RoutingKey: "orders", Name: "writer", Window: 10}, func(e broker.Event) {
		if e, ok := e.(*broker.Opened); ok {
			next = e.LastSequence + 1
		}
	})
	b.until("the former life has a session", time.Second, func() bool { return next > 0 })
	writer.closes()
	again := b.spawnAgain(writer)
	again.opened()
	late.Publish(broker.Batch{First: next, Records: []broker.Record{{Body: []byte("3")}}})
	b.until("it has arrived", time.Second, func() bool { return b.stored() == 4 })
	again.put(4, 1)
	reader.gets(0, 5)
}

// The same, when nothing of the former life has arrived before this one opens: the broker tells both the same.
func TestARestartedWriterIsNotTakenForAFormerLifeOfWhichNothingHasArrived(t *testing.T) {
	b, writer, reader := both(t, onStream())
	lease := b.world.Broker().Lease("test")
	defer lease.Abort()
	known := false
	late := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: "orders", Name: "writer", Window: 10}, func(broker.Event) { known = true })
	b.until("the former life has a session", time.Second, func() bool { return known })
	var sequence uint64
	b.inject = func(_ string, msg any) {
		if m, ok := msg.(*messages.Publish); ok {
			sequence = m.Batch.First
		}
	}
	b.world.Broker().Block(true)
	writer.write("0")
	b.until("it is on its way", time.Second, func() bool { return sequence > 0 })
	b.world.System().Root.Stop(writer.pid)
	b.until("the former life has ended", 10*time.Second, func() bool { return writer.stopped })
	b.until("the broker has seen that", 10*time.Second, func() bool { return b.world.Broker().Counts().Publishers == 2 }) // late, and the reader's statuses
	b.world.Broker().Block(false)
	again := b.spawnAgain(writer)
	again.opened()
	late.Publish(broker.Batch{First: sequence, Records: []broker.Record{{Body: []byte("0")}}})
	b.until("it has arrived", time.Second, func() bool { return b.stored() == 1 })
	again.put(1, 1)
	reader.gets(0, 2)
}

func TestReplayBeginsWhereItIsTold(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 5)
	reader.commits(reader.gets(0, 5)...)
	reader.closes()
	again := b.reader(onStream(replays), named("again"))
	again.opened()
	again.commits(again.gets(0, 3)...)
	again.closes()
	if next := b.storedUnder("again"); next != 3 {
		t.Errorf("stored: %d", next-1)
	}
	third := b.reader(onStream(replays, func(s *supervisor.Stream) { s.Start = broker.StreamOffset{From: broker.FromOffset, Offset: 1} }), named("third"))
	third.opened()
	third.gets(1, 4)
	b.world.Broker().CutOwner("orders/third/data-consumer") // a later session of the same reader does not begin anew
	third.gets(1, 4)
	third.hasNone()
}

func TestCommitUpToAnOffset(t *testing.T) {
	b, writer, reader := both(t, onStream())
	writer.put(0, 10)
	reader.gets(0, 6)
	upTo := func(count uint64) error {
		a, done := take[messages.Committed](b)
		reader.send(&messages.CommitUpTo{Count: count, Done: done})
		return await(b, a, time.Second).Err
	}
	if err := upTo(7); err == nil {
		t.Error("more than was handed over")
	}
	for _, count := range []uint64{4, 4, 2} {
		if err := upTo(count); err != nil {
			t.Error(err)
		}
	}
	if n := len(seen[*messages.CommitIgnored](reader)); n != 1 {
		t.Errorf("%d ignored", n)
	}
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	if err := upTo(6); !errors.Is(err, supervisor.ErrRedelivered) {
		t.Error(err)
	}
	reader.gets(4, 2)
	if err := upTo(6); err != nil {
		t.Error(err)
	}
	if o := reader.snapshot().Offsets; o.Committed != 5 {
		t.Errorf("%+v", o)
	}
}

// A stream can be deleted under those who read it: who is to do it waits for them.
func TestDeletingAStreamWaitsForItsReaders(t *testing.T) {
	b, writer, reader := both(t, onStream())
	other := b.reader(onStream(), named("other"))
	other.opened()
	writer.closes()
	b.world.RunFor(7 * time.Second)
	m := await(b, reader.close(3*time.Second, deletes), 4*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || left.NotDeleted == nil || !strings.Contains(left.NotDeleted.Error(), "orders@other is open") {
		t.Fatalf("%v", m.Err)
	}
	if m := await(b, other.close(time.Minute, deletes), time.Minute); m.Err != nil {
		t.Error(m.Err)
	}
	if q := b.world.Broker().Queues(); len(q) != 0 {
		t.Errorf("left: %q", q)
	}
}

func TestStreamConfig(t *testing.T) {
	for _, test := range []struct {
		say  string
		edit func(*supervisor.Config)
	}{
		{"pypz knows queues only", func(c *supervisor.Config) { c.Compat = true }},
		{"sub-entry", func(c *supervisor.Config) { c.Stream.SubEntries = 65536 }},
		{"retention", func(c *supervisor.Config) { c.Stream.MaxAge = -1 }},
	} {
		b := newBed(t)
		c := supervisor.Config{Channel: "orders", Name: "writer", Port: b.port, Env: b.world.Env(), Stream: &supervisor.Stream{}}
		test.edit(&c)
		if _, err := supervisor.WriterProps(c); err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v", test.say, err)
		}
	}
}
