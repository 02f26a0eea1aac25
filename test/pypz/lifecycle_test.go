package pypz_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// A weir sniffer is to pypz what pypz's own is to weir: it is not seen, takes nothing, and sees.
func TestWeirSniffsAPypzChannel(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r, w := s.openReader("r"), s.openWriter("w")
		readers, writers := s.weirWriter("sniffer", weir.Silent()), s.weirReader("sniffer", weir.Silent())
		s.weirSeesState(readers, "r", messages.StatusStarted)
		s.weirSeesState(writers, "w", messages.StatusStarted)
		if _, err := writers.Read(s.ctx); !errors.Is(err, weir.ErrSilent) {
			s.Error(err)
		}
		s.must(w.Write("a"))
		s.must(readers.Write(s.ctx, "b")) // a silent writer can write
		if got := s.readPypz(r, 2); len(got) != 2 {
			s.Errorf("%v", got)
		}
		s.weirSees(readers, "r", "2 records", func(p messages.Peer) bool { return p.Records == 2 })
		s.weirSees(writers, "w", "1 record", func(p messages.Peer) bool { return p.Records == 1 })
		s.must(readers.Close(s.ctx))
		s.must(writers.Close(s.ctx))
		s.must(w.Close())
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
		if r.Count(nil) != 1 || w.Count(nil) != 1 {
			s.Errorf("pypz sees %v and %v", r.Names(nil), w.Names(nil))
		}
	})
}

// A weir writer that stands by, runs, stops, runs again, says it is open again, and ends.
func TestWeirWriterStandsBy(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		w := s.weirWriter("w", weir.StandBy())
		s.must(r.WaitSaid(s.ctx, "w", pypz.HealthCheck, 3))
		if state := r.Peer("w").State; state != pypz.Opened {
			s.Errorf("it is %q", state)
		}
		if err := w.Write(s.ctx, "early"); !errors.Is(err, weir.ErrNotStarted) {
			s.Error(err)
		}
		s.must(w.Start(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Started))
		s.must(w.Write(s.ctx, "a"))
		s.readPypz(r, 1)
		s.must(w.Stop(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Stopped))
		if r.AnyHealthyAtWork() || !r.AnyHealthyNotClosed() {
			s.Error("it has stopped, and is open")
		}
		s.must(w.Start(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Started))
		s.must(w.Announce(s.ctx))
		s.must(r.WaitSaid(s.ctx, "w", pypz.Opened, 2))
		s.must(r.WaitState(s.ctx, "w", pypz.Started))
		s.must(w.Close(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
		want := []string{"Opened", "Started", "Stopped", "Started", "Opened", "Started", "Stopped", "Closed"}
		if got := states(&r.Channel, "w"); !slices.Equal(got, want) {
			s.Errorf("it said %v, want %v", got, want)
		}
		told(s, &r.Channel, "w", nil, 0)
	})
}

// One that was never started says no Stopped.
func TestWeirReaderThatNeverStarts(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat(), weir.StandBy())
		w := s.openWriter("w")
		s.must(w.WaitState(s.ctx, "r", pypz.Opened))
		s.must(r.Close(s.ctx))
		s.must(w.WaitState(s.ctx, "r", pypz.Closed))
		if got := states(&w.Channel, "r"); !slices.Equal(got, []string{"Opened", "Closed"}) {
			s.Errorf("it said %v", got)
		}
	})
}

// states gives the states that a peer has said, in their order.
func states(c *pypz.Channel, name string) (said []string) {
	c.See(func(v *pypz.View) {
		for _, h := range v.Of(name) {
			if h.Kind != pypz.HealthCheck {
				said = append(said, h.Kind)
			}
		}
	})
	return said
}

// Stop says Stopped when all is confirmed, and not before.
func TestWeirWriterStopsWhenAllIsThere(t *testing.T) {
	const records = 3000
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r", silent)
		w := s.weirWriter("w")
		for range records / 100 {
			_, err := w.Send(s.ctx, slices.Repeat([]string{"x"}, 100)...)
			s.must(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- w.Stop(s.ctx) }()
		s.must(r.WaitSaid(s.ctx, "w", pypz.Stopped, 1))
		if n := s.ready(s.channel); n != records {
			s.Errorf("%d records were there when the writer had said Stopped, %d were sent", n, records)
		}
		s.must(<-stopped)
	})
}

// A weir channel that fails says Error, Stopped and Closed, and pypz shows it in Error.
func TestPypzSeesAWeirReaderFail(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.openWriter("w")
		r := s.weirReader("r", weir.Compat(), weir.JoinOnly(), weir.GraceWindow(5*quick))
		s.must(w.WaitState(s.ctx, "r", pypz.Started))
		s.must(s.raw(func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(s.channel, false, false, false)
			return err
		}))
		s.must(w.WaitSaid(s.ctx, "r", pypz.Closed, 1))
		if got := states(&w.Channel, "r"); !slices.Equal(got, []string{"Opened", "Started", "Error", "Stopped", "Closed"}) || w.Peer("r").State != pypz.Error {
			s.Errorf("it said %v, and is %s", got, w.Peer("r").State)
		}
		var failed *weir.ChannelError
		if err := r.Close(s.ctx); !errors.As(err, &failed) {
			s.Error(err)
		}
	})
}

// Entries of a user's reach the other side.
func TestHealthEntries(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		w := s.weirWriter("w", weir.OnHealthCheck(func() weir.Payload { return weir.Payload{{Key: "depth", Value: 7}} }))
		s.must(waitCount(s, &r.Channel, "w", "depth", 7))
		r.AddHealth("mine", strings.Repeat("ü", 100))
		p := s.weirSees(w, "r", "its entry", func(p messages.Peer) bool { _, ok := p.Payload.Get("mine"); return ok })
		if v, _ := p.Payload.Get("mine"); v != strings.Repeat("ü", 100) {
			s.Errorf("%v", v)
		}
	})
}

// A late schema's endpoint says that it waits, which the original knows, and which is no state.
func TestWaitingForSchema(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		format, late := weir.AvroLater[order]()
		openWeirWriter(s, s.rt, "w", format)
		s.must(r.WaitSaid(s.ctx, "w", pypz.WaitingForSchema, 2))
		if m := r.Peer("w"); m.State != pypz.Started && m.State != pypz.Opened {
			s.Errorf("it is %q", m.State)
		}
		s.must(late.Set(orderSchema))
		s.must(r.Wait(s.ctx, "health checks and no more waiting", func(v *pypz.View) bool {
			heard := v.Of("w")
			said := len(heard)
			return said > 3 && !slices.ContainsFunc(heard[said-3:], func(h pypz.Heard) bool { return h.Kind == pypz.WaitingForSchema })
		}))
	})
}
