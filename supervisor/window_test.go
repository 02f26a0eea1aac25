package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// For each child: failures that go on for longer than the window fail the channel, with an error that names the child, the cause, the times.
func TestWindowThatRunsOutFailsTheChannel(t *testing.T) {
	for _, child := range []string{"reader/data-consumer", "writer/data-producer", "writer/status-producer", "writer/status-consumer", "writer/health-ticker", "writer/metrics-aggregator"} {
		t.Run(child, func(t *testing.T) {
			b, writer, reader := both(t)
			e, part := writer, messages.Child(child[len("writer/"):])
			if child == "reader/data-consumer" {
				e = reader
			}
			flows(writer, reader, "before")
			b.failing(child, errInjected)
			b.until("the window is opened", 5*time.Second, func() bool { return len(seen[*messages.GraceOpened](e)) > 0 })
			began := last[*messages.GraceOpened](e).At
			b.world.RunFor(59 * time.Second)
			if !e.has(messages.Running) {
				t.Fatal("it failed within the window")
			}
			written, _ := writer.write("x", "y")
			demand := reader.demand(1)
			peers, done := take[messages.Opened](b)
			e.send(&messages.AwaitPeers{Count: 99, Done: done})
			b.until("the channel fails", 4*time.Second, func() bool { return e.has(messages.Failed) })

			var failed *supervisor.ChannelError
			if err := last[*messages.ChannelFailed](e).Err; !errors.As(err, &failed) {
				t.Fatalf("%v", err)
			}
			if failed.Child != part || !errors.Is(failed, errInjected) || failed.Permanent || !failed.Since.Equal(began) || failed.Used < 60*time.Second ||
				failed.Used > 62*time.Second || failed.Failures < 30 || failed.Channel != "orders" || failed.Name != e.name {
				t.Errorf("%+v", *failed)
			}
			if ev := last[*messages.GraceRanOut](e); ev.Child != part || ev.Failures != failed.Failures {
				t.Errorf("%+v", ev)
			}
			if m := await(b, peers, time.Second); m.Err != error(failed) {
				t.Errorf("who waited for peers got %v", m.Err)
			}
			if e == reader {
				if m := await(b, demand, time.Second); m.Err != error(failed) {
					t.Errorf("the demand got %+v", m)
				}
			} else if m := await(b, written, time.Second); part == messages.DataProducer && (m.Err != error(failed) || len(m.Outcomes) != 2) {
				t.Errorf("the write got %+v", m)
			}
			afterFailure(b, e, failed)
		})
	}
}

// afterFailure: every later call gets the error, children are cut off, resources stay.
func afterFailure(b *bed, e *end, failed error) {
	b.Helper()
	if m := await(b, e.open(), time.Second); m.Err != failed {
		b.Errorf("open: %v", m.Err)
	}
	if e.name == "writer" {
		written, _ := e.write("late")
		if m := await(b, written, time.Second); m.Err != failed || m.Outcomes[0] != messages.NotSent {
			b.Errorf("write: %+v", m)
		}
	} else {
		if m := await(b, e.demand(1), time.Second); m.Err != failed {
			b.Errorf("demand: %v", m.Err)
		}
		if m := await(b, e.commit(&messages.Batch{}), time.Second); m.Err != failed {
			b.Errorf("commit: %v", m.Err)
		}
	}
	if s := e.snapshot(); s.State != messages.Failed || s.Err != failed {
		b.Errorf("%+v", s)
	}
	b.world.RunFor(3 * time.Second)
	for _, l := range b.port.leases {
		if !l.aborted && len(l.owner) > len("orders/"+e.name) && l.owner[:len("orders/"+e.name)] == "orders/"+e.name {
			b.Errorf("lease %s is open", l.owner)
		}
	}
	if n := len(b.world.Broker().Queues()); n != 4 {
		b.Errorf("resources %v", b.world.Broker().Queues())
	}
	if m := await(b, e.close(time.Second), 3*time.Second); m.Err != failed {
		b.Errorf("close: %v", m.Err)
	}
}

// The peers of a channel that failed are told Error, then Stopped and Closed; they show Error.
func TestPeersAreToldOfAFailure(t *testing.T) {
	for i := range uint64(10) {
		closing := i%2 == 1
		t.Run(fmt.Sprintf("seed %d, closed at once %v", i/2, closing), func(t *testing.T) {
			b := seeded(t, i/2)
			writer, reader := b.both()
			b.failing("writer/data-producer", fmt.Errorf("publish: %w", broker.ErrPermission))
			writer.write("x")
			var closed *answer[messages.Closed]
			statuses := func() int {
				s, _ := b.world.Broker().Queue("orders.writer.status")
				return s.Ready
			}
			before := 0
			writer.on = func(ev messages.Event) {
				if _, failed := ev.(*messages.ChannelFailed); failed && closing {
					closed = writer.close(10 * time.Second) // as a user does on the first error
				}
				if _, failed := ev.(*messages.ChannelFailed); failed {
					before = statuses()
				}
			}
			b.world.Broker().Block(true) // the last words take their time
			b.until("it failed", time.Minute, func() bool { return writer.has(messages.Failed) })
			b.world.RunFor(time.Second)
			b.world.Broker().Block(false)
			told := func() bool {
				for _, p := range reader.snapshot().Peers.All {
					if p.State == messages.StatusError {
						return true
					}
				}
				return false
			}
			deadline := b.world.Now() + 5*time.Second
			for !told() {
				if b.world.Now() > deadline {
					t.Fatal("the reader is not told")
				}
				b.world.RunFor(10 * time.Millisecond)
			}
			b.until("Error, Stopped and Closed are at the broker", 2*time.Second, func() bool { return statuses() >= before+3 })
			if closing {
				var failed *supervisor.ChannelError
				if m := await(b, closed, 3*time.Second); !errors.As(m.Err, &failed) {
					t.Error(m.Err)
				}
			}
		})
	}
}

// A channel that fails before it was open says nothing: nobody knows of it.
func TestChannelThatNeverWasOpenHasNoLastWords(t *testing.T) {
	b := newBed(t)
	writer := b.writer()
	statusReady := false
	writer.on = func(ev messages.Event) {
		if r, ok := ev.(*messages.ChildReady); ok && r.Child == messages.StatusProducer {
			statusReady = true
		}
	}
	b.inject = func(id string, msg any) {
		if _, stopping := msg.(*actor.Stopping); stopping || !at(id, "writer/data-producer") {
			return
		}
		if statusReady {
			panic(&actors.Failure{Err: broker.ErrPermission})
		}
		panic(&actors.Failure{Err: errInjected})
	}
	if m := await(b, writer.open(), 10*time.Second); !errors.Is(m.Err, broker.ErrPermission) {
		t.Errorf("%v", m.Err)
	}
	b.world.RunFor(5 * time.Second)
	if s, _ := b.world.Broker().Queue("orders.writer.status"); s.Ready != 0 || !statusReady {
		t.Errorf("%d statuses", s.Ready)
	}
}

// Connections are refused for less than the window: everything comes back by itself, and Write waits.
func TestOutageShorterThanTheWindowHeals(t *testing.T) {
	b, writer, reader := both(t)
	b.world.Broker().Cut()
	b.world.Broker().RefuseFor(55 * time.Second)
	written, _ := writer.write("during")
	b.world.RunFor(54 * time.Second)
	if written.got != nil {
		t.Fatalf("%+v", written.got)
	}
	if m := await(b, written, 10*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	flows(writer, reader, "after")
}

func TestWindowForeverNeverRunsOut(t *testing.T) {
	b, writer, reader := both(t, within(supervisor.Forever))
	b.world.Broker().Cut()
	b.world.Broker().RefuseFor(30 * time.Minute)
	b.world.RunFor(30 * time.Minute)
	flows(writer, reader, "half an hour later")
	if n := len(seen[*messages.ChildFailed](writer)); n > 3*1800*5/4 { // of three children, 1 s apart in the mean
		t.Errorf("%d failures: a hot loop", n)
	}
}

// Success must not depend on traffic: an idle channel that is interrupted now and then lives for ever.
func TestIdleChannelSurvivesTwoBlipsAnHourApart(t *testing.T) { idle(t, 2, time.Hour, noStatus) }
func TestIdleChannelSurvivesAThousandBlips(t *testing.T)      { idle(t, 1000, 20*time.Second, noStatus) }
func TestIdleChannelWithStatusSurvivesBlips(t *testing.T)     { idle(t, 100, 20*time.Second) }

func idle(t *testing.T, blips int, pause time.Duration, edit ...func(*supervisor.Config)) {
	b, writer, reader := both(t, edit...)
	for range blips {
		b.world.Broker().Cut()
		b.world.Broker().RefuseFor(3 * time.Second)
		b.world.RunFor(pause)
	}
	flows(writer, reader, "still there")
	if closed := len(seen[*messages.GraceClosed](writer)); closed < blips {
		t.Errorf("%d windows were closed, want %d", closed, blips)
	}
	for _, ev := range seen[*messages.ChildFailed](writer) {
		if ev.Used > 6*time.Second {
			t.Fatalf("%s of the window are used", ev.Used)
		}
	}
}

// Ready stops the clock, 10 s of it close the window, and not before.
func TestTenSecondsReadyCloseTheWindow(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.world.Broker().Cut()
	b.until("ready again", 10*time.Second, func() bool { return last[*messages.ChildReady](writer).Epoch == 2 })
	ready := last[*messages.ChildReady](writer).At
	b.world.RunFor(9 * time.Second)
	if s := writer.child(messages.DataProducer); s.GraceUsed == 0 || s.GraceUsed > 100*time.Millisecond {
		t.Errorf("after 9 s ready, %s are used", s.GraceUsed)
	}
	b.until("closed", 2*time.Second, func() bool { return len(seen[*messages.GraceClosed](writer)) == 1 })
	if took := last[*messages.GraceClosed](writer).At.Sub(ready); took.Round(10*time.Millisecond) != 10*time.Second {
		t.Errorf("closed after %s", took)
	}
}

func TestOneUnitOfWorkClosesTheWindow(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	b.world.Broker().Cut()
	flows(writer, reader, "work")
	for _, e := range []*end{writer, reader} {
		if ev := last[*messages.GraceClosed](e); ev.Failures != 1 || ev.Used > time.Second {
			t.Errorf("%s: %+v", e.name, ev)
		}
	}
}

// Being ready for a moment again and again is no health: what is used of the window adds up.
func TestFlappingUsesTheWindowUp(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	for range 3600 {
		if writer.has(messages.Failed) {
			return
		}
		b.world.Broker().CutOwner("orders/writer/data-producer")
		b.world.RunFor(2500 * time.Millisecond)
	}
	t.Error("an hour of flapping did not fail the channel")
}

// A child that fails behind each unit of its work closes its window each time. It is replaced for ever, and not a hundred times a second.
func TestWhoFailsBehindItsWorkIsReplacedSlowly(t *testing.T) {
	b, writer, reader := both(t, noStatus, func(c *supervisor.Config) { c.Compat = true }) // no limit of deliveries
	written, _ := writer.write("poison")
	await(b, written, time.Minute)
	b.inject = func(id string, msg any) {
		if _, ok := msg.(*messages.Acknowledge); ok && at(id, "reader/data-consumer") {
			panic(&actors.Failure{Err: errInjected})
		}
	}
	first := last[*messages.ChildReady](reader).At
	for last[*messages.ChildReady](reader).At.Sub(first) < 5*time.Minute {
		batch := await(b, reader.demand(1), time.Minute)
		if batch.Err != nil {
			t.Fatal(batch.Err)
		}
		reader.commit(batch)
	}
	if n := len(seen[*messages.ChildFailed](reader)); n < 1000 || n > 10_000 {
		t.Errorf("it failed %d times in five minutes", n)
	}
}

// The back-off is drawn from 0 to its bound, which doubles from 10 ms to 2 s: full jitter.
func TestBackOffHasFullJitter(t *testing.T) {
	b, writer, _ := both(t, noStatus)
	b.failing("writer/data-producer", errInjected)
	b.until("it failed", 2*time.Minute, func() bool { return writer.has(messages.Failed) })
	bound, low, high := 10*time.Millisecond, 0, 0
	all := seen[*messages.ChildFailed](writer)
	for i, ev := range all[:len(all)-1] {
		if ev.Retry >= bound {
			t.Errorf("failure %d: %s, the bound is %s", i+1, ev.Retry, bound)
		}
		if ev.Retry < bound/2 {
			low++
		} else {
			high++
		}
		if i > 0 && ev.At.Sub(all[i-1].At) < all[i-1].Retry {
			t.Errorf("failure %d comes %s after the one before, which was to wait %s", i+1, ev.At.Sub(all[i-1].At), all[i-1].Retry)
		}
		bound = min(2*bound, 2*time.Second)
	}
	if low < 10 || high < 10 {
		t.Errorf("%d in the lower half, %d in the upper", low, high)
	}
}

// A child that has waited for the broker in vain has waited enough: the next one starts at once, however many have failed. So it is there when the broker is.
func TestWaitingForTheBrokerCountsAsBackOff(t *testing.T) {
	b, writer, reader := both(t, noStatus)
	b.world.Broker().Cut()
	b.world.Broker().HangOpens(20)
	b.until("ten have waited", 2*time.Minute, func() bool { return len(seen[*messages.ChildFailed](writer)) > 10 })
	for i, ev := range seen[*messages.ChildFailed](writer) {
		if !ev.WasReady && ev.Retry > 0 {
			t.Errorf("failure %d: %s of back-off behind %s of waiting", i+1, ev.Retry, actors.OpenDeadline)
		}
	}
	b.world.Broker().HangOpens(0)
	flows(writer, reader, "after")
}
