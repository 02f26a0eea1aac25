package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func (e *end) remaining() *answer[messages.Remainder] {
	a, done := take[messages.Remainder](e.bed)
	e.send(&messages.Remaining{Done: done})
	return a
}

// left waits for an answer without an error.
func (e *end) left(a *answer[messages.Remainder], limit time.Duration) bool {
	e.Helper()
	m := await(e.bed, a, limit)
	if m.Err != nil {
		e.Fatal(m.Err)
	}
	return m.Records
}

func expects(n int) func(*supervisor.Config) { return func(c *supervisor.Config) { c.Expected = n } }

// Records are left wherever they are, but with another reader.
func TestRecordsThatAreLeft(t *testing.T) {
	put := func(writer *end, n int) {
		for i := range n {
			written, _ := writer.write(fmt.Sprint(i))
			await(writer.bed, written, time.Second)
		}
	}
	settle := func(b *bed) { b.world.RunFor(time.Second) }
	for _, test := range []struct {
		name string
		do   func(b *bed, writer, reader *end)
		want bool
	}{
		{"none ever", func(*bed, *end, *end) {}, false},
		{"in the buffer", func(b *bed, w, r *end) { put(w, 1); settle(b) }, true},
		{"at the broker only", func(b *bed, w, r *end) {
			put(w, 3)
			await(b, r.demand(2), time.Second) // the prefetch
			settle(b)
		}, true},
		{"handed over, not committed", func(b *bed, w, r *end) {
			put(w, 2)
			settle(b)
			await(b, r.demand(2), time.Second)
		}, false},
		{"all committed", func(b *bed, w, r *end) {
			put(w, 2)
			settle(b)
			await(b, r.commit(await(b, r.demand(2), time.Second)), time.Second)
		}, false},
		{"with another reader", func(b *bed, w, r *end) {
			other := b.reader(named("other"))
			other.opened()
			put(w, 2) // one each, in turn
			await(b, other.demand(1), time.Second)
			await(b, r.demand(1), time.Second)
			settle(b)
		}, false},
		{"while it stands by", func(b *bed, w, r *end) {
			put(w, 1)
			settle(b)
			r.answered(r.stop(), nil)
		}, true},
		{"none, while it stands by", func(b *bed, w, r *end) { r.answered(r.stop(), nil) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, writer, reader := both(t, func(c *supervisor.Config) { c.Prefetch = 2 })
			test.do(b, writer, reader)
			if got := reader.left(reader.remaining(), time.Second); got != test.want {
				t.Errorf("records are left: %v", got)
			}
		})
	}
}

// What is in the buffer is known without the broker.
func TestRecordsInTheBufferAreLeftWithoutAQuestion(t *testing.T) {
	b, writer, reader := both(t)
	written, _ := writer.write("x")
	await(b, written, time.Second)
	b.world.RunFor(time.Second)
	b.world.Broker().Freeze()
	if !reader.left(reader.remaining(), 10*time.Millisecond) {
		t.Error("none is left")
	}
}

// A record that is on its way to the reader when the broker counts is left: the answer comes behind it.
func TestRecordsInFlightAreLeft(t *testing.T) {
	for seed := range uint64(50) {
		b := seeded(t, seed)
		writer, reader := b.both(noStatus)
		b.world.Broker().Delay(b.world.Jitter(2 * time.Millisecond))
		written, _ := writer.write("x")
		await(b, written, time.Second) // the broker has it, and has given it to the reader at once
		if !reader.left(reader.remaining(), time.Second) {
			t.Errorf("seed %d: none is left", seed)
		}
		b.world.Broker().Delay(0)
	}
}

// Who asks while the data consumer is down, or loses it meanwhile, is answered when it is back; each once, in their order.
func TestRemainingOverAnIncident(t *testing.T) {
	for _, when := range []string{"down", "meanwhile", "hung"} {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprint(when, " ", records), func(t *testing.T) {
				b, writer, reader := both(t, noStatus)
				b.world.Broker().RefuseFor(3 * time.Second)
				var asked []*answer[messages.Remainder]
				order := 0
				ask := func() {
					for range 3 {
						a, done := take[messages.Remainder](b)
						i := len(asked)
						asked = append(asked, a)
						reader.send(&messages.Remaining{Done: func(m *messages.Remainder) {
							if order != i {
								t.Errorf("%d is answered, before %d", i, order)
							}
							order++
							done(m)
						}})
					}
				}
				cut := func() { b.world.Broker().CutOwner("orders/reader/data-consumer") }
				switch when {
				case "down":
					cut()
					b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
					ask()
				case "hung":
					b.inject = func(id string, msg any) {
						if _, look := msg.(*messages.Look); look && at(id, "reader/data-consumer") {
							b.inject = nil
							panic(errInjected)
						}
					}
					ask()
				default:
					b.world.Broker().Delay(100 * time.Millisecond)
					ask()
					b.world.RunFor(50 * time.Millisecond)
					b.world.Broker().Delay(0)
					cut()
				}
				b.world.RunFor(2 * time.Second)
				if order != 0 {
					t.Fatal("answered while it is down")
				}
				if records {
					written, _ := writer.write("x")
					await(b, written, 10*time.Second)
				}
				for i, a := range asked {
					if got := reader.left(a, 10*time.Second); got != records {
						t.Errorf("%d: records are left: %v", i, got)
					}
				}
				ask()
				for _, a := range asked {
					if got := reader.left(a, time.Second); got != records {
						t.Errorf("later: records are left: %v", got)
					}
				}
			})
		}
	}
}

// A broker that is silent holds the answer up, not the end: who waits is told that.
func TestRemainingEndsWithTheChannel(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(b *bed, reader *end)
		want func(error) bool
	}{
		{"close", func(_ *bed, r *end) { r.close(5 * time.Second) }, func(err error) bool { return err == supervisor.ErrClosed }},
		{"stopped by its owner", func(b *bed, r *end) { b.world.System().Root.Stop(r.pid) }, func(err error) bool { return err == supervisor.ErrClosed }},
		{"failure", func(b *bed, r *end) {
			b.failing("reader/data-consumer", broker.ErrPermission) // at its next ping
			b.until("it failed", 5*time.Second, func() bool { return r.has(messages.Failed) })
		}, func(err error) bool { return errors.Is(err, broker.ErrPermission) }},
		{"crash", func(b *bed, r *end) { crash(b, "reader", false); r.send(&messages.Inspect{}) }, func(err error) bool { return errors.Is(err, errInjected) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _, reader := both(t, expects(7))
			b.world.Broker().Freeze()
			asked := []*answer[messages.Remainder]{reader.remaining(), reader.remaining()}
			b.world.RunFor(time.Second)
			if asked[0].got != nil {
				t.Fatalf("%+v", asked[0].got)
			}
			test.end(b, reader)
			for _, a := range asked {
				if m := await(b, a, 100*time.Millisecond); !test.want(m.Err) || m.Records || m.Expected != 7 {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}

// A broker that is silent for so long that its heartbeat is missed: the question is asked again on the next connection.
func TestRemainingOverAFrozenBroker(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	written, _ := writer.write("x", "y")
	await(b, written, time.Second)
	b.world.RunFor(time.Second)
	await(b, reader.demand(2), time.Second)
	b.world.Broker().Freeze()
	asked := reader.remaining()
	b.until("the connection is missed", time.Minute, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	if asked.got != nil {
		t.Fatalf("%+v", asked.got)
	}
	b.world.Broker().Thaw()
	if !reader.left(asked, 20*time.Second) {
		t.Error("what was not committed is left, and none is said to be")
	}
}

// Who has finished is counted by the rules of PeersFinished, and told beside the config's number.
func TestRemainderCountsThePeers(t *testing.T) {
	b := newBed(t)
	reader := b.reader(expects(3))
	reader.opened()
	for i, name := range []string{"a", "b", "c"} {
		writer := b.writer(named(name))
		writer.opened()
		switch i {
		case 0:
			await(b, writer.close(time.Second), time.Second)
		case 1:
			writer.answered(writer.stop(), nil)
		}
	}
	b.world.RunFor(time.Second)
	if m := await(b, reader.remaining(), time.Second); m.Finished != 2 || m.Expected != 3 || m.Records {
		t.Errorf("%+v", m)
	}
}

// finishes lets a reader read until the answer is that all writers have finished and no record is left, as a program does that ends then.
func finishes(b *bed, reader *end) (done func() bool) {
	over := false
	var ask, demand func()
	ask = func() {
		reader.send(&messages.Remaining{Done: func(m *messages.Remainder) {
			switch {
			case m.Err != nil:
				b.Error(m.Err)
			case m.Records:
				demand()
			case m.Finished < m.Expected:
				ask()
			default:
				over = true
			}
		}})
	}
	demand = func() {
		reader.send(&messages.Demand{Max: 10, Done: func(m *messages.Batch) {
			reader.send(&messages.Commit{Batch: m})
			ask()
		}})
	}
	ask()
	return func() bool { return over }
}

// A writer that writes its last record and closes between two questions: who is told that it has finished has read the record.
func TestFinishedMeansThatNoRecordIsLeft(t *testing.T) {
	for seed := range uint64(100) {
		b := seeded(t, seed)
		writer, reader := b.both(expects(1), polls(10*time.Millisecond))
		done := finishes(b, reader)
		b.world.RunFor(b.world.Jitter(20 * time.Millisecond))
		writer.write("last")
		writer.close(10 * time.Second)
		b.until("the reader is done", 10*time.Second, done)
		if n := reader.snapshot().Records; n != 1 {
			t.Errorf("seed %d: it has finished with %d records, and 1 was written", seed, n)
		}
	}
}

// The same, with a data consumer that fails while it has the record. Its session may end at the broker later than the next one begins: until then nobody but the dead one has the record.
func TestFinishedOverAnIncidentMeansThatNoRecordIsLeft(t *testing.T) {
	lastRecord := func(b *bed) *end {
		writer, reader := b.both(expects(1), polls(10*time.Millisecond))
		writer.write("last")
		writer.close(10 * time.Second)
		b.world.RunFor(100 * time.Millisecond) // it waits to be read, and the reader knows that the writer has closed
		return reader
	}
	check := func(b *bed, reader *end) {
		b.Helper()
		once(b, "reader/data-consumer")
		b.world.System().Root.Send(actor.NewPID(reader.pid.Address, "reader/data-consumer-1"), &messages.Ping{})
		b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
		b.until("the reader is done", time.Minute, finishes(b, reader))
		if n := reader.snapshot().Records; n != 1 {
			b.Errorf("it has finished with %d records, and 1 was written", n)
		}
	}
	for seed := range uint64(120) {
		b := seeded(t, seed)
		check(b, lastRecord(b))
	}
	for consumer := range 3 { // the broker misses it at the heartbeat only
		b := newBed(t)
		reader := lastRecord(b)
		b.world.Broker().FreezeConsumer(consumer)
		check(b, reader)
	}
}

// Another reader beside does not hold up the end for ever: what our dead session had is with it, and it may keep it.
func TestFinishedOverAnIncidentBesideAnotherReader(t *testing.T) {
	b := newBed(t)
	other := b.reader(named("other"))
	other.opened()
	writer, reader := b.both(expects(1), polls(10*time.Millisecond), func(c *supervisor.Config) { c.Prefetch = 1 })
	written, _ := writer.write("a", "b")
	await(b, written, time.Second)
	await(b, writer.close(time.Second), time.Second)
	await(b, other.demand(1), time.Second) // one each: this one is not committed
	b.world.Broker().CutOwner("orders/reader/data-consumer")
	b.until("the reader is done", 2*time.Minute, finishes(b, reader))
}

// A writer that has finished stays one of those that are expected, however long ago that was; one beside it that is at work is told.
func TestFinishedWritersAreNotForgotten(t *testing.T) {
	b := newBed(t)
	reader := b.reader(expects(1))
	reader.opened()
	first := b.writer(named("first"))
	first.opened()
	b.world.RunFor(3 * time.Second)
	await(b, first.close(time.Second), 2*time.Second)
	b.world.RunFor(30 * time.Minute)
	if a := await(b, reader.remaining(), time.Second); a.Finished != 1 || a.AtWork {
		t.Errorf("half an hour later: %+v", *a)
	}
	b.writer(named("second")).opened()
	b.world.RunFor(3 * time.Second)
	if a := await(b, reader.remaining(), time.Second); a.Finished != 1 || !a.AtWork {
		t.Errorf("with another at work: %+v", *a)
	}
}

// Nobody's question is kept: those who have left while the broker was away are not asked for when it is back.
func TestQuestionsOfThoseWhoHaveLeft(t *testing.T) {
	b, _, reader := both(t, within(supervisor.Forever))
	b.world.Broker().Freeze()
	answered := reader.remaining() // the broker is asked, and says nothing
	left, asked := false, 0
	for range 100 {
		reader.send(&messages.Remaining{Expired: func() bool { asked++; return left }, Done: func(*messages.Remainder) { t.Error("who has left is answered") }})
	}
	b.world.RunFor(time.Second)
	left = true
	last := reader.remaining()
	b.world.RunFor(time.Second)
	asked = 0
	b.world.Broker().Thaw()
	await(b, answered, time.Minute)
	await(b, last, time.Minute)
	if asked != 0 {
		t.Errorf("%d were kept", asked)
	}
}

// A session whose end the broker has not seen is waited for as long as the heartbeat may take: until then the broker keeps its records for it, and they are not ready.
func TestFinishedWaitsAsLongAsTheHeartbeatTakes(t *testing.T) {
	b := newBed(t)
	b.world.Broker().SetHeartbeat(time.Minute)
	writer, reader := b.both(expects(1), polls(10*time.Millisecond), func(c *supervisor.Config) { c.LostAfter = 3 * time.Minute })
	writer.write("last")
	writer.close(10 * time.Second)
	b.world.RunFor(100 * time.Millisecond)
	for i := range 3 {
		b.world.Broker().FreezeConsumer(i)
	}
	once(b, "reader/data-consumer")
	b.world.System().Root.Send(actor.NewPID(reader.pid.Address, "reader/data-consumer-1"), &messages.Ping{})
	b.until("it is down", time.Second, func() bool { return len(seen[*messages.ChildFailed](reader)) > 0 })
	b.until("the reader is done", 4*time.Minute, finishes(b, reader))
	if n := reader.snapshot().Records; n != 1 {
		t.Errorf("finished with %d records of 1", n)
	}
}
