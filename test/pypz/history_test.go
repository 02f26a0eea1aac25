package pypz_test

import (
	"slices"
	"testing"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// Who joins a channel that has been there for long knows of each peer what a pypz peer would: its state comes from the history, though its health checks go on meanwhile.
func TestWeirJoinsLate(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		for _, name := range []string{"r1", "r2", "r3"} {
			s.openReader(name)
		}
		s.done("open")(s.reader("opened").Open())
		stopped := s.openReader("stopped")
		s.must(stopped.Stop())
		old := slices.Repeat([]string{status(s.channel, "old", pypz.HealthCheck, map[string]any{})}, 5000)
		s.say(s.channel+".reader.status", old...)
		w := s.weirWriter("w")
		for _, name := range []string{"r1", "r2", "r3"} {
			s.weirSeesState(w, name, messages.StatusStarted)
		}
		s.weirSeesState(w, "opened", messages.StatusOpened)
		p := s.weirSeesState(w, "stopped", messages.StatusStopped)
		if !p.Healthy || !p.Finished() {
			s.Errorf("%+v: it has stopped, and goes on to say that it is there", p)
		}
	})
}
