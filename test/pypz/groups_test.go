package pypz_test

import (
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// The principal of a reading group hears its own side, in fan-out or not, and may close when the others have.
func TestWeirPrincipalHearsItsMembers(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.weirReader("op", weir.Group("op", 0, 3), weir.Compat())
		wantCanClose(s, principal, true) // nobody is known
		w := s.openWriter("w")
		s.weirSeesState(principal, "w", messages.StatusStarted)
		wantCanClose(s, principal, false) // a member that was never seen blocks
		first, second := s.openReader("op_0", inGroup("op", 1, 3)), s.openReader("op_1", inGroup("op", 2, 3))
		p := s.weirSeesState(principal, "op_0", messages.StatusStarted)
		if p.Side != messages.Reading || p.Group != "op" || p.GroupIndex != 1 {
			s.Errorf("%+v", p)
		}
		if w := s.peers(principal)["w"]; w.Side != messages.Writing {
			s.Errorf("%+v", w)
		}
		s.weirSeesState(principal, "op_1", messages.StatusStarted)
		s.must(first.Close())
		s.weirSeesState(principal, "op_0", messages.StatusClosed)
		wantCanClose(s, principal, false)
		s.must(second.Stop())
		s.weirSeesState(principal, "op_1", messages.StatusStopped)
		wantCanClose(s, principal, true)
		s.must(w.Close())
	})
}

func wantCanClose(s *scene, r *weir.Reader[string], want bool) {
	s.Helper()
	if can, err := r.CanClose(s.ctx); err != nil || can != want {
		s.Errorf("can close: %v, %v; peers are %v", can, err, s.peers(r))
	}
}

// A pypz principal with weir members may close when both have, and hears them say so.
func TestPypzPrincipalHearsWeirMembers(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.reader("op", inGroup("op", 0, 3))
		s.done("create")(principal.CreateResources())
		s.done("open")(principal.Open())
		s.done("close alone")(principal.CanClose())
		first := s.weirReader("op_0", weir.Group("op", 1, 3), weir.Compat())
		second := s.weirReader("op_1", weir.Group("op", 2, 3), weir.Compat())
		if got := s.peers(first); len(got) != 0 {
			s.Errorf("%v: only a principal hears its own side", got)
		}
		for _, name := range []string{"op_0", "op_1"} {
			s.must(principal.WaitState(s.ctx, name, pypz.Started))
		}
		s.notYet("close beside two")(principal.CanClose())
		s.must(first.Stop(s.ctx))
		s.must(principal.WaitState(s.ctx, "op_0", pypz.Stopped))
		s.notYet("close beside one")(principal.CanClose())
		s.must(second.Close(s.ctx))
		s.must(principal.WaitState(s.ctx, "op_1", pypz.Closed))
		s.done("close")(principal.CanClose())
	})
}

// Writers can be a group, too: the principal hears the others, and whoever reads sees all of them.
func TestGroupOfWriters(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		principal := s.weirWriter("op", weir.Group("op", 0, 2))
		member := s.openWriter("op_0", inGroup("op", 1, 2))
		p := s.weirSeesState(principal, "op_0", messages.StatusStarted)
		if p.Side != messages.Writing || p.Group != "op" {
			s.Errorf("%+v", p)
		}
		s.must(r.WaitForWriters(s.ctx, 2))
		s.must(member.Write("a"))
		s.must(principal.Write(s.ctx, "b"))
		readWeir(s, r, 2)
		s.must(r.Acknowledge(s.ctx))
		s.weirSees(principal, "r", "its mark", func(p messages.Peer) bool { return p.Acknowledged })
		wantAcknowledged(s, principal, true) // fellow writers acknowledge nothing, and are not asked
	})
}

func TestPypzPrincipalOfWriters(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		principal := s.openWriter("op", inGroup("op", 0, 2))
		member := s.weirWriter("op_0", weir.Group("op", 1, 2))
		s.must(principal.WaitState(s.ctx, "op_0", pypz.Started))
		s.must(r.WaitState(s.ctx, "op_0", pypz.Started))
		s.must(member.Close(s.ctx))
		s.must(principal.WaitState(s.ctx, "op_0", pypz.Closed))
		told(s, &principal.Channel, "op_0", "op", 1)
	})
}

// A deletion waits for a member that is open, whatever has become of the queues: streams go at once, under whoever listens.
func TestWeirPrincipalDeletesBehindItsMembers(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.weirReader("op", weir.Group("op", 0, 2), weir.Compat())
		member := s.openReader("op_0", inGroup("op", 1, 2))
		s.weirSeesState(principal, "op_0", messages.StatusStarted)
		events := principal.Subscribe()
		defer events.Close()
		deleted := make(chan error, 1)
		go func() { deleted <- principal.CloseAndDelete(s.ctx, false) }()
		untilWaiting(s, events)
		if !s.isThere(s.channel + ".reader.status") {
			s.Error("the stream was deleted under an open member")
		}
		s.must(member.Close())
		s.must(<-deleted)
		s.nothingLeft()
	})
}
