package supervisor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Close ends within its time in whatever state the channel is, also when the broker says nothing any more, and says what it leaves.

const closeTime = 3 * time.Second

// closesInTime closes an end and gives the answer. It must come by the deadline, and the supervisor must stop when a part that hangs had its time.
func closesInTime(e *end, timeout time.Duration) error {
	e.Helper()
	began := e.world.Now()
	m := await(e.bed, e.close(timeout), timeout+time.Second)
	if took := e.world.Now() - began; took > timeout+100*time.Millisecond {
		e.Errorf("answered after %s of %s", took, timeout)
	}
	e.until("it stops", 3*time.Second, func() bool { return e.stopped })
	return m.Err
}

// leaves says what a close must have said that it left.
type leaves struct {
	unconfirmed, notSent, unacknowledged int
	unsaid                               []messages.Kind
	cause                                error
}

func (want *leaves) check(t *testing.T, err error) {
	t.Helper()
	var left *supervisor.CloseError
	switch {
	case want == nil && err != nil:
		t.Errorf("nothing was left, and it says: %v", err)
		return
	case want == nil:
		return
	case !errors.As(err, &left):
		t.Errorf("no CloseError: %v", err)
		return
	}
	states := slices.DeleteFunc(slices.Clone(left.Unsaid), func(k messages.Kind) bool { return !k.IsState() }) // how many health checks were under way is chance
	if left.Unconfirmed != want.unconfirmed || left.NotSent != want.notSent || left.Unacknowledged != want.unacknowledged || left.Uncertain != (want.unacknowledged > 0) || !slices.Equal(states, want.unsaid) || want.cause != nil && !errors.Is(err, want.cause) {
		t.Errorf("%+v, want %+v", left, want)
	}
}

var bye = []messages.Kind{messages.StatusStopped, messages.StatusClosed}

func TestWriterClosesInTimeInEveryState(t *testing.T) {
	for _, c := range []struct {
		name string
		live func(*bed) *end
		want *leaves
	}{
		{"preparing: resources are awaited", func(b *bed) *end {
			w := b.writer(joins)
			b.world.RunFor(time.Second)
			return w
		}, nil},
		{"preparing: the broker is frozen", func(b *bed) *end {
			b.world.Broker().Freeze()
			w := b.writer()
			b.world.RunFor(time.Second)
			return w
		}, nil},
		{"preparing: records wait", func(b *bed) *end {
			w := b.writer(joins)
			w.write("a", "b")
			b.world.RunFor(time.Second)
			return w
		}, &leaves{notSent: 2}},
		{"opening: sessions do not open", func(b *bed) *end {
			b.world.Broker().HangOpens(9)
			w := b.writer()
			w.write("a")
			b.world.RunFor(time.Second)
			return w
		}, &leaves{notSent: 1}},
		{"running: all is well", func(b *bed) *end {
			w, r := b.both()
			flows(w, r, "a")
			return w
		}, nil},
		{"running: frozen, nothing under way", func(b *bed) *end {
			w, _ := b.both()
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			return w
		}, &leaves{unsaid: bye}},
		{"running: frozen over more than the window", func(b *bed) *end {
			w, _ := b.both(func(c *supervisor.Config) { c.Window = 4 })
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			w.write("a", "b", "c", "d", "e", "f")
			b.world.RunFor(100 * time.Millisecond)
			return w
		}, &leaves{unconfirmed: 4, notSent: 2, unsaid: bye}},
		{"blocked by an alarm", func(b *bed) *end {
			w, _ := b.both()
			b.world.RunFor(time.Second)
			b.world.Broker().Block(true)
			w.write("a", "b")
			b.world.RunFor(time.Second)
			return w
		}, &leaves{unconfirmed: 2, unsaid: bye, cause: supervisor.ErrAlarm}},
		{"in back-off", func(b *bed) *end {
			w, _ := b.both()
			b.world.RunFor(time.Second)
			b.world.Broker().RefuseFor(time.Minute)
			b.world.Broker().Cut()
			b.world.RunFor(time.Second)
			w.write("a")
			return w
		}, &leaves{notSent: 1, unsaid: bye, cause: broker.ErrUnavailable}},
		{"standby: frozen", func(b *bed) *end {
			b.reader().opened()
			w := b.writer(func(c *supervisor.Config) { c.StandBy = true })
			w.opened()
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			return w
		}, &leaves{unsaid: bye[1:]}},
	} {
		for plane, edit := range map[string]func(*supervisor.Config){"queue": func(*supervisor.Config) {}, "stream": onStream()} {
			t.Run(c.name+"/"+plane, func(t *testing.T) {
				b := newBed(t)
				b.always = edit
				w := c.live(b)
				c.want.check(t, closesInTime(w, closeTime))
				b.world.Broker().Mend()
			})
		}
	}
}

func TestReaderClosesInTimeInEveryState(t *testing.T) {
	for _, c := range []struct {
		name string
		live func(*bed) *end
		want *leaves
	}{
		{"preparing: resources are awaited", func(b *bed) *end {
			r := b.reader(joins)
			b.world.RunFor(time.Second)
			return r
		}, nil},
		{"opening: sessions do not open", func(b *bed) *end {
			b.world.Broker().HangOpens(9)
			r := b.reader()
			r.demand(1)
			b.world.RunFor(time.Second)
			return r
		}, nil},
		{"running: nothing is committed", func(b *bed) *end {
			w, r := b.both()
			w.put(0, 5)
			r.gets(0, 5)
			return r
		}, nil},
		{"running: frozen over what is committed", func(b *bed) *end {
			w, r := b.both()
			w.put(0, 5)
			batches := r.gets(0, 2)
			r.gets(2, 3) // and nobody commits them
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			for _, batch := range batches {
				r.commit(batch)
			}
			b.world.RunFor(100 * time.Millisecond)
			return r
		}, &leaves{unacknowledged: 2, unsaid: bye}},
		{"running: frozen over nothing", func(b *bed) *end {
			_, r := b.both()
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			r.demand(1)
			return r
		}, &leaves{unsaid: bye}},
		{"blocked by an alarm: nothing can be said", func(b *bed) *end {
			_, r := b.both()
			b.world.RunFor(time.Second)
			b.world.Broker().Block(true)
			b.world.RunFor(100 * time.Millisecond)
			return r
		}, &leaves{unsaid: bye}},
		{"standby: frozen", func(b *bed) *end {
			r := b.reader(func(c *supervisor.Config) { c.StandBy = true })
			r.opened()
			b.world.RunFor(time.Second)
			b.world.Broker().Freeze()
			return r
		}, &leaves{unsaid: bye[1:]}},
	} {
		for plane, edit := range map[string]func(*supervisor.Config){"queue": func(*supervisor.Config) {}, "stream": onStream()} {
			t.Run(c.name+"/"+plane, func(t *testing.T) {
				b := newBed(t)
				b.always = edit
				c.want.check(t, closesInTime(c.live(b), closeTime))
				b.world.Broker().Mend()
			})
		}
	}
}

// Two closes over a frozen broker have the one answer, by the first one's deadline; what comes meanwhile is refused at once, and what waited is told what became of it.
func TestClosesTwiceAmongRequestsOverAFrozenBroker(t *testing.T) {
	for plane, edit := range map[string]func(*supervisor.Config){"queue": func(*supervisor.Config) {}, "stream": onStream()} {
		t.Run(plane, func(t *testing.T) {
			b, writer, reader := both(t, edit)
			b.world.RunFor(time.Second)
			waiting := reader.demand(5)
			b.world.Broker().Freeze()
			before, _ := writer.write("a", "b")
			first, second := writer.close(closeTime), writer.close(time.Hour)
			closed := reader.close(closeTime)
			after, _ := writer.write("c")
			demand := reader.demand(5)
			if m := await(b, after, time.Second); m.Err != supervisor.ErrClosed || m.Outcomes[0] != messages.NotSent {
				t.Errorf("a write behind the close: %+v", m)
			}
			for _, d := range []*answer[messages.Batch]{waiting, demand} {
				if m := await(b, d, time.Second); m.Err != supervisor.ErrClosed {
					t.Errorf("a demand: %+v", m)
				}
			}
			if one, two := await(b, first, closeTime+100*time.Millisecond), await(b, second, 0); one.Err == nil || one.Err != two.Err {
				t.Errorf("%v, and %v", one.Err, two.Err)
			}
			if m := await(b, before, time.Second); m.Err != supervisor.ErrClosed || m.Outcomes[1] != messages.Unknown {
				t.Errorf("a write before the close: %+v", m)
			}
			await(b, closed, 200*time.Millisecond)
		})
	}
}

// A channel that has failed answers a close at once with its error, however often.
func TestFailedChannelClosesAtOnce(t *testing.T) {
	b, writer, _ := both(t, within(5*time.Second))
	b.world.Broker().RefuseFor(time.Hour)
	b.world.Broker().Cut()
	b.until("it fails", time.Minute, func() bool { return writer.has(messages.Failed) })
	b.world.RunFor(5 * time.Second)
	err := closesInTime(writer, closeTime)
	var failed *supervisor.ChannelError
	if !errors.As(err, &failed) || failed.Used < 5*time.Second || !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	b.world.Broker().Mend()
}

// A deletion that has begun, and hangs, is not said to wait for peers any more.
func TestCloseSaysHowFarADeletionCame(t *testing.T) {
	b, writer, reader := both(t)
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Fatal(m.Err)
	}
	closed := reader.close(30*time.Second, func(m *messages.Close) { m.Delete = true })
	b.until("it waits for peers", time.Second, func() bool { return len(seen[*messages.WaitsFor](reader)) > 0 })
	b.until("it deletes", 20*time.Second, func() bool {
		for _, started := range seen[*messages.ChildStarted](reader) {
			if started.Child == messages.Topology && started.Epoch == 2 {
				b.world.Broker().Freeze()
				return true
			}
		}
		return false
	})
	m := await(b, closed, 30*time.Second)
	var left *supervisor.CloseError
	if !errors.As(m.Err, &left) || fmt.Sprint(left.NotDeleted) != "begun, and not done within the time that Close had" {
		t.Errorf("%v", m.Err)
	}
}
