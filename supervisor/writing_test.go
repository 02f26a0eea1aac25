package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// What no retry mends fails the channel at once, running or not yet.
func TestPermanentErrorsFailAtOnce(t *testing.T) {
	for _, cause := range []error{broker.ErrPermission, broker.ErrWrongType} {
		for _, child := range []string{"writer/topology", "writer/data-producer", "writer/status-consumer"} {
			t.Run(fmt.Sprint(cause, " ", child), func(t *testing.T) {
				b := newBed(t)
				b.failing(child, fmt.Errorf("broker: %w", cause))
				writer := b.writer()
				m := await(b, writer.open(), time.Second)
				var failed *supervisor.ChannelError
				if !errors.As(m.Err, &failed) || !failed.Permanent || !errors.Is(failed, cause) || failed.Failures != 1 {
					t.Errorf("%+v", m.Err)
				}
				if n := len(seen[*messages.GraceRanOut](writer)); n != 0 {
					t.Error("its window is said to have run out")
				}
			})
		}
	}
}

// A status stream that is a classic queue is an error, not "not yet".
func TestStatusStreamOfAnotherTypeFailsAtOnce(t *testing.T) {
	b := newBed(t)
	declare(b, broker.DeclareQueue{Name: "orders.reader.status"})
	writer := b.writer()
	if m := await(b, writer.open(), 5*time.Second); !errors.Is(m.Err, broker.ErrWrongType) {
		t.Errorf("%v", m.Err)
	}
}

// declare does a request by itself.
func declare(b *bed, requests ...broker.Request) {
	b.Helper()
	lease := b.world.Broker().Lease("test")
	left := len(requests)
	for _, r := range requests {
		lease.Do(r, func(r broker.Result) {
			if r.Err != nil {
				b.Error(r.Err)
			}
			left--
		})
	}
	b.until("the broker answers", time.Second, func() bool { return left == 0 })
	lease.Abort()
}

// An alarm is no failure, however long: Write waits, and goes through when it ends.
func TestBlockedIsNotAFailure(t *testing.T) {
	b, writer, reader := both(t)
	b.world.Broker().Block(true)
	written, _ := writer.write("x")
	b.world.RunFor(time.Hour)
	if written.got != nil || len(seen[*messages.ChildFailed](writer)) != 0 || len(seen[*messages.GraceOpened](writer)) != 0 {
		t.Errorf("written %v, %d failures", written.got, len(seen[*messages.ChildFailed](writer)))
	}
	if ev := last[*messages.AlarmChanged](writer); !ev.On {
		t.Error("the alarm is not told")
	}
	b.world.Broker().Block(false)
	if m := await(b, written, time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if ev := last[*messages.AlarmChanged](writer); ev.On {
		t.Error("its end is not told")
	}
	flows(writer, reader, "after")
}

// 30 s without a confirm of the oldest record are an event; 30 s more and the producer is replaced and publishes again. Nothing is lost.
func TestLostConfirmIsToldAndThenHeals(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	b.world.Broker().LoseConfirms(1)
	began := b.world.Now()
	written, _ := writer.write("x")
	b.until("it is told", 31*time.Second, func() bool { return len(seen[*messages.ConfirmsStalled](writer)) == 1 })
	if told := b.world.Now() - began; told < 30*time.Second {
		t.Errorf("told after %s", told)
	}
	if m := await(b, written, 31*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if healed := b.world.Now() - began; healed < 60*time.Second || healed > 61*time.Second {
		t.Errorf("healed after %s", healed)
	}
	if ev := last[*messages.ChildFailed](writer); !errors.Is(ev.Err, actors.ErrNoConfirm) || len(seen[*messages.ConfirmsStalled](writer)) != 1 {
		t.Error(ev.Err)
	}
	flows(writer, reader, "after")
}

// While the alarm is on, nobody counts; when it goes off, the 30 s begin anew.
func TestProducerIsNotReplacedWhileBlocked(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.world.Broker().LoseConfirms(1)
	written, _ := writer.write("lost")
	b.world.RunFor(40 * time.Second)
	b.world.Broker().Block(true)
	b.world.RunFor(10 * time.Minute)
	if n := len(seen[*messages.ChildFailed](writer)); n != 0 {
		t.Fatalf("replaced while blocked: %v", last[*messages.ChildFailed](writer).Err)
	}
	b.world.Broker().Block(false)
	off := b.world.Now()
	if m := await(b, written, 32*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if took := b.world.Now() - off; took < 30*time.Second {
		t.Errorf("replaced %s after the alarm", took)
	}
}

// Records that wait for their turn in the window are not overdue: only the oldest counts, since it was published.
func TestStallCountsFromThePublishing(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	for range 100 {
		written, _ := writer.write("x")
		await(b, written, time.Second)
		b.world.RunFor(time.Second)
	}
	if n := len(seen[*messages.ConfirmsStalled](writer)); n != 0 {
		t.Errorf("%d stalls", n)
	}
}

// The queue is deleted: whoever may create declares it again, and what was returned is published again.
func TestQueueThatWasDeletedIsDeclaredAgain(t *testing.T) {
	b, writer, reader := both(t)
	declare(b, broker.DeleteQueue{Name: "orders"}, broker.DeleteExchange{Name: "orders"})
	flows(writer, reader, "after")
	if s, ok := b.world.Broker().Queue("orders"); !ok || !slices.ContainsFunc(s.Consumers, func(c string) bool { return len(c) > len("orders/reader/data-consumer") }) {
		t.Errorf("%+v, %v", s, ok)
	}
}

func TestStatusStreamThatWasDeletedIsDeclaredAgain(t *testing.T) {
	b, writer, reader := both(t)
	declare(b, broker.DeleteQueue{Name: "orders.writer.status"})
	b.world.RunFor(20 * time.Second)
	flows(writer, reader, "after")
	for _, e := range []*end{writer, reader} {
		for _, c := range e.snapshot().Children[1:] {
			if !c.Ready {
				t.Errorf("%s of the %s: %v", c.Child, e.name, c.LastError)
			}
		}
	}
}

// A writer that may not create fails by it: typed, when its window has run out, and it says of each record that it is unroutable.
func TestWriterThatMayNotCreateFailsWithErrNoQueue(t *testing.T) {
	b := newBed(t)
	declare(b, broker.DeclareExchange{Name: "orders", Kind: broker.Direct}, broker.DeclareQueue{Name: "orders"},
		broker.BindQueue{Queue: "orders", Exchange: "orders"})
	writer := b.writer(joins, noStatus)
	writer.opened()
	declare(b, broker.DeleteQueue{Name: "orders"})
	began := b.world.Now()
	written, _ := writer.write("a", "b", "c")
	m := await(b, written, 2*time.Minute)
	var failed *supervisor.ChannelError
	if !errors.As(m.Err, &failed) || !errors.Is(failed, actors.ErrNoQueue) || failed.Child != messages.DataProducer {
		t.Errorf("%v", m.Err)
	}
	if !slices.Equal(m.Outcomes, []messages.Outcome{messages.Unroutable, messages.Unroutable, messages.Unroutable}) {
		t.Errorf("%v", m.Outcomes)
	}
	if took := b.world.Now() - began; took < 59*time.Second {
		t.Errorf("failed after %s", took)
	}
}

// A nack sends again at the tail, after a pause.
func TestNackedRecordsGoAgainAtTheTail(t *testing.T) {
	b := newBed(t)
	options := broker.QueueOptions{Type: broker.Quorum, DeadLetterTo: "orders.dead", MaxLength: 4}
	declare(b, broker.DeclareQueue{Name: "orders", QueueOptions: options})
	writer := b.writer(noStatus)
	writer.opened()
	first, _ := writer.write("1", "2", "3", "4", "5", "6")
	second, _ := writer.write("7")
	b.world.RunFor(5 * time.Second)
	if first.got != nil || second.got != nil || len(seen[*messages.PublishedAgain](writer)) == 0 {
		t.Fatalf("%+v, %+v, nacked %d times", first.got, second.got, len(seen[*messages.PublishedAgain](writer)))
	}
	if n := len(seen[*messages.PublishedAgain](writer)); n > 30 {
		t.Errorf("%d nacks in 5 s: a hot loop", n)
	}
	reader := b.reader(noStatus)
	got := map[string]int{}
	for len(got) < 7 {
		batch := await(b, reader.demand(10), 10*time.Second)
		reader.commit(batch)
		for _, r := range batch.Records {
			got[string(r.Body)]++
		}
	}
	for text, n := range got {
		if n != 1 {
			t.Errorf("%s came %d times", text, n)
		}
	}
	for _, a := range []*answer[messages.Written]{first, second} {
		if m := await(b, a, time.Second); m.Err != nil {
			t.Error(m.Err)
		}
	}
}

// A write that is withdrawn ends now: what was sent is Unknown and not sent again, what was not is NotSent and never will be.
func TestWithdrawnWriteEndsAtOnce(t *testing.T) {
	b, writer, reader := both(t, func(c *supervisor.Config) { c.Window = 2 })
	b.world.Broker().Block(true)
	first, request := writer.write("a", "b", "c")
	second, _ := writer.write("d")
	b.world.RunFor(time.Second)
	writer.send(&messages.Withdraw{Write: request})
	writer.send(&messages.Withdraw{Write: request}) // again: it has its answer
	m := await(b, first, time.Millisecond*50)
	if !errors.Is(m.Err, supervisor.ErrWithdrawn) || !slices.Equal(m.Outcomes, []messages.Outcome{messages.Unknown, messages.Unknown, messages.NotSent}) {
		t.Errorf("%v, %v", m.Err, m.Outcomes)
	}
	b.world.Broker().CutOwner("orders/writer/data-producer") // what it had is not published again
	b.world.RunFor(time.Second)
	b.world.Broker().Block(false)
	if m := await(b, second, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	batch := await(b, reader.demand(10), time.Second)
	if len(batch.Records) != 1 || string(batch.Records[0].Body) != "d" {
		t.Errorf("%d records", len(batch.Records))
	}
	if s := writer.snapshot(); s.Waiting != 0 {
		t.Errorf("%d wait", s.Waiting)
	}
}

// A nack or a return that a dead incarnation told late is about records that are with the next one already: nothing goes twice by it.
func TestRefusalOfADeadIncarnationIsDropped(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.world.Broker().CutOwner("orders/writer/data-producer")
	b.until("epoch 2 is up", time.Second, func() bool { return last[*messages.ChildReady](writer).Epoch == 2 })
	b.world.Broker().Block(true)
	written, request := writer.write("x")
	b.world.RunFor(100 * time.Millisecond)
	stale := messages.From{Child: messages.DataProducer, Epoch: 1}
	writer.send(&messages.Refused{From: stale, First: 1, Last: 1, Err: broker.ErrNacked})
	writer.send(&messages.Refused{From: stale, First: 1, Last: 1, Err: broker.ErrReturned})
	b.world.RunFor(time.Second)
	if n := len(seen[*messages.PublishedAgain](writer)); n != 0 {
		t.Error("it was published again")
	}
	writer.send(&messages.Withdraw{Write: request})
	if m := await(b, written, time.Second); m.Outcomes[0] != messages.Unknown {
		t.Errorf("%v", m.Outcomes)
	}
	b.world.Broker().Block(false)
}

// Confirms out of order, twice, or of an old epoch: sequences are absolute, so each is as true as any, and counts once.
func TestOddConfirms(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	b.world.Broker().ReorderConfirms(2)
	b.world.Broker().DuplicateConfirms(4)
	for i := range 6 {
		flows(writer, reader, fmt.Sprint(i))
	}
	b.world.Broker().Block(true)
	written, _ := writer.write("x", "y")
	b.world.RunFor(time.Second)
	old := messages.From{Child: messages.DataProducer, Epoch: 0}
	writer.send(&messages.Confirmed{From: old, First: 7, Last: 7})
	writer.send(&messages.Confirmed{From: old, First: 7, Last: 8})
	if m := await(b, written, time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.world.Broker().Block(false)
	b.world.RunFor(time.Second)
	if s := writer.snapshot(); s.Records != 8 || s.Waiting != 0 || s.Children[1].Failures != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEmptyWriteIsConfirmedAtOnce(t *testing.T) {
	b, writer, _ := both(t)
	written, _ := writer.write()
	if m := await(b, written, time.Millisecond*10); m.Err != nil || len(m.Outcomes) != 0 {
		t.Errorf("%+v", m)
	}
}
