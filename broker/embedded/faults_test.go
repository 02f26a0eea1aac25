package embedded

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

func isKind(err, kind error) bool { return errors.Is(err, kind) }

const (
	lost     = "ended broker unavailable"
	onItsWay = 500 * time.Microsecond // half a latency
)

// pair is a world with a queue q, a publisher and a consumer, both opened.
func pair(t *testing.T) (w *world, p, c *client) {
	w = newWorld(t, 1)
	w.queue("q", broker.QueueOptions{})
	p, c = w.publisher("p", "q"), w.consumer("c", "q", 10)
	w.settle()
	p.told("opened")
	c.told("opened")
	return w, p, c
}

func TestCutLosesWhatIsOnItsWayToTheBroker(t *testing.T) {
	w, p, c := pair(t)
	p.send("a")
	w.run(onItsWay)
	w.Cut()
	w.settle()
	p.told(lost)
	c.told(lost)
	w.holds("q", 0, 0)
	if n := w.Counts(); n.Publishers+n.Consumers > 0 {
		t.Errorf("%+v are open", n)
	}
}

func TestCutDeliversWhatIsOnItsWayToTheClient(t *testing.T) {
	w, p, c := pair(t)
	p.send("a")
	w.run(time.Millisecond + onItsWay)
	w.Cut()
	w.settle()
	p.told("confirmed 1-1", lost)
	c.told("delivered 1: a", lost)
	w.holds("q", 1, 0)
	c.c.Ack(1, false)
	p.send("b")
	w.settle()
	w.holds("q", 1, 0)
	again := w.consumer("again", "q", 1)
	w.settle()
	again.told("opened", "delivered 1: a!")
}

func TestCutPicksOne(t *testing.T) {
	w, p, c := pair(t)
	other := w.publisher("other", "q")
	w.settle()
	other.told("opened")
	if p, c := w.Publishers(), w.Consumers(); !slices.Equal(p, []string{"p", "other"}) || !slices.Equal(c, []string{"c"}) {
		t.Errorf("publishers %q, consumers %q", p, c)
	}
	if !w.CutPublisher(3) || !w.CutConsumer(-1) || w.CutConsumer(0) {
		t.Error("the wrong sessions are there")
	}
	w.CutOwner("oth")
	w.settle()
	other.told(lost)
	c.told(lost)
	p.send("a")
	w.settle()
	p.told("confirmed 1-1")
	if p, c := w.Publishers(), w.Consumers(); !slices.Equal(p, []string{"p"}) || len(c) > 0 {
		t.Errorf("publishers %q, consumers %q", p, c)
	}
	w.CutOwner("p")
	w.settle()
	p.told(lost)
	if w.CutPublisher(0) || w.FreezePublisher(0) || w.FreezeConsumer(0) {
		t.Error("there are sessions left")
	}
}

func TestKillOwnerTellsNothing(t *testing.T) {
	w, p, c := pair(t)
	p.send("a")
	w.run(time.Millisecond + onItsWay)
	p.send("b")
	w.run(0)
	w.KillOwner("")
	w.settle()
	p.told()
	c.told()
	w.holds("q", 2, 0) // what had been sent still came
	if n := w.Counts(); n.Publishers+n.Consumers+n.Leases > 0 {
		t.Errorf("%+v are left", n)
	}
}

func TestRefuse(t *testing.T) {
	w, p, c := pair(t)
	w.RefuseFor(5 * time.Second)
	late := w.publisher("late", "q")
	if r := w.do(broker.Probe{}); !isKind(r.Err, broker.ErrUnavailable) {
		t.Errorf("a request: %v", r.Err)
	}
	late.told(lost)
	p.send("a")
	w.run(5 * time.Second)
	p.told("confirmed 1-1")
	c.told("delivered 1: a")
	late = w.publisher("late", "q")
	w.settle()
	late.told("opened")
}

func TestHangOpens(t *testing.T) {
	w, _, _ := pair(t)
	w.HangOpens(3)
	a, b, c := w.publisher("a", "q"), w.consumer("b", "q", 1), w.consumer("c", "q", 1)
	a.p.Close()
	w.run(time.Minute)
	b.c.Abort()
	w.CutOwner("a")
	w.settle()
	a.told(lost)
	b.told()
	c.told()
	d := w.consumer("d", "q", 1)
	w.settle()
	d.told("opened")
	w.CutOwner("c")
	w.settle()
	c.told(lost)
	if w.links.len() != 3 { // p, d, and the requests
		t.Errorf("%d links", w.links.len())
	}
}

func TestBlock(t *testing.T) {
	w, p, c := pair(t)
	w.Block(true)
	w.Block(true)
	p.send("a")
	p.send("b")
	late := w.publisher("late", "q")
	w.settle()
	p.told("blocked true")
	late.told("opened", "blocked true")
	late.send("x")
	w.settle()
	late.p.Abort() // what it held is dropped
	c.told()
	p.p.Close()
	w.settle()
	w.Block(false)
	w.settle()
	p.told("blocked false", "confirmed 1-2", "ended <nil>")
	c.told("delivered 1: a b")
	late.told()
	w.holds("q", 0, 2)
}

func TestDelay(t *testing.T) {
	w, p, _ := pair(t)
	w.Delay(time.Minute)
	p.send("a")
	w.run(2 * time.Minute)
	p.told()
	w.run(time.Second)
	p.told("confirmed 1-1")
}

func TestLoseConfirms(t *testing.T) {
	w, p, c := pair(t)
	w.LoseConfirms(1)
	p.send("a")
	w.settle()
	p.send("b")
	w.settle()
	p.told("confirmed 2-2")
	c.told("delivered 1: a", "delivered 2: b")
}

// A duplicate gives no window back: else this would end with ErrWindow, or never.
func TestDuplicateConfirms(t *testing.T) {
	w, _, _ := pair(t)
	p := w.publisherOf("small", broker.PublisherConfig{RoutingKey: "q", Window: 1})
	w.settle()
	w.DuplicateConfirms(1)
	p.send("a")
	w.settle()
	p.told("opened", "confirmed 1-1", "confirmed 1-1")
	p.send("b")
	w.settle()
	p.told("confirmed 2-2")
	p.send("c", "d")
	w.settle()
	p.told("ended misuse of the port: more unconfirmed records than the window")
}

func TestReorderConfirms(t *testing.T) {
	w, p, _ := pair(t)
	w.ReorderConfirms(2)
	p.send("a", "b", "c")
	w.settle()
	p.told("confirmed 2-3", "confirmed 1-1")
	p.send("d")
	w.run(onItsWay)
	p.send("e")
	w.settle()
	p.told("confirmed 5-5", "confirmed 4-4")
}

func TestDuplicateDeliveries(t *testing.T) {
	w, p, c := pair(t)
	w.DuplicateDeliveries(1)
	p.send("a", "b")
	w.settle()
	c.told("delivered 1: a a b")
	p.told("confirmed 1-2")
}

func TestThawGoesOn(t *testing.T) {
	w, p, c := pair(t)
	p.send("a")
	w.run(time.Millisecond + onItsWay)
	w.Freeze()
	p.send("b")
	late := w.publisher("late", "q")
	w.settle()
	for _, x := range []*client{p, c, late} {
		x.told()
	}
	w.Thaw()
	w.settle()
	p.told("confirmed 1-1", "confirmed 2-2")
	c.told("delivered 1: a", "delivered 2: b")
	late.told("opened")
	w.run(time.Minute) // the heartbeats of the freeze are of no account
	p.told()
}

func TestFreezeEndsWithTheHeartbeat(t *testing.T) {
	w, p, c := pair(t)
	w.SetHeartbeat(5 * time.Second)
	p.send("a")
	w.run(time.Millisecond + onItsWay)
	w.Freeze()
	answers := []error{}
	l := w.Lease("requests")
	for range 2 {
		l.Do(broker.Probe{}, func(r broker.Result) { answers = append(answers, r.Err) })
	}
	p.send("b")
	w.run(4 * time.Second)
	p.told()
	w.run(2 * time.Second)
	p.told(lost)
	c.told(lost)
	if len(answers) != 2 || !isKind(answers[0], broker.ErrUnavailable) || !isKind(answers[1], broker.ErrUnavailable) {
		t.Errorf("answers %v", answers)
	}
	w.Thaw()
	w.settle()
	w.holds("q", 1, 0)
	l.Do(broker.Probe{}, func(r broker.Result) { answers = append(answers, r.Err) })
	w.settle()
	if len(answers) != 3 || answers[2] != nil {
		t.Errorf("answers %v", answers)
	}
}

// The broker goes on filling the black hole up to the prefetch, until it misses heartbeats.
func TestBlackHole(t *testing.T) {
	w, p, c := pair(t)
	w.FreezeConsumer(0)
	p.send("a", "b")
	w.settle()
	w.holds("q", 0, 2)
	other := w.consumer("other", "q", 10)
	w.settle()
	other.told("opened")
	c.c.Abort() // which does not get through
	w.settle()
	w.holds("q", 0, 2)
	w.run(20 * time.Second)
	c.told()
	other.told("delivered 1: a! b!")

	w.FreezePublisher(0)
	p.send("c")
	w.run(20 * time.Second)
	p.told("confirmed 1-2", lost)
	other.told()
}
