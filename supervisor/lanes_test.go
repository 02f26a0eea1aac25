package supervisor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// awaited writes n records, in as many Writes that are awaited and under way together.
func (e *end) awaited(n int) (all []*answer[messages.Written]) {
	for i := range n {
		a, done := take[messages.Written](e.bed)
		e.send(&messages.Write{Records: []broker.Record{{Body: fmt.Appendf(nil, "awaited %d", i)}}, Awaited: true, Done: done})
		e.world.RunFor(10 * time.Microsecond) // one by one: else they are one batch
		all = append(all, a)
	}
	return all
}

func confirmed(b *bed, all []*answer[messages.Written], limit time.Duration) {
	b.Helper()
	for i, a := range all {
		if m := await(b, a, limit); m.Err != nil {
			b.Errorf("write %d: %v", i, m.Err)
		}
	}
}

// busy gives a writer that has all its sessions open.
func busy(t *testing.T) (b *bed, writer, reader *end) {
	b, writer, reader = both(t, noStatus)
	b.world.Broker().Delay(2 * time.Millisecond) // so that much is under way together
	for range 5 {
		confirmed(b, writer.awaited(40), time.Second)
	}
	if n := b.world.Broker().Counts().Publishers; n != 4 {
		t.Fatalf("the writer has %d sessions, not 4", n)
	}
	return b, writer, reader
}

// Writes that are awaited and overlap go by several sessions; what has an order never makes another one.
func TestAwaitedWritesGoBySeveralSessions(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.world.Broker().Delay(2 * time.Millisecond)
	for range 40 {
		writer.write("bound")
		b.world.RunFor(10 * time.Microsecond)
	}
	b.world.RunFor(time.Second)
	if n := b.world.Broker().Counts().Publishers; n != 1 {
		t.Errorf("%d sessions for what has an order", n)
	}
	b, writer, reader := busy(t)
	flows(writer, reader, "after")
	if m := await(b, writer.close(10*time.Second), 11*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	if n := b.world.Broker().Counts().Publishers; n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// A session that fails, whichever it is, is a failure of the producer: what it had goes again.
func TestEachSessionsFailureReplacesTheProducer(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			b, writer, reader := busy(t)
			writes := writer.awaited(20)
			if !b.world.Broker().CutPublisher(i) {
				t.Fatal("no such session")
			}
			confirmed(b, writes, time.Second)
			if n := len(seen[*messages.ChildFailed](writer)); n != 1 {
				t.Errorf("%d failures", n)
			}
			flows(writer, reader, "after")
		})
	}
}

// A further session that does not open is done without, and does not hold up a close.
func TestSessionsThatDoNotOpenAreDoneWithout(t *testing.T) {
	for name, fault := range map[string]func(*bed){
		"hangs":   func(b *bed) { b.world.Broker().HangOpens(1) },
		"refused": func(b *bed) { b.world.Broker().RefuseFor(10 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			b, writer, reader := both(t, noStatus)
			b.world.Broker().Delay(2 * time.Millisecond)
			fault(b)
			for range 5 {
				confirmed(b, writer.awaited(40), time.Second)
			}
			if failed := seen[*messages.ChildFailed](writer); len(failed) != 0 {
				t.Errorf("it counts as a failure: %v", failed[0].Err)
			}
			flows(writer, reader, "after")
			began := b.world.Now()
			if m := await(b, writer.close(10*time.Second), 11*time.Second); m.Err != nil || b.world.Now()-began > time.Second {
				t.Errorf("closed after %s: %v", b.world.Now()-began, m.Err)
			}
		})
	}
}
