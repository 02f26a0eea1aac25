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

// A batch of a dead incarnation gives ErrRedelivered, while none is up and when the next one is: its tags mean other records now.
func TestCommitOfADeadIncarnationGivesErrRedelivered(t *testing.T) {
	b, writer, reader := both(t)
	for i := range 5 { // its account goes with the session
		flows(writer, reader, fmt.Sprint(i))
	}
	b.until("they are acknowledged", time.Second, func() bool { return b.world.Broker().Depth("orders") == 0 })
	written, _ := writer.write("a", "b")
	await(b, written, time.Second)
	stale := await(b, reader.demand(10), time.Second)
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.world.Broker().RefuseFor(time.Second)
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	if m := await(b, reader.commit(stale), time.Second); m.Err != supervisor.ErrRedelivered {
		t.Errorf("%v", m.Err)
	}
	fresh := await(b, reader.demand(10), 5*time.Second)
	if len(fresh.Records) != 2 || !fresh.Records[0].Redelivered || fresh.Epoch <= stale.Epoch {
		t.Errorf("%+v", fresh)
	}
	if m := await(b, reader.commit(stale), time.Second); m.Err != supervisor.ErrRedelivered {
		t.Errorf("%v", m.Err)
	}
	if m := await(b, reader.commit(fresh), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.until("both are acknowledged", time.Second, func() bool { return b.world.Broker().Depth("orders") == 0 })
}

// A delivery that does not arrive, which no broker does, but a fault on the way can: the consumer sees the gap in the tags and is replaced, before what came behind it is acknowledged, and with it the missing one.
func TestALostDeliveryComesAgain(t *testing.T) {
	b, writer, reader := both(t)
	lost := false
	b.inject = func(_ string, msg any) {
		if m, ok := msg.(*broker.Delivered); ok && !lost && string(m.Records[0].Body) == "a" {
			lost = true
			m.First, m.Records = m.First+1, m.Records[1:]
		}
	}
	written, _ := writer.write("a", "b", "c")
	await(b, written, time.Second)
	batch := await(b, reader.demand(10), 10*time.Second)
	if len(batch.Records) != 3 || string(batch.Records[0].Body) != "a" {
		t.Errorf("%+v", batch)
	}
	if failed := last[*messages.ChildFailed](reader); !lost || !errors.Is(failed.Err, actors.ErrDeliveryLost) {
		t.Errorf("lost %v: %v", lost, failed.Err)
	}
}

func TestDemandsAreAnsweredInTheirOrder(t *testing.T) {
	b, writer, reader := both(t)
	var demands []*answer[messages.Batch]
	for range 3 {
		demands = append(demands, reader.demand(2))
	}
	for i := range 3 {
		written, _ := writer.write(fmt.Sprint(2*i), fmt.Sprint(2*i+1))
		await(b, written, time.Second)
	}
	next := 0
	for _, d := range demands {
		for _, r := range await(b, d, time.Second).Records {
			if string(r.Body) != fmt.Sprint(next) {
				t.Errorf("record %s, want %d", r.Body, next)
			}
			next++
		}
	}
	if s := reader.snapshot(); s.Records != uint64(next) || s.Uncommitted != next {
		t.Errorf("%+v", s)
	}
}

// What is not committed keeps its place in the prefetch, and commits out of order acknowledge only the contiguous prefix.
func TestCommitsOutOfOrder(t *testing.T) {
	b, writer, reader := both(t, func(c *supervisor.Config) { c.Prefetch = 4 })
	written, _ := writer.write("0", "1", "2", "3", "4", "5")
	await(b, written, time.Second)
	var batches []*messages.Batch
	for range 4 {
		batches = append(batches, await(b, reader.demand(1), time.Second))
	}
	beyond := reader.demand(1)
	for _, i := range []int{3, 1, 2} {
		reader.commit(batches[i])
	}
	b.world.RunFor(time.Second)
	if beyond.got != nil {
		t.Fatal("more than the prefetch is unsettled")
	}
	if s, _ := b.world.Broker().Queue("orders"); s.Unsettled != 4 {
		t.Errorf("%d are unsettled, want 4", s.Unsettled)
	}
	reader.commit(batches[0])
	if m := await(b, beyond, time.Second); string(m.Records[0].Body) != "4" {
		t.Errorf("%s", m.Records[0].Body)
	}
	if s, _ := b.world.Broker().Queue("orders"); s.Unsettled != 2 || s.Ready != 0 {
		t.Errorf("%+v, want 2 unsettled", s)
	}
}

// An embedded reader pulls: nothing comes unasked.
func TestNothingComesUnasked(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("x")
	await(b, written, time.Second)
	b.world.RunFor(time.Minute)
	if s := reader.snapshot(); s.Records != 0 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
}

// Ordered: one consumer is active at a time, on a queue that is declared so.
func TestOrderedReadersAreActiveOneAtATime(t *testing.T) {
	ordered := func(c *supervisor.Config) { c.Ordered = true }
	b, writer, first := both(t, ordered)
	second := b.reader(ordered, named("standby"))
	second.opened()
	for i := range 4 {
		written, _ := writer.write(fmt.Sprint(i))
		await(b, written, time.Second)
	}
	b.until("all are with the first", time.Second, func() bool { return first.snapshot().Waiting == 4 })
	idle := second.demand(10)
	batch := await(b, first.demand(10), time.Second)
	b.world.RunFor(time.Second)
	if idle.got != nil || len(batch.Records) != 4 {
		t.Errorf("%+v", idle.got)
	}
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	if m := await(b, idle, 5*time.Second); len(m.Records) != 4 || string(m.Records[0].Body) != "0" {
		t.Errorf("%+v", m)
	}
}

// A reader of another's queue that is to be ordered consumes exclusively, and waits while another is there.
func TestOrderedReaderOfAnothersQueueIsExclusive(t *testing.T) {
	b, _, other := both(t, noStatus)
	reader := b.reader(joins, noStatus, named("second"), func(c *supervisor.Config) { c.Ordered, c.GraceWindow = true, supervisor.Forever })
	opened := reader.open()
	b.world.RunFor(time.Minute)
	if opened.got != nil || !errors.Is(last[*messages.ChildFailed](reader).Err, broker.ErrRefused) {
		t.Errorf("%+v", opened.got)
	}
	if m := await(b, other.close(time.Second), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if m := await(b, opened, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// In group mode each member gets every record; only the principal creates.
func TestFanOutGivesEachMemberEveryRecord(t *testing.T) {
	b := newBed(t)
	member := func(i int) func(*supervisor.Config) {
		return func(c *supervisor.Config) {
			c.Group, c.GroupIndex, c.GroupSize, c.FanOut, c.Create = "g", i, 2, true, i == 0
			c.Name = fmt.Sprint("member-", i)
		}
	}
	second := b.reader(member(1))
	b.world.RunFor(5 * time.Second)
	if !second.has(messages.Preparing) {
		t.Fatal("a member that is not the principal has created something")
	}
	principal := b.reader(member(0))
	principal.opened()
	second.opened()
	writer := b.writer(func(c *supervisor.Config) { c.Create = false })
	writer.opened()
	flows(writer, principal, "x")
	if m := await(b, second.demand(1), time.Second); string(m.Records[0].Body) != "x" {
		t.Errorf("%+v", m)
	}
}

// At a close, what is committed behind a gap is acknowledged alone: it is not delivered again, and what is not committed is.
func TestCloseAcknowledgesWhatIsCommittedBehindAGap(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1", "2", "3", "4", "5")
	await(b, written, time.Second)
	var batches []*messages.Batch
	for range 6 {
		batches = append(batches, await(b, reader.demand(1), time.Second))
	}
	for _, i := range []int{0, 2, 3, 5} {
		if m := await(b, reader.commit(batches[i]), time.Second); m.Err != nil {
			t.Fatal(m.Err)
		}
	}
	if m := await(b, reader.close(time.Second), time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	next := b.reader(named("next"))
	next.opened()
	b.world.RunFor(time.Second)
	var again []string
	for _, r := range await(b, next.demand(10), time.Second).Records {
		again = append(again, string(r.Body))
	}
	if !slices.Equal(again, []string{"1", "4"}) {
		t.Errorf("delivered again: %q", again)
	}
}

// A commit behind a gap that its session did not outlive is not certain either.
func TestCloseIsNotCertainOfACommitBehindAGap(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("0", "1")
	await(b, written, time.Second)
	await(b, reader.demand(1), time.Second)
	second := await(b, reader.demand(1), time.Second)
	if m := await(b, reader.commit(second), time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.world.Broker().RefuseFor(time.Minute)
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	m := await(b, reader.close(2*time.Second), 3*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || !left.Uncertain {
		t.Errorf("%v", m.Err)
	}
}

// With Compat nothing is declared that pypz does not declare: order is kept by an exclusive consumer.
func TestOrderedWithCompatIsExclusive(t *testing.T) {
	ordered := func(c *supervisor.Config) {
		c.Ordered, c.Compat, c.NoStatus, c.GraceWindow = true, true, true, supervisor.Forever
	}
	b := newBed(t)
	first := b.reader(ordered)
	first.opened()
	second := b.reader(ordered, named("second"))
	opened := second.open()
	b.world.RunFor(time.Minute)
	if opened.got != nil || !errors.Is(last[*messages.ChildFailed](second).Err, broker.ErrRefused) {
		t.Errorf("%+v", opened.got)
	}
	if m := await(b, first.close(time.Second), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if m := await(b, opened, 5*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
}

// A message that makes no sense is its sender's mistake and costs the channel nothing.
func TestMessagesThatMakeNoSense(t *testing.T) {
	b, writer, reader := both(t)
	if m := await(b, reader.commit(nil), time.Second); m.Err == nil {
		t.Error("nothing was committed")
	}
	writer.send(&messages.Writes{})
	writer.send(&messages.Writes{Take: func() []*messages.Write { return []*messages.Write{nil} }})
	writer.send(&messages.Withdraw{})
	writer.send(&messages.Withdraw{Write: &messages.Write{}})
	flows(writer, reader, "x")
}
