package supervisor_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/sim"
)

// A child that hangs is cut off 4 to 8 s later, whenever that is, and whether it had much to say or nothing; 2 s after that it is given up and counted.
func TestHungChildIsCutOffWithinEightSecondsAndReapedTwoSecondsLater(t *testing.T) {
	for _, part := range []string{"data-producer", "status-producer", "health-ticker"} {
		soonest, latest := time.Hour, time.Duration(0)
		for phase := range 20 {
			b, writer, reader := both(t)
			b.world.RunFor(10*time.Second + time.Duration(phase)*200*time.Millisecond)
			var hangs time.Duration
			b.inject = func(id string, _ any) {
				if hangs == 0 && at(id, "writer/"+part) {
					hangs = b.world.Now()
				}
			}
			b.world.Fault("writer/"+part, 1, sim.Freeze)
			if part == "data-producer" {
				writer.write("it hangs over this")
			}
			b.until("it hangs", 3*time.Second, func() bool { return hangs > 0 })
			b.until("it failed", 10*time.Second, func() bool { return len(seen[*messages.ChildFailed](writer)) > 0 })
			after := b.world.Now() - hangs
			soonest, latest = min(soonest, after), max(latest, after)
			failed := last[*messages.ChildFailed](writer)
			if after < 3900*time.Millisecond || after > 8100*time.Millisecond || !errors.Is(failed.Err, supervisor.ErrHung) || string(failed.Child) != part {
				t.Errorf("%s, phase %d: cut off after %s: %v", failed.Child, phase, after, failed.Err)
			}
			if !b.port.lease("orders/writer/" + part + "-1").aborted {
				t.Error("its lease is still open")
			}
			flows(writer, reader, "meanwhile")
			b.until("it is given up", 5*time.Second, func() bool { return len(seen[*messages.Abandoned](writer)) > 0 })
			if ev := last[*messages.Abandoned](writer); ev.At.Sub(failed.At).Round(100*time.Millisecond) != 2*time.Second || ev.Count != 1 || ev.Actor != "writer/"+part+"-1" {
				t.Errorf("%+v, %s after it was cut off", ev, ev.At.Sub(failed.At))
			}
			if phase == 0 && part == "data-producer" {
				b.world.Fault("writer/status-producer", 1, sim.Freeze)
				b.until("the next is counted, too", 20*time.Second, func() bool { return last[*messages.Abandoned](writer).Count == 2 })
			}
		}
		t.Logf("%s: cut off after %s to %s", part, soonest, latest)
	}
}

// Only who is silent is asked whether it answers: a thousand channels that are idle would else spend half of their time on it.
func TestOnlySilentChildrenAreAsked(t *testing.T) {
	b, _, _ := both(t)
	b.world.RunFor(10 * time.Second)
	asked := map[string]int{}
	b.inject = func(id string, msg any) {
		if _, ok := msg.(*messages.Ping); ok {
			asked[strings.TrimRight(id, "0123456789")]++
		}
	}
	b.world.RunFor(time.Minute)
	for _, end := range []string{"writer/data-producer-", "reader/data-consumer-"} {
		if n := asked[end]; n < 14 || n > 16 {
			t.Errorf("%s, which has nothing to say, was asked %d times in a minute", end, n)
		}
		delete(asked, end)
	}
	if len(asked) > 0 {
		t.Errorf("who speaks every 2 s was asked, too: %v", asked)
	}
}

// A child that answers late but before the next question lives on; one that is merely slow is not hung.
func TestChildThatAnswersIsLeftAlone(t *testing.T) {
	b, writer, _ := both(t)
	b.world.RunFor(10 * time.Minute)
	if n := len(seen[*messages.ChildFailed](writer)); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// A hung incarnation that goes on after all finds nobody who listens: what it says is stale.
func TestWhatAStaleIncarnationSaysIsDropped(t *testing.T) {
	b, writer, reader := both(t)
	flows(writer, reader, "before")
	b.world.RunFor(time.Second) // its acknowledgement has arrived
	once(b, "reader/data-consumer")
	b.until("epoch 2 is up", 10*time.Second, func() bool {
		return reader.child(messages.DataConsumer).Epoch == 2 && reader.child(messages.DataConsumer).Ready
	})
	failures := len(seen[*messages.ChildFailed](reader))
	stale := messages.From{Child: messages.DataConsumer, Epoch: 1}
	demand := reader.demand(10)
	reader.send(&messages.Delivered{From: stale, First: 7, Records: nil})
	reader.send(&messages.Ready{From: stale})
	reader.send(&messages.Finished{From: stale})
	reader.send(&messages.NotYet{From: stale, Reason: errInjected})
	reader.send(&messages.Pong{From: stale, N: 99})
	b.world.RunFor(20 * time.Second)
	if demand.got != nil || len(seen[*messages.ChildFailed](reader)) != failures {
		t.Errorf("a stale message had an effect: %+v", demand.got)
	}
}

// What fails in a stop hook is told, and the parent goes on: it stops, too, when it is to.
func TestStopHookThatFailsDoesNotWedgeTheParent(t *testing.T) {
	for _, test := range []struct {
		name string
		hook any
		fail func()
		want error
	}{
		{"panic in Stopping", &actor.Stopping{}, func() { panic(errInjected) }, errInjected},
		{"goexit in Stopping", &actor.Stopping{}, runtime.Goexit, actors.ErrGoexit},
		{"panic in Stopped", &actor.Stopped{}, func() { panic(errInjected) }, errInjected},
		{"goexit in Stopped", &actor.Stopped{}, runtime.Goexit, actors.ErrGoexit},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, writer, reader := both(t)
			b.inject = func(id string, msg any) {
				if at(id, "writer/data-producer") && reflect.TypeOf(msg) == reflect.TypeOf(test.hook) {
					b.inject = nil
					test.fail()
				}
			}
			b.world.Broker().CutOwner("orders/writer/data-producer")
			flows(writer, reader, "after")
			b.world.RunFor(5 * time.Second)
			if ev := last[*messages.StopHookFailed](writer); !errors.Is(ev.Err, test.want) || ev.Actor != "writer/data-producer-1" {
				t.Errorf("%+v", ev)
			}
			if n := len(seen[*messages.Abandoned](writer)); n != 0 {
				t.Errorf("%d were abandoned: no goroutine is lost", n)
			}
			if m := await(b, writer.close(time.Second), 5*time.Second); m.Err != nil {
				t.Error(m.Err)
			}
			b.until("the supervisor stops", 5*time.Second, func() bool { return writer.stopped })
		})
	}
}

// A supervisor that is stopped while a child hangs stops all the same: the child is given up.
func TestSupervisorStopsOverAHungChild(t *testing.T) {
	b, writer, _ := both(t)
	for _, child := range []string{"data-producer", "status-consumer"} {
		b.world.Fault("writer/"+child, 1, sim.Freeze)
	}
	b.world.RunFor(5 * time.Second) // both hang now
	b.world.System().Root.Stop(writer.pid)
	b.until("it stops", 3*time.Second, func() bool { return writer.stopped })
}

// A supervisor whose goroutine exits while it stops stops all the same: protoactor would lose what is behind the handler, which ends the children and the actor.
func TestSupervisorStopsOverAGoexit(t *testing.T) {
	for name, when := range map[string]func(msg any) bool{
		"in Stopping":                         func(msg any) bool { _, is := msg.(*actor.Stopping); return is },
		"in the Terminated of its last child": func(msg any) bool { m, is := msg.(*actor.Terminated); return is && m.Who.Id != "writer" },
	} {
		t.Run(name, func(t *testing.T) {
			b, writer, _ := both(t)
			exits := 0
			b.inject = func(id string, msg any) {
				if id == "writer" && when(msg) {
					exits++
					runtime.Goexit()
				}
			}
			b.world.System().Root.Stop(writer.pid)
			b.until("it stops", 5*time.Second, func() bool { return writer.stopped })
			if exits == 0 {
				t.Error("no goroutine exited")
			}
		})
	}
}

func TestUnknownMessagesAreReported(t *testing.T) {
	type unknown struct{ n int }
	b, writer, reader := both(t)
	b.unlisted = true
	for _, e := range []*end{writer, reader} {
		e.send(&unknown{1})
		sent := 1
		for _, c := range e.snapshot().Children[1:] {
			pid := actor.NewPID(e.pid.Address, fmt.Sprintf("%s/%s-%d", e.name, c.Child, c.Epoch))
			b.world.System().Root.Send(pid, &unknown{2})
			sent++
		}
		b.until("all are reported", time.Second, func() bool { return len(seen[*messages.UnhandledMessage](e)) == sent })
		for _, u := range seen[*messages.UnhandledMessage](e) {
			if m, ok := u.Message.(*unknown); !ok || (m.n == 1) != (u.Child == "") {
				t.Errorf("%+v", u)
			}
		}
		if n := len(seen[*messages.ChildFailed](e)); n != 0 {
			t.Errorf("%d children failed by it", n)
		}
	}
}
