package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	channel          = "c"
	window, prefetch = 20, 10
)

// changed gives the batch with another body at an index.
func changed(b broker.Batch, i int, change func([]byte) []byte) broker.Batch {
	b.Records = slices.Clone(b.Records)
	b.Records[i].Body = change(bytes.Clone(b.Records[i].Body))
	return b
}

func flip(b []byte) []byte { b[len(b)-1] ^= 1; return b }

// nth says yes at the n-th batch that is published.
func (s *session) nth(n int) bool {
	s.p.mu.Lock()
	at := s.p.published
	s.p.mu.Unlock()
	return s.p.once(at == n)
}

// confirm tells a confirm as the broker would, later.
func (s *session) confirm(b broker.Batch) {
	go s.sink(&broker.Confirmed{First: b.First, Last: b.Last()})
}

// turn turns the first two records of a delivery around.
func turn(records []broker.Record) {
	records[0].Body, records[1].Body = records[1].Body, records[0].Body
}

// bugs are what buggy clients, adapters and users of a broker do.
var bugs = []bug{
	{name: "nothing: a queue"},
	{name: "nothing: a stream", stream: true},
	{name: "nothing: the queue is deleted", deletes: true},

	{name: "acknowledges on delivery", want: "lost", delivered: func(s *session, d *broker.Delivered) {
		s.Consumer.Ack(d.Last(), true)
		s.sink(d)
	}},
	{name: "acknowledges all that was delivered", want: "lost", ack: func(s *session, _ uint64, _ bool) { s.Consumer.Ack(s.last.Load(), true) }},
	{name: "acknowledges over epochs", want: "lost", ack: func(s *session, tag uint64, multiple bool) {
		s.p.mu.Lock()
		s.p.tag = max(s.p.tag, tag)
		s.p.mu.Unlock()
		s.Consumer.Ack(tag, multiple)
	}, delivered: func(s *session, d *broker.Delivered) {
		s.p.mu.Lock()
		stale, again := s.p.tag, s.p.sessions > 1
		s.p.mu.Unlock()
		if again && stale > 0 {
			s.Consumer.Ack(min(stale, d.Last()), true)
		}
		s.sink(d)
	}},
	{name: "drops what is redelivered, as known", want: "lost", delivered: func(s *session, d *broker.Delivered) {
		n := 0
		if d.Records[0].Redelivered {
			n = len(d.Records)
		}
		s.drop(d, n)
	}},
	{name: "drops the last of a delivery", want: "lost", delivered: func(s *session, d *broker.Delivered) {
		n := 0
		if s.p.once(len(d.Records) > 2) {
			n = 1
		}
		s.drop(d, n)
	}},
	{name: "confirms without the broker", want: "lost", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.confirm(b)
			return
		}
		s.Publisher.Publish(b)
	}},
	{name: "confirms at once, and loses what was under way with the connection", want: "lost", publish: func(s *session, b broker.Batch) {
		s.confirm(b)
		s.Publisher.Publish(b)
	}},
	{name: "swallows a record of a batch", want: "lost", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			whole := b
			b.Records = b.Records[:len(b.Records)-1]
			s.confirm(whole)
		}
		s.Publisher.Publish(b)
	}},
	{name: "ignores returns", want: "lost", deletes: true, told: func(s *session, e broker.Event) {
		if r, ok := e.(*broker.Refused); ok && errors.Is(r.Err, broker.ErrReturned) {
			e = &broker.Confirmed{First: r.First, Last: r.Last}
		}
		s.sink(e)
	}},
	{name: "tells a write whose outcome is not known as confirmed", want: "lost", outcome: func(error) error { return nil }},
	{name: "tells a write whose outcome is not known as not sent", want: "untrue", outcome: func(err error) error {
		var failed *weir.WriteError
		if errors.As(err, &failed) {
			clear(failed.Outcomes)
		}
		return err
	}},
	{name: "publishes a batch backwards", want: "reordered", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			b.Records = slices.Clone(b.Records)
			slices.Reverse(b.Records)
		}
		s.Publisher.Publish(b)
	}},
	{name: "sends a batch again behind the next", want: "reordered", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.confirm(b)
			s.p.note(func() { s.p.batches = append(s.p.batches, b) })
			return
		}
		s.Publisher.Publish(b)
		s.p.mu.Lock()
		late := s.p.batches
		s.p.batches = nil
		s.p.mu.Unlock()
		for _, b := range late {
			s.p.aside(b.Records[0].Body, b.Records[1].Body, b.Records[2].Body)
		}
	}},
	{name: "turns a delivery around", want: "reordered", delivered: func(s *session, d *broker.Delivered) {
		if s.p.once(len(d.Records) > 2) {
			turn(d.Records)
		}
		s.sink(d)
	}},
	{name: "turns a delivery around, of a stream", want: "reordered", stream: true, delivered: func(s *session, d *broker.Delivered) {
		if s.p.once(len(d.Records) > 2) {
			turn(d.Records)
		}
		s.sink(d)
	}},
	{name: "damages what it publishes", want: "corrupted", also: "lost", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			b = changed(b, 1, flip)
		}
		s.Publisher.Publish(b)
	}},
	{name: "damages what it delivers", want: "corrupted", also: "lost", stream: true, delivered: func(s *session, d *broker.Delivered) {
		if s.p.once(len(d.Records) > 2) {
			d.Records[1].Body = flip(bytes.Clone(d.Records[1].Body))
		}
		s.sink(d)
	}},
	{name: "cuts a record short", want: "corrupted", also: "lost", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			b = changed(b, 0, func(b []byte) []byte { return b[:len(b)-1] })
		}
		s.Publisher.Publish(b)
	}},
	{name: "publishes a batch twice", want: "duplicated", calm: true, publish: func(s *session, b broker.Batch) {
		if s.Publisher.Publish(b); s.nth(4) {
			for range 20 { // more than all incidents may
				s.p.aside(b.Records[0].Body, b.Records[1].Body, b.Records[2].Body)
			}
		}
	}},
	{name: "publishes a record twice, to a stream", want: "duplicated", stream: true, publish: func(s *session, b broker.Batch) {
		if s.Publisher.Publish(b); s.nth(4) {
			for range 20 {
				s.p.aside(b.Records[0].Body, b.Records[1].Body, b.Records[2].Body)
			}
		}
	}},
	{name: "publishes to a stream without its name", want: "duplicated", stream: true, calm: true, publisherConfig: func(c *broker.PublisherConfig) { c.Name = "" }},
	{name: "gives back what it was to acknowledge", want: "duplicated", calm: true, ack: func(s *session, tag uint64, multiple bool) {
		for ; s.acked < tag; s.acked++ {
			s.p.mu.Lock()
			s.p.tag++
			back := s.p.tag <= 80 // more than all incidents may
			s.p.mu.Unlock()
			if back {
				s.Consumer.Reject(s.acked+1, true)
			}
		}
		s.Consumer.Ack(tag, multiple)
	}},
	{name: "invents a record", want: "unexpected", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.p.aside(other(1, 0, 500))
		}
		s.Publisher.Publish(b)
	}},
	{name: "delivers a record of an earlier run", want: "unexpected", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.p.aside(other(2, 0, 1))
		}
		s.Publisher.Publish(b)
	}},
	{name: "delivers another channel's record", want: "unexpected", stream: true, publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.p.aside(other(1, 7, 1))
		}
		s.Publisher.Publish(b)
	}},
	{name: "delivers what is no record", want: "corrupted", publish: func(s *session, b broker.Batch) {
		if s.nth(4) {
			s.p.aside([]byte("no record, but long enough to be one"))
		}
		s.Publisher.Publish(b)
	}},
	{name: "stores a stream's offset on delivery", want: "lost", stream: true, delivered: func(s *session, d *broker.Delivered) {
		s.sink(d)
		s.Consumer.Ack(d.Last(), true)
	}},
	{name: "goes on behind where a stream's session is to begin", want: "lost", stream: true, consumerConfig: func(p *buggy, c *broker.ConsumerConfig) {
		if p.sessions > 1 && c.IgnoreStored {
			from := *c.Stream
			from.Offset += 3
			c.Stream = &from
		}
	}},
}

// other is the body of a record that another run, writer or attempt would have.
func other(run uint64, writer int, seq int) (body []byte) {
	l := ledger.New(time.Now, run, 40, writer+1, 0)
	_, bodies := l.Attempt(writer, seq+1)
	return bodies[seq]
}

func TestLedgerFindsEveryBug(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			newLife(t, b).run()
		})
	}
}

// life is a channel's over a port with a bug.
type life struct {
	*testing.T
	port   *buggy
	broker *embedded.Broker
	ledger *ledger.Ledger
	rt     *weir.Runtime
	events *weir.Subscription
	writer *weir.Writer[[]byte]
	reader *weir.Reader[[]byte]
	ctx    context.Context
	// readers and writers are incidents.
	readers, writers int
}

func newLife(t *testing.T, b bug) *life {
	l := &life{T: t, broker: embedded.Start(), ledger: ledger.New(time.Now, 1, 40, 1, 0)}
	l.port = &buggy{Port: l.broker, bug: b, moved: make(chan struct{}, 1)}
	var cancel context.CancelFunc
	l.ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	l.rt = weir.OnPort(l.port)
	l.events = l.rt.Subscribe()
	t.Cleanup(func() {
		_ = l.rt.Close(l.ctx) // what a buggy port leaves behind is not looked at
		cancel()
		l.broker.Stop()
	})
	return l
}

func (l *life) options(name string) []weir.Option {
	options := []weir.Option{weir.Name(name), weir.Window(window, 0), weir.Prefetch(prefetch), weir.Poll(5)}
	if l.port.stream {
		return append(options, weir.Stream())
	}
	return append(options, weir.Ordered())
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *life) open() {
	l.Helper()
	var err error
	l.reader, err = weir.OpenReader(l.ctx, l.rt, channel, weir.Raw(), l.options("reader")...)
	l.must(err)
}

func (l *life) run() {
	l.open()
	var err error
	l.writer, err = weir.OpenWriter(l.ctx, l.rt, channel, weir.Raw(), l.options("writer")...)
	l.must(err)
	for range 10 {
		l.write(3)
	}
	l.fresh()
	if !l.port.calm {
		l.readerIsCut()
	}
	l.writeIsWithdrawn(false)
	l.fresh()
	l.writeIsWithdrawn(true)
	l.fresh()
	l.confirmsAreLost()
	l.fresh()
	if !l.port.calm {
		l.readerIsOpenedAgain()
	}
	if l.port.deletes {
		l.queueIsDeleted()
	}
	l.fresh()
	l.verdict()
}

func (l *life) write(n int) int {
	l.Helper()
	first, bodies := l.ledger.Attempt(0, n)
	err := l.writer.Write(l.ctx, bodies...)
	l.ledger.Settle(0, first, n, err)
	l.must(err)
	return first
}

// read reads a batch and commits it.
func (l *life) read() {
	l.Helper()
	batch, err := l.reader.Read(l.ctx)
	l.must(err)
	first := l.ledger.Deliver(0, batch.Values)
	if err := batch.Commit(l.ctx); err == nil {
		l.ledger.Commit(0, first, len(batch.Values))
	} else if !errors.Is(err, weir.ErrRedelivered) {
		l.Fatal(err)
	}
}

// fresh writes a record and reads until it has come: what was written before has then come, or does not.
func (l *life) fresh() {
	l.Helper()
	seq := l.write(1)
	for came := false; !came; {
		l.read()
		l.ledger.Read(func(log *ledger.Log) {
			came = slices.ContainsFunc(log.Readers[0].Deliveries, func(d ledger.Delivery) bool { return !d.Corrupted && d.Seq == uint64(seq) && d.Committed })
		})
	}
}

// seen waits for what the port saw.
func (l *life) seen(what string, holds func() bool) {
	l.Helper()
	if !l.port.until(holds, l.ctx.Done()) {
		l.Fatalf("not seen: %s", what)
	}
}

// readerIsCut: ten records wait here, five of them are committed; then the session is lost, and the next one when it has got the rest again.
func (l *life) readerIsCut() {
	var delivered, sessions, acked int
	l.port.note(func() { delivered, acked = l.port.delivered, l.port.acked })
	l.write(prefetch)
	l.seen("the deliveries", func() bool { return l.port.delivered >= delivered+prefetch })
	l.read()
	l.seen("the acknowledgement", func() bool { return l.port.acked > acked })
	l.settledAtBroker(prefetch - 5)
	for range 2 {
		l.port.note(func() { delivered, sessions = l.port.delivered, l.port.sessions })
		l.broker.Sync(func() { l.broker.CutOwner(channel + "/reader/data-consumer") })
		l.seen("another session", func() bool { return l.port.sessions > sessions })
		l.write(1)
		l.seen("a delivery to it", func() bool { return l.port.delivered > delivered })
	}
	l.fresh()
}

// settledAtBroker waits until an acknowledgement has reached the broker, whose queue then has no more than so many records: on its way it would be lost with the session. A stream keeps its records.
func (l *life) settledAtBroker(most int) {
	for depth := most + 1; depth > most && !l.port.stream && l.ctx.Err() == nil; {
		l.broker.Sync(func() { depth = l.broker.Depth(channel) })
	}
}

// writeIsWithdrawn: what is under way while the broker is blocked is withdrawn, and gets there, or is lost with the connection.
func (l *life) writeIsWithdrawn(lost bool) {
	l.broker.Sync(func() { l.broker.Block(true) })
	var published int
	l.port.note(func() { published = l.port.published })
	ctx, cancel := context.WithCancel(l.ctx)
	first, bodies := l.ledger.Attempt(0, 2)
	receipt, err := l.writer.Send(l.ctx, bodies...)
	l.must(err)
	l.seen("what is published", func() bool { return l.port.published > published })
	second, more := l.ledger.Attempt(0, 2)
	done := make(chan error, 1)
	go func() { done <- l.writer.Write(ctx, more...) }()
	l.seen("the other write", func() bool { return l.port.published > published+1 })
	cancel()
	err = <-done
	if l.port.outcome != nil {
		err = l.port.outcome(err)
	}
	l.ledger.Settle(0, second, 2, err)
	if lost {
		l.broker.Sync(func() { l.broker.CutOwner(channel + "/writer/data-producer") })
	}
	l.broker.Sync(func() { l.broker.Block(false) })
	err = receipt.Wait(l.ctx)
	l.ledger.Settle(0, first, 2, err)
	l.must(err)
}

// confirmsAreLost: the broker has the records, and the session is lost before it can say so.
func (l *life) confirmsAreLost() {
	var before, now uint64
	l.broker.Sync(func() {
		l.broker.LoseConfirms(1)
		before = l.broker.Counts().Accepted
	})
	first, bodies := l.ledger.Attempt(0, 3)
	receipt, err := l.writer.Send(l.ctx, bodies...)
	l.must(err)
	for now < before+3 && l.ctx.Err() == nil {
		l.broker.Sync(func() { now = l.broker.Counts().Accepted })
	}
	l.broker.Sync(func() {
		l.broker.LoseConfirms(0)
		l.broker.CutOwner(channel + "/writer/data-producer")
	})
	err = receipt.Wait(l.ctx)
	l.ledger.Settle(0, first, 3, err)
	l.must(err)
}

// readerIsOpenedAgain while records wait in it that nobody has read.
func (l *life) readerIsOpenedAgain() {
	var delivered int
	l.port.note(func() { delivered = l.port.delivered })
	l.write(5)
	l.seen("the deliveries", func() bool { return l.port.delivered >= delivered+5 })
	l.must(l.reader.Close(l.ctx))
	l.readers++
	l.open()
	l.fresh()
}

// queueIsDeleted: what is written while it is gone comes back, and is written again when the reader has declared it anew.
func (l *life) queueIsDeleted() {
	gate := make(chan struct{})
	l.port.note(func() { l.port.gate = gate })
	deleted := make(chan struct{})
	lease := l.broker.Lease("fault")
	lease.Do(broker.DeleteQueue{Name: channel}, func(broker.Result) { close(deleted) })
	<-deleted
	lease.Abort()
	l.ledger.Deleted()
	first, bodies := l.ledger.Attempt(0, 3)
	receipt, err := l.writer.Send(l.ctx, bodies...)
	l.must(err)
	var sessions int
	l.seen("what is returned", func() bool {
		sessions = l.port.sessions
		return l.port.returned > 0
	})
	close(gate)
	l.seen("a session on the new queue", func() bool { return l.port.sessions > sessions })
	err = receipt.Wait(l.ctx)
	l.ledger.Settle(0, first, 3, err)
	l.must(err)
}

// verdict closes the channel and looks at what the ledger says.
func (l *life) verdict() {
	l.must(l.writer.Close(l.ctx))
	l.must(l.reader.Close(l.ctx))
	l.events.Close()
	for e := range l.events.All(l.ctx) {
		if failed, ok := e.(*messages.ChildFailed); ok {
			switch failed.Child {
			case messages.DataProducer:
				l.writers++
			case messages.DataConsumer:
				l.readers++
			}
		}
	}
	promise := ledger.Promise{Ordered: true, Duplicates: l.readers * prefetch}
	if !l.port.stream {
		promise.Duplicates += l.writers * window
	}
	var bad []string
	l.ledger.Read(func(log *ledger.Log) { bad = log.Fates().Bad(promise) })
	found := map[string]bool{}
	for _, text := range bad {
		what, _, _ := strings.Cut(text, ":")
		found[what] = true
	}
	for _, want := range []string{l.port.want, l.port.also} {
		if want != "" && !found[want] {
			l.Errorf("not found: %s", want)
		}
		delete(found, want)
	}
	if len(found) > 0 {
		l.Errorf("found besides: %q", bad)
	}
}
