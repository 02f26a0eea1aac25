package pypz_test

import (
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// A pypz writer asks whether all readers have acknowledged: one of them is weir's. Writing clears the marks.
func TestPypzWriterIsAcknowledged(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.openWriter("w")
		if !w.AllAcknowledged() {
			s.Error("without readers all have")
		}
		r, pr := s.weirReader("r", weir.Compat()), s.openReader("pr")
		for _, name := range []string{"r", "pr"} {
			s.must(w.WaitState(s.ctx, name, pypz.Started))
		}
		for round := 1; round <= 2; round++ {
			s.must(w.Write("a"))
			if w.AllAcknowledged() {
				s.Error("nobody has, yet")
			}
			s.must(pr.Acknowledge())
			s.must(w.WaitSaid(s.ctx, "pr", pypz.Acknowledged, round))
			if w.AllAcknowledged() {
				s.Error("weir's reader has not, yet")
			}
			s.must(r.Acknowledge(s.ctx))
			s.must(w.Wait(s.ctx, "weir's reader to acknowledge", func(v *pypz.View) bool { return v.Peer("r").Times[pypz.Acknowledged] > 0 }))
			if !w.AllAcknowledged() {
				s.Error("both have")
			}
		}
	})
}

func TestWeirWriterIsAcknowledged(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.weirWriter("w")
		wantAcknowledged(s, w, true)
		r, other := s.openReader("r"), s.openReader("other")
		for _, name := range []string{"r", "other"} {
			s.weirSeesState(w, name, messages.StatusStarted)
		}
		for range 2 {
			s.must(w.Write(s.ctx, "a"))
			wantAcknowledged(s, w, false)
			s.must(r.Acknowledge())
			s.weirSees(w, "r", "its mark", func(p messages.Peer) bool { return p.Acknowledged })
			wantAcknowledged(s, w, false)
			s.must(other.Acknowledge())
			s.weirSees(w, "other", "its mark", func(p messages.Peer) bool { return p.Acknowledged })
			wantAcknowledged(s, w, true)
		}
	})
}

func wantAcknowledged(s *scene, w *weir.Writer[string], want bool) {
	s.Helper()
	if all, err := w.AllAcknowledged(s.ctx); err != nil || all != want {
		s.Errorf("all acknowledged: %v, %v", all, err)
	}
}
