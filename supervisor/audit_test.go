package supervisor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// forgets has the broker forget the consumers of that child without a word.
func (b *bed) forgets(child string) {
	b.Helper()
	if n := b.world.Broker().ForgetOwner("orders/" + child); n == 0 {
		b.Fatalf("no consumer of %s", child)
	}
}

func streams(c *supervisor.Config) { c.Stream = &supervisor.Stream{} }

// A data consumer that the broker has forgotten is replaced within two audits, whether records come or not, and the channel goes on.
func TestForgottenConsumerIsReplaced(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*supervisor.Config)
		forget  func(b *bed)
		records bool
		within  time.Duration
		says    string
	}{
		{"idle", noEdit, func(b *bed) { b.forgets("reader/data-consumer") }, false, 20 * time.Second, "does not know the consumer"},
		{"records come", noEdit, func(b *bed) { b.forgets("reader/data-consumer") }, true, 20 * time.Second, "does not know the consumer"},
		{"its queue was deleted", noEdit, func(b *bed) {
			b.forgets("reader/data-consumer")
			b.deletes("orders")
		}, false, 20 * time.Second, "not found"},
		{"on a stream", streams, func(b *bed) { b.forgets("reader/data-consumer") }, false, 70 * time.Second, "does not know the consumer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, writer, reader := both(t, c.edit)
			flows(writer, reader, "before")
			c.forget(b)
			if c.records {
				writer.write("meanwhile")
			}
			b.until("it is replaced", c.within, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
			if failed := last[*messages.ChildFailed](reader); failed.Child != messages.DataConsumer || !strings.Contains(failed.Err.Error(), c.says) {
				t.Errorf("%s failed: %v", failed.Child, failed.Err)
			}
			flows(writer, reader, "afterwards")
		})
	}
}

// deletes has somebody delete a queue.
func (b *bed) deletes(queue string) {
	b.Helper()
	deleted := false
	lease := b.world.Broker().Lease("somebody")
	lease.Do(broker.DeleteQueue{Name: queue}, func(result broker.Result) {
		deleted = true
		if result.Err != nil {
			b.Error(result.Err)
		}
	})
	b.until(queue+" is deleted", time.Second, func() bool { return deleted })
	lease.Abort()
}

func noEdit(*supervisor.Config) {}

// With another consumer beside, the broker's count proves nothing. That records wait and none comes does: the consumer is renewed, which is no failure, and replaced where it cannot be.
func TestConsumerThatIsPassedOver(t *testing.T) {
	ordered := func(c *supervisor.Config) { c.Ordered = true }
	for _, c := range []struct {
		name    string
		edit    func(*supervisor.Config)
		renewed bool
		within  time.Duration
	}{{"shared", noEdit, true, 20 * time.Second}, {"ordered", ordered, true, 20 * time.Second}, {"a stream", streams, false, 130 * time.Second}, {"an ordered stream", func(c *supervisor.Config) { streams(c); ordered(c) }, false, 130 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			writer, reader := b.both(c.edit)
			other := b.reader(c.edit, named("other"), func(c *supervisor.Config) { c.Prefetch = 1 })
			other.opened()
			b.forgets("reader/data-consumer")
			written, _ := writer.write("one", "two", "three")
			await(b, written, time.Second)
			await(b, other.demand(1), time.Second) // and it commits nothing
			b.until("it is renewed or replaced", c.within, func() bool {
				return len(seen[*messages.ChildRenewed](reader))+len(seen[*messages.ChildFailed](reader)) > 0
			})
			await(b, other.close(time.Second), 2*time.Second) // of ordered ones it was the active one
			if batch := await(b, reader.demand(10), 20*time.Second); len(batch.Records) < 2 {
				t.Errorf("%d records", len(batch.Records))
			}
			switch failed := seen[*messages.ChildFailed](reader); {
			case c.renewed && len(failed) > 0:
				t.Errorf("failed: %v", failed[0].Err)
			case !c.renewed && (len(failed) != 1 || !strings.Contains(failed[0].Err.Error(), "has had records for the consumer")):
				t.Errorf("failed: %v", failed)
			}
		})
	}
}

// Where nothing tells, a consumer that has been idle for long is renewed.
func TestForgottenConsumerBesideAnotherIsRenewed(t *testing.T) {
	b := newBed(t)
	other := b.reader(named("other"))
	other.opened()
	writer, reader := b.both()
	b.forgets("reader/data-consumer")
	b.until("it is renewed", 80*time.Second, func() bool { return len(seen[*messages.ChildRenewed](reader)) > 0 })
	b.world.RunFor(time.Second)
	await(b, other.close(time.Second), 2*time.Second)
	flows(writer, reader, "to who is left")
	if n := len(seen[*messages.ChildFailed](reader)) + len(seen[*messages.ChildFailed](other)); n > 0 {
		t.Errorf("%d failures", n)
	}
}

// What comes while a consumer is renewed is handed over once, whenever it comes, and no close is in the way.
func TestNothingComesTwiceOverARenewal(t *testing.T) {
	dropped := 0
	for phase := range 40 {
		b := seeded(t, uint64(phase))
		other := b.reader(named("other"))
		other.opened()
		writer, reader := b.both()
		b.inject = func(id string, msg any) {
			if _, finish := msg.(*messages.Finish); finish && at(id, "reader/data-consumer") {
				b.inject = nil
				writer.write(words(50)...)
				if phase%2 == 1 {
					b.world.At(time.Duration(phase)*20*time.Microsecond, func() { reader.close(time.Second) })
				}
			}
		}
		got := map[string]int{}
		again := 0
		for _, e := range []*end{reader, other} {
			b.reads(e, got, &again)
		}
		b.until("it is renewed, and all has come", 90*time.Second, func() bool { return len(got) == 50 })
		for word, n := range got {
			if n != 1 {
				t.Errorf("phase %d: %s came %d times", phase, word, n)
			}
		}
		if phase%2 == 1 {
			b.until("the reader is closed", 2*time.Second, func() bool { return reader.has(messages.ClosedNow) })
		} else if len(seen[*messages.ChildRenewed](reader)) == 0 {
			t.Errorf("phase %d: it was not renewed", phase)
		}
		if len(seen[*messages.ChildFailed](reader)) > 0 {
			t.Errorf("phase %d: %v", phase, last[*messages.ChildFailed](reader).Err)
		}
		dropped += again
	}
	if dropped == 0 {
		t.Error("no record came while a consumer was renewed: the test tests nothing")
	}
}

func words(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("word ", i))
	}
	return all
}

// reads hands all that comes over, and commits it.
func (b *bed) reads(e *end, got map[string]int, again *int) {
	var next func(*messages.Batch)
	next = func(batch *messages.Batch) {
		if batch.Err != nil {
			return
		}
		for _, r := range batch.Records {
			got[string(r.Body)]++
			if r.Redelivered {
				*again++
			}
		}
		e.send(&messages.Commit{Batch: batch, Done: func(*messages.Committed) {}})
		e.send(&messages.Demand{Max: 10, Done: next})
	}
	e.send(&messages.Demand{Max: 10, Done: next})
}

// Who reads statuses and has heard nothing for long is renewed; so an end hears its peers again, even where their stream was made anew without a word.
func TestForgottenStatusConsumerIsRenewed(t *testing.T) {
	b, writer, reader := both(t)
	b.forgets("reader/status-consumer")
	healthy := func() bool { return reader.snapshot().Peers.AnyHealthy() }
	b.until("the writer is missed", 30*time.Second, func() bool { return !healthy() })
	b.until("the writer is heard again", 70*time.Second, healthy)
	if renewed := last[*messages.ChildRenewed](reader); renewed.Child != messages.StatusConsumer {
		t.Errorf("%+v", renewed)
	}
	flows(writer, reader, "afterwards")
}

// In a channel that is idle and well nothing fails, and only a consumer of a queue that need not be exclusive is renewed, about once a minute.
func TestIdleChannelIsWell(t *testing.T) {
	ordered := func(c *supervisor.Config) { c.Ordered = true }
	exclusive := func(c *supervisor.Config) { c.Ordered, c.Compat = true, true }
	for _, c := range []struct {
		edit         func(*supervisor.Config)
		renewed      int
		acknowledged bool // records leave
	}{{noEdit, 8, true}, {ordered, 8, true}, {exclusive, 0, true}, {streams, 0, false}} {
		b, writer, reader := both(t, c.edit)
		flows(writer, reader, "before")
		b.world.RunFor(10 * time.Minute)
		for _, e := range []*end{writer, reader} {
			if n := len(seen[*messages.ChildFailed](e)); n > 0 {
				t.Errorf("%s: %d failures", e.name, n)
			}
		}
		if n := len(seen[*messages.ChildRenewed](reader)); n < c.renewed || n > c.renewed+2 {
			t.Errorf("it was renewed %d times: %d are right", n, c.renewed)
		}
		flows(writer, reader, "afterwards")
		if closed := await(b, reader.close(time.Second), time.Second); closed.Err != nil {
			t.Error(closed.Err)
		}
		if left := b.world.Broker().Depth("orders"); left > 0 && c.acknowledged {
			t.Errorf("%d records were committed and not acknowledged", left)
		}
	}
}

// A broker that answers nothing, on a connection that is taken for alive, is not waited for.
func TestConsumerWhoseAuditIsNotAnsweredIsReplaced(t *testing.T) {
	b := newBed(t)
	b.world.Broker().SetHeartbeat(time.Hour)
	writer, reader := b.both()
	for i := range b.world.Broker().Counts().Consumers {
		b.world.Broker().FreezeConsumer(i)
	}
	b.until("it is replaced", 40*time.Second, func() bool {
		failed := seen[*messages.ChildFailed](reader)
		return len(failed) > 0 && failed[0].Child == messages.DataConsumer && strings.Contains(failed[0].Err.Error(), "has not answered")
	})
	b.world.Broker().Thaw()
	flows(writer, reader, "afterwards")
}

// Ordered readers stand by for one another: that one gets nothing while records wait is as it should be.
func TestOrderedReaderThatStandsByIsLeftAlone(t *testing.T) {
	b := newBed(t)
	ordered := func(c *supervisor.Config) { c.Ordered, c.Prefetch = true, 1 }
	active := b.reader(named("active"), ordered)
	active.opened()
	writer, reader := b.both(ordered)
	written, _ := writer.write(words(10)...)
	await(b, written, time.Second)
	b.world.RunFor(5 * time.Minute)
	if n := len(seen[*messages.ChildFailed](reader)); n > 0 {
		t.Errorf("%d failures", n)
	}
}
