package pypz_test

import (
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/pypz"
)

// pypz sniffs a channel with one silent writer, which sees the readers, and one silent reader, which sees the writers.
func TestPypzSniffsAWeirChannel(t *testing.T) {
	each(t, func(s *scene) {
		r, w := s.weirReader("r", weir.Compat()), s.weirWriter("w")
		readers, writers := s.openWriter("sniffer", silent), s.openReader("sniffer", silent)
		if _, err := writers.Read(); err == nil {
			s.Error("a silent reader reads nothing")
		}
		s.must(readers.WaitState(s.ctx, "r", pypz.Started))
		s.must(writers.WaitState(s.ctx, "w", pypz.Started))
		s.must(w.Write(s.ctx, "a", "b", "c"))
		readWeir(s, r, 3) // all of them: the sniffer takes none
		s.must(waitCount(s, &readers.Channel, "r", "receivedRecordCount", 3))
		s.must(waitCount(s, &writers.Channel, "w", "sentRecordCount", 3))

		s.must(readers.Close())
		s.must(writers.Close())
		for _, e := range []end{r, w} {
			if peers := s.peers(e); len(peers) != 1 {
				s.Errorf("weir sees %v: a sniffer is not to be seen", peers)
			}
		}
		s.must(w.Close(s.ctx))
	})
}

// A sniffer that comes late knows from the streams who has been there.
func TestPypzSniffsWhatIsOver(t *testing.T) {
	each(t, func(s *scene) {
		r, w := s.weirReader("r", weir.Compat()), s.weirWriter("w")
		s.must(w.Close(s.ctx))
		s.must(r.Close(s.ctx))
		readers, writers := s.openWriter("sniffer", silent), s.openReader("sniffer", silent)
		s.must(readers.WaitState(s.ctx, "r", pypz.Closed))
		s.must(writers.WaitState(s.ctx, "w", pypz.Closed))
		if readers.AnyHealthyAtWork() || writers.AnyHealthyAtWork() {
			s.Error("somebody is at work")
		}
	})
}
