package pypz_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// nothingLeft wants all that a channel has to be gone.
func (s *scene) nothingLeft() {
	s.Helper()
	for _, queue := range []string{"", "-1", ".reader.status", ".writer.status"} {
		if s.isThere(s.channel + queue) {
			s.Errorf("%s is still there", s.channel+queue)
		}
	}
}

// A pypz peer that loses its stream is deaf from then on: so weir deletes none while one is open.
func TestWeirDeletesWhenPypzHasClosed(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		w := s.openWriter("w")
		s.must(w.Write("a"))
		readWeir(s, r, 1)
		s.must(r.WaitForWriters(s.ctx, 1))
		events := r.Subscribe()
		defer events.Close()
		deleted := make(chan error, 1)
		go func() { deleted <- r.CloseAndDelete(s.ctx, false) }()
		waits := next(s, events, "what the deletion waits for", func(e *messages.WaitsFor) bool { return strings.Contains(e.Reason.Error(), "w") })
		if !strings.Contains(waits.Reason.Error(), s.channel+"@w") {
			s.Errorf("%v: it does not name the open peer", waits.Reason)
		}
		s.must(w.WaitState(s.ctx, "r", pypz.Closed)) // it still hears
		if !s.isThere(s.channel+".reader.status") || !s.isThere(s.channel+".writer.status") {
			s.Error("a stream was deleted under an open peer")
		}
		s.must(w.Close())
		s.must(<-deleted)
		s.nothingLeft()
	})
}

func TestWeirDeletesAGroupsResources(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.weirReader("op", weir.Group("op", 0, 2), weir.FanOut(), weir.Compat())
		member := s.openReader("op_0", fanOut("op", 1, 2))
		w := s.openWriter("w")
		s.must(principal.WaitForWriters(s.ctx, 1))
		events := principal.Subscribe()
		defer events.Close()
		deleted := make(chan error, 1)
		go func() { deleted <- principal.CloseAndDelete(s.ctx, false) }()
		untilWaiting(s, events)
		s.must(w.Close())
		s.must(member.Close())
		s.must(<-deleted)
		s.nothingLeft()
	})
}

// A pypz principal cannot delete what a weir reader consumes; when weir has closed, it can.
func TestPypzDeletesWhenWeirHasClosed(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.reader("op", fanOut("op", 0, 2))
		s.done("create")(principal.CreateResources())
		s.done("open")(principal.Open())
		member := s.weirReader("op_0", weir.Group("op", 1, 2), weir.FanOut(), weir.Compat())
		w := s.weirWriter("w")
		s.must(w.Write(s.ctx, "a"))
		s.must(w.Close(s.ctx))
		s.must(principal.Close())
		s.notYet("delete a queue in use")(principal.DeleteResources())
		s.must(member.Close(s.ctx))
		s.done("delete, with records left")(principal.DeleteResources())
		s.nothingLeft()
		s.done("delete twice")(principal.DeleteResources())
	})
}

// Force deletes under a live peer, which says so once and then hears nothing: what weir must not do unless it is told to.
func TestForcedDeletionDeafensPypz(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		w := s.openWriter("w")
		s.tolerate(&w.Channel)
		s.must(r.CloseAndDelete(s.ctx, true))
		s.must(w.Wait(s.ctx, "its deafness", func(v *pypz.View) bool { return len(v.Errors) > 0 }))
		if err := w.Errors()[0]; !errors.Is(err, pypz.ErrCancelled) {
			s.Error(err)
		}
		s.nothingLeft()
		w.Kill()
	})
}
