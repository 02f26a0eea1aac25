package pypz_test

import (
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// A pypz peer can stay Opened while its loop goes on: weir counts it as there.
func TestWeirWriterSeesAPypzReader(t *testing.T) {
	each(t, func(s *scene) {
		w := s.weirWriter("w", weir.Create(), weir.Compat())
		r := s.reader("r", inGroup("g", 0, 1))
		s.done("open")(r.Open())
		s.must(w.WaitForReaders(s.ctx, 1))
		if p := s.weirSeesState(w, "r", messages.StatusOpened); !p.Healthy || p.Group != "g" || p.Records != 0 {
			s.Errorf("%+v", p)
		}
		r.InitOffset()
		s.must(w.Write(s.ctx, "a", "b", "c"))
		s.readPypz(r, 3)
		p := s.weirSees(w, "r", "3 records", func(p messages.Peer) bool { return p.Records == 3 })
		if p.State != messages.StatusOpened {
			s.Errorf("%+v: it was never started", p)
		}
		s.must(r.Start())
		s.weirSeesState(w, "r", messages.StatusStarted)
		s.must(r.Close())
		s.weirSeesState(w, "r", messages.StatusClosed)
		if err := s.ended(func() error { return w.WaitForReaders(s.ctx, 1) }, func() { s.done("open again")(r.Open()) }); err != nil {
			s.Error(err)
		}
		s.weirSeesState(w, "r", messages.StatusOpened)
	})
}

// ended runs f, which must not end before then has been called.
func (s *scene) ended(f func() error, then func()) error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		s.Errorf("it has ended early: %v", err)
	default:
	}
	then()
	return <-ended
}

func TestWeirReaderSeesAPypzWriter(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		w := s.writer("w")
		s.done("open")(w.Open())
		s.must(r.WaitForWriters(s.ctx, 1))
		s.weirSeesState(r, "w", messages.StatusOpened)
		w.AddHealth("mine", "yes")
		s.must(w.Write("a", "b"))
		p := s.weirSees(r, "w", "2 records", func(p messages.Peer) bool { return p.Records == 2 })
		if p.State != messages.StatusOpened || !p.Healthy || p.Group != "" {
			s.Errorf("%+v", p)
		}
		s.must(w.Start())
		s.weirSeesState(r, "w", messages.StatusStarted)
		s.must(w.Stop())
		s.weirSeesState(r, "w", messages.StatusStopped)
		s.must(w.Start())
		s.weirSeesState(r, "w", messages.StatusStarted)
		s.must(w.Close())
		s.weirSeesState(r, "w", messages.StatusClosed)
		readWeir(s, r, 2)
	})
}

// After a typed failure a pypz peer says Error, Stopped, Closed, and stays in Error until it opens again.
func TestWeirSeesAPypzPeerFail(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		w := s.openWriter("w")
		s.must(w.Fail())
		s.weirSeesState(r, "w", messages.StatusError)
		events := r.Subscribe()
		defer events.Close()
		s.must(w.Close())
		next(s, events, "Closed of w", func(e *messages.StatusReceived) bool { return e.Status.Kind == messages.StatusClosed })
		if p := s.peers(r)["w"]; p.State != messages.StatusError {
			s.Errorf("%+v: Error is left for Opened and Started alone", p)
		}
		s.done("open again")(w.Open())
		s.weirSeesState(r, "w", messages.StatusOpened)
	})
}

// What a weir endpoint fails of is not told here; but its peers keep to the same rules about weir's statuses.
func TestPypzSeesAWeirReaderComeBack(t *testing.T) {
	each(t, func(s *scene) {
		w := s.reader("creator")
		s.done("create")(w.CreateResources())
		py := s.openWriter("w")
		for range 2 {
			r := s.weirReader("r", weir.Compat())
			s.must(py.WaitState(s.ctx, "r", pypz.Started))
			if !py.AnyHealthyAtWork() || py.Count(nil) != 1 {
				s.Errorf("%v", py.Names(nil))
			}
			s.must(r.Close(s.ctx))
			s.must(py.WaitState(s.ctx, "r", pypz.Closed))
			if py.AnyHealthyNotClosed() || py.AnyUnhealthy() {
				s.Error("it is closed, and healthy for two minutes more")
			}
		}
		if late := py.Peer("r").Late; late != 0 {
			s.Errorf("%d statuses were older than others before them", late)
		}
	})
}
