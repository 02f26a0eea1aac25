package supervisor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/sim"
)

// failure is one way for a child to end.
type failure struct {
	name   string
	strike func(b *bed, child string)
	is     error
	stack  bool
	most   time.Duration // within which the next incarnation is ready
}

func strikes(kind sim.Kind) func(*bed, string) {
	return func(b *bed, child string) { b.world.Fault(child, 1, kind) }
}

// once fails the next message to the child.
func once(b *bed, child string) {
	b.inject = func(id string, _ any) {
		if at(id, child) {
			b.inject = nil
			panic(&actors.Failure{Err: errInjected})
		}
	}
}

var failures = []failure{
	{"panic before the handler", strikes(sim.PanicBefore), nil, true, 6 * time.Second},
	{"panic within the handler", strikes(sim.PanicWithin), nil, true, 6 * time.Second},
	{"goexit", strikes(sim.Goexit), actors.ErrGoexit, false, 6 * time.Second},
	{"hang", strikes(sim.Freeze), supervisor.ErrHung, false, 10 * time.Second},
	{"typed error", once, errInjected, false, 6 * time.Second},
	{"lost connection", func(b *bed, child string) { b.world.Broker().CutOwner("orders/" + child) }, broker.ErrUnavailable, false, time.Second},
}

// Every child, every way to fail: it is replaced by the next incarnation with a lease of its own, the channel goes on, and no other child fails.
func TestEachChildThatFailsIsReplaced(t *testing.T) {
	for _, child := range []string{"reader/data-consumer", "writer/data-producer", "writer/status-producer", "reader/status-producer",
		"writer/status-consumer", "reader/status-consumer", "writer/health-ticker", "reader/health-ticker", "writer/metrics-aggregator", "reader/metrics-aggregator"} {
		for _, f := range failures {
			if f.name == "lost connection" && (strings.HasSuffix(child, "ticker") || strings.HasSuffix(child, "aggregator")) {
				continue // it has nothing open
			}
			t.Run(child+"/"+f.name, func(t *testing.T) { replaced(t, child, f) })
		}
	}
}

func replaced(t *testing.T, child string, f failure) {
	b, writer, reader := both(t)
	owner, part, _ := strings.Cut(child, "/")
	e, other := writer, reader
	if owner == "reader" {
		e, other = reader, writer
	}
	flows(writer, reader, "before")
	struck := b.world.Now()
	f.strike(b, child)
	written, _ := writer.write("during")
	ready := func() bool {
		for _, r := range seen[*messages.ChildReady](e) {
			if r.Child == messages.Child(part) && r.Epoch == 2 {
				return true
			}
		}
		return false
	}
	b.until("the next incarnation is ready", f.most+2*time.Second, ready)
	if took := b.world.Now() - struck; took > f.most {
		t.Errorf("ready after %s, allowed are %s", took, f.most)
	}
	if m := await(b, written, time.Minute); m.Err != nil {
		t.Error(m.Err)
	}
	flows(writer, reader, "after")

	failed := seen[*messages.ChildFailed](e)
	if len(failed) != 1 || failed[0].From != (messages.From{Child: messages.Child(part), Epoch: 1}) {
		t.Fatalf("failed: %+v", failed)
	}
	if ev := failed[0]; f.is != nil && !errors.Is(ev.Err, f.is) || (ev.Stack != nil) != f.stack || !ev.WasReady || ev.Window != supervisor.DefaultGraceWindow ||
		ev.Retry >= 10*time.Millisecond {
		t.Errorf("%v, stack %d bytes, was ready %v, window %s, retry %s", ev.Err, len(ev.Stack), ev.WasReady, ev.Window, ev.Retry)
	}
	if others := seen[*messages.ChildFailed](other); len(others) != 0 {
		t.Errorf("the other end's %s failed, too: %v", others[0].Child, others[0].Err)
	}
	leases(b, child)
	b.until("the window is closed", time.Minute, func() bool { return len(seen[*messages.GraceClosed](e)) == 1 })
	if n := len(seen[*messages.GraceOpened](e)); n != 1 {
		t.Errorf("%d windows were opened", n)
	}
	if s := e.child(messages.Child(part)); s.Epoch != 2 || !s.Ready || s.Failures != 1 || s.GraceUsed != 0 || e.snapshot().State != messages.Running {
		t.Errorf("%+v", s)
	}
	b.world.RunFor(3 * time.Second) // by then what hangs is given up
	if hangs := len(seen[*messages.Abandoned](e)); (hangs == 1) != (f.is == supervisor.ErrHung) {
		t.Errorf("%d incarnations were abandoned", hangs)
	}
}

// leases checks that the dead incarnation's lease has ended and the living one has its own.
func leases(b *bed, child string) {
	b.Helper()
	for epoch, aborted := range map[int]bool{1: true, 2: false} {
		l := b.port.lease(fmt.Sprintf("orders/%s-%d", child, epoch))
		if l == nil || l.aborted != aborted {
			b.Errorf("lease of epoch %d: %+v", epoch, l)
		}
	}
}

// The topology actor, too, while it prepares.
func TestTopologyThatFailsIsReplaced(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			b := newBed(t)
			f.strike(b, "writer/topology")
			writer := b.writer()
			opened := writer.open()
			if f.name == "lost connection" {
				b.until("a request is under way", time.Second, func() bool { return b.port.lease("orders/writer/topology-1") != nil })
				b.world.Broker().RefuseFor(100 * time.Millisecond)
			}
			if m := await(b, opened, 20*time.Second); m.Err != nil {
				t.Fatal(m.Err)
			}
			failed := seen[*messages.ChildFailed](writer)
			if len(failed) == 0 || f.is != nil && !errors.Is(failed[0].Err, f.is) {
				t.Errorf("failed %v", failed)
			}
		})
	}
}

// Every child of both ends fails in the same moment, again and again: all come back.
func TestAllChildrenFailAtOnce(t *testing.T) {
	b, writer, reader := both(t)
	for i := range 5 {
		for _, child := range []string{"data-consumer", "data-producer", "status-producer", "status-consumer", "health-ticker", "metrics-aggregator"} {
			b.world.Fault("writer/"+child, 1, sim.Kind(i))
			b.world.Fault("reader/"+child, 1, sim.Kind(i))
		}
		b.world.Broker().Cut()
		flows(writer, reader, fmt.Sprint("round ", i))
		b.world.RunFor(15 * time.Second)
	}
	for _, e := range []*end{writer, reader} {
		for _, c := range e.snapshot().Children[1:] {
			if !c.Ready || c.GraceUsed != 0 {
				t.Errorf("%s of the %s: %+v", c.Child, e.name, c)
			}
		}
	}
}
