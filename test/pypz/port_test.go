package pypz_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// opening opens a weir reader meanwhile, and gives the events of all.
func opening(s *scene, opts ...weir.Option) (<-chan *weir.Reader[string], <-chan error) {
	readers, errs := make(chan *weir.Reader[string], 1), make(chan error, 1)
	ctx := s.ctx
	opts = append([]weir.Option{weir.Name("r"), weir.Compat(), weir.HealthInterval(quick), weir.WithoutMetrics()}, opts...)
	go func() {
		r, err := weir.OpenReader(ctx, s.rt, s.channel, weir.Text(), opts...)
		readers <- r
		errs <- err
	}()
	return readers, errs
}

func still[T any](s *scene, waits <-chan T, what string) {
	s.Helper()
	select {
	case <-waits:
		s.Errorf("it is open already: %s", what)
	default:
	}
}

// statusOf waits until the runtime has heard a state of a peer.
func statusOf(s *scene, events *weir.Subscription, name string, state messages.Kind) {
	s.Helper()
	next(s, events, name+" "+string(state), func(e *messages.StatusReceived) bool { return e.Status.Context == name && e.Status.Kind == state })
}

// A synchronous reader waits for all writers, of both kinds, and then reads until they have finished.
func TestWeirReaderExpectsWriters(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		events := s.rt.Subscribe()
		defer events.Close()
		opened, failed := opening(s, weir.Expect(2), weir.Synchronous())
		first := s.openWriter("first", inGroup("g", 0, 2))
		statusOf(s, events, "first", messages.StatusStarted)
		still(s, opened, "one of two is there")
		second := s.writer("second", inGroup("g", 1, 2))
		s.done("open")(second.Open()) // Opened is enough
		r := <-opened
		s.must(<-failed)

		s.must(first.Write("1", "2"))
		s.must(first.Close())
		s.must(second.Write("3"))
		finished := make(chan []string, 1)
		go func() {
			var got []string
			for b, err := range r.Batches(s.ctx) {
				if err != nil {
					s.Error(err)
					break
				}
				got = append(got, b.Values...)
				if err := b.Commit(s.ctx); err != nil {
					s.Error(err)
				}
			}
			finished <- got
		}()
		s.must(second.Write("4"))
		s.must(second.Stop()) // Stopped is the end, too
		got := <-finished
		slices.Sort(got)
		if !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			s.Errorf("%v", got)
		}
	})
}

// Otherwise one of them will do.
func TestWeirReaderExpectsOneOfSeveral(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		opened, failed := opening(s, weir.Expect(3))
		s.openWriter("first")
		r := <-opened
		s.must(<-failed)
		s.must(r.Close(s.ctx))
	})
}

// A sequential reader waits for the writers' end. It is open meanwhile: a pypz writer sees it.
func TestWeirReaderIsSequential(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		events := s.rt.Subscribe()
		defer events.Close()
		opened, failed := opening(s, weir.Expect(1), weir.Sequential())
		w := s.openWriter("w")
		s.must(w.Write("a", "b"))
		s.must(w.WaitState(s.ctx, "r", pypz.Started))
		statusOf(s, events, "w", messages.StatusHealthCheck)
		still(s, opened, "the writer is at work")
		s.must(w.Close())
		r := <-opened
		s.must(<-failed)
		var got []string
		for b, err := range r.Batches(s.ctx) {
			s.must(err)
			got = append(got, b.Values...)
			s.must(b.Commit(s.ctx))
		}
		if !slices.Equal(got, []string{"a", "b"}) {
			s.Errorf("%v", got)
		}
	})
}

// Nobody comes until the caller gives up: whoever looks on sees the reader open, start and close.
func TestWeirReaderExpectsInVain(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		sniffer := s.openWriter("sniffer", silent)
		whole := s.ctx
		var giveUp context.CancelFunc
		s.ctx, giveUp = context.WithCancel(whole)
		opened, failed := opening(s, weir.Expect(1))
		s.ctx = whole
		s.must(sniffer.WaitState(s.ctx, "r", pypz.Started))
		giveUp()
		if <-opened; !errors.Is(<-failed, context.Canceled) {
			s.Error("it should have been given up")
		}
		s.must(sniffer.WaitState(s.ctx, "r", pypz.Closed))
	})
}

// A weir writer waits for pypz readers.
func TestWeirWriterExpectsReaders(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		opened := make(chan *weir.Writer[string], 1)
		go func() {
			w, err := weir.OpenWriter(s.ctx, s.rt, s.channel, weir.Text(), weir.Name("w"), weir.HealthInterval(quick), weir.Expect(2), weir.Synchronous())
			if err != nil {
				s.Error(err)
			}
			opened <- w
		}()
		first := s.openReader("first")
		s.must(first.WaitState(s.ctx, "w", pypz.Started))
		still(s, opened, "one of two is there")
		s.openReader("second")
		if w := <-opened; w != nil {
			s.must(w.Write(s.ctx, "a"))
		}
	})
}

// Both ask whether more can come of the other's writer, and count what it has finished before they look for records.
func TestWhatIsLeft(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		w := s.weirWriter("w")
		s.must(r.WaitState(s.ctx, "w", pypz.Started))
		s.done("more can come")(r.CanRetrieve(1))
		s.must(w.Write(s.ctx, "a"))
		s.must(w.Close(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
		s.readPypz(r, 1)
		s.notYet("nothing more can come")(r.CanRetrieve(1))
		s.must(r.Close())

		own, pw := s.weirReader("own", weir.Compat(), weir.Expect(2)), s.openWriter("pw") // w has finished already
		s.weirSeesState(own, "pw", messages.StatusStarted)
		s.notYet("pw is at work")(own.Finished(s.ctx))
		s.must(pw.Write("b"))
		s.must(pw.Close())
		s.weirSeesState(own, "pw", messages.StatusClosed)
		s.done("b is there")(own.HasRecords(s.ctx))
		s.notYet("b is there")(own.Finished(s.ctx))
		readWeir(s, own, 1)
		s.notYet("nothing is there")(own.HasRecords(s.ctx))
		s.done("finished")(own.Finished(s.ctx))
	})
}

// Offsets are counted alike; a lower commit is ignored by weir, where pypz acknowledges all that it has.
func TestOffsets(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.openWriter("w")
		s.must(w.Write("a", "b", "c", "d"))
		py := s.openReader("py")
		s.readPypz(py, 4)
		s.must(py.Close())
		s.must(w.Write("a", "b", "c", "d"))
		r := s.weirReader("r", weir.Compat(), weir.JoinOnly())
		wantOffsets(s, r, weir.Offsets{Initial: -1, Current: -1, Committed: -1})
		for read := 0; read < 4; {
			b, err := r.Read(s.ctx)
			s.must(err)
			read += len(b.Values)
		}
		wantOffsets(s, r, weir.Offsets{Initial: -1, Current: int64(py.Offset()), Committed: -1})
		s.must(r.CommitUpTo(s.ctx, 3))
		s.must(r.CommitUpTo(s.ctx, 2))
		wantOffsets(s, r, weir.Offsets{Initial: -1, Current: 3, Committed: 2})
		if weirErr, pypzErr := r.CommitUpTo(s.ctx, 5), py.Commit(5); weirErr == nil || pypzErr == nil {
			s.Errorf("more than was read: %v, %v", weirErr, pypzErr)
		}
		s.must(r.Close(s.ctx))
		if n := s.ready(s.channel); n != 1 {
			s.Errorf("%d records are left, 3 of 4 were committed", n)
		}
	})
}

func wantOffsets(s *scene, r *weir.Reader[string], want weir.Offsets) {
	s.Helper()
	if got, err := r.Offsets(s.ctx); err != nil || got != want {
		s.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
