package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestRunOnAStreamGivesEachReaderEverything(t *testing.T) {
	r := runReport(t, exitFine, "--plane", "stream", "--records", "6000", "--rate", "0", "--readers", "3", "--writers", "2")
	mustBeWhole(t, r)
	if r.Plane != planeStream || len(r.Records.Readers) != 3 || r.Records.Delivered != 18000 || r.Records.Duplicated+r.Records.Reordered != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRunOnAStreamHealsInOrder(t *testing.T) {
	for _, c := range []struct {
		child messages.Child
		most  int // duplicates of a restart
	}{{messages.DataConsumer, 2 * supervisor.DefaultStreamPoll}, {messages.DataProducer, 0}, {messages.StatusConsumer, 0}} {
		for _, kind := range []crashKind{crashPanic, crashError, crashGoexit} {
			t.Run(fmt.Sprintf("%s/%s", c.child, kind), func(t *testing.T) {
				t.Parallel()
				r := runReport(t, exitFine, "--plane", "stream", "--records", "3000", "--rate", "30000", "--readers", "2", "--health-interval", "20ms",
					"--crash", fmt.Sprintf("%s=%s@5ms", c.child, kind), "--crashes", "3")
				mustBeWhole(t, r)
				mustHaveCrashed(t, r, c.child, kind, 3)
				if r.Records.Reordered != 0 || r.DuplicatesAtMost != 3*c.most {
					t.Errorf("reordered %d, duplicates %d of %d", r.Records.Reordered, r.Records.Duplicated, r.DuplicatesAtMost)
				}
			})
		}
	}
}

func TestReportOfAStreamForPeople(t *testing.T) {
	out, _ := command(t, exitFine, "", strings.Fields("run --plane stream --plain --records 500 --rate 0 --channel events")...)
	if !strings.Contains(out, ", stream events on the embedded broker: ") {
		t.Error(out)
	}
}

func TestRunOnAStreamThroughRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		args := streamArgs(node, "--records", "6000", "--rate", "6000", "--readers", "2", "--health-interval", "50ms", "--crashes", "3")
		for _, child := range crashable() {
			args = append(args, "--crash", string(child)+"=panic@50ms")
		}
		r := runReport(t, exitFine, args...)
		mustBeWhole(t, r)
		for _, a := range r.Actors {
			if a.Injected != 3 {
				t.Errorf("%+v: want 3 strikes", a)
			}
		}
		if r.Records.Reordered != 0 || r.Records.Delivered != 2*r.Records.Sent {
			t.Errorf("%+v", r.Records)
		}
		if all := resources(t, node); strings.Contains(all, r.Channel) {
			t.Errorf("left: %s", all)
		}

		r = runReport(t, exitFine, streamArgs(node, "--records", "3000", "--rate", "6000", "--crash", "data-producer=error@20ms")...)
		if mustBeWhole(t, r); r.Records.Duplicated+r.Records.Reordered != 0 || len(r.Actors) != 1 {
			t.Errorf("a crash of a writer brought duplicates: %+v", r)
		}
	})
}

func TestRunOnAStreamThatWasKept(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	channel := newName("demo-kept", rand.Text())
	for i := range 2 {
		r := runReport(t, exitFine, streamArgs(node, "--records", "2000", "--rate", "0", "--channel", channel, "--keep", "--fan-out", "--ordered", "--readers", fmt.Sprint(i+1))...)
		if mustBeWhole(t, r); r.Records.Delivered != 2000*(i+1) {
			t.Errorf("%+v", r.Records)
		}
	}
}

// progressWatch calls look at each line of progress, and closes seen when it says yes.
type progressWatch struct {
	output
	look func() bool
	seen chan struct{}
}

func (w *progressWatch) Write(p []byte) (int, error) {
	if w.look != nil && w.look() {
		w.look = nil
		close(w.seen)
	}
	return w.output.Write(p)
}

func TestRunOnAStreamOutlivesItsBroker(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			node := rabbittest.Fresh(t, rabbit.Options{Version: version, Stream: true})
			cmd := &parseInto(t, streamArgs(node, "run", "--plain", "--json", "--readers", "2", "--records", "1000000", "--rate", "3000")...).Run
			stop := stopperOf(t)
			p, err := cmd.prepare(stop)
			if err != nil {
				t.Fatal(err)
			}
			flowing := make(chan struct{})
			said := &progressWatch{look: func() bool { return p.ledger.deliveries() > 1000 }, seen: flowing}
			rt, err := cmd.open(stop.soft, &console{err: said}, cmd.Timeout)
			if err != nil {
				t.Fatal(err)
			}
			events := rt.Subscribe()
			var r *report
			ended := make(chan error, 1)
			go func() {
				r, err = cmd.conduct(&console{err: said}, p, rt, stop)
				ended <- err
			}()
			await(t, flowing, ended)
			if err := node.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			node.Kill()
			if err := node.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			backAgain(t, events, "writer-1 data-producer", "reader-1 data-consumer", "reader-2 data-consumer")
			stop.press()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			mustBeWhole(t, r)
			if r.Records.Reordered != 0 {
				t.Errorf("%+v", r.Records)
			}
		})
	}
}

func await(t *testing.T, seen <-chan struct{}, ended <-chan error) {
	t.Helper()
	select {
	case <-seen:
	case err := <-ended:
		t.Fatalf("it has ended: %v", err)
	}
}

func backAgain(t *testing.T, events *weir.Subscription, parts ...string) {
	t.Helper()
	failed := map[string]bool{}
	for e := range events.All(sniffContext(t)) {
		switch e := e.(type) {
		case *messages.ChildFailed:
			failed[e.Name+" "+string(e.Child)] = true
		case *messages.ChildReady:
			part := e.Name + " " + string(e.Child)
			if failed[part] {
				parts = slices.DeleteFunc(parts, func(p string) bool { return p == part })
			}
		}
		if len(parts) == 0 {
			return
		}
	}
	t.Fatalf("not back: %v", parts)
}
