package pypz_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// longestStatus is what weir takes at most.
const longestStatus = 16 << 10

// status gives one as a pypz peer writes it.
func status(channel, name, kind string, payload any) string {
	return (&pypz.Status{Channel: channel, Context: name, Kind: kind, Payload: payload, Timestamp: time.Now().UnixMilli()}).String()
}

// padded gives a status of exactly so many bytes.
func padded(channel, name string, size int) string {
	empty := len(status(channel, name, pypz.HealthCheck, map[string]any{"pad": ""}))
	return status(channel, name, pypz.HealthCheck, map[string]any{"pad": strings.Repeat("x", size-empty)})
}

// What is no status, is another channel's or too long is skipped and counted, and what comes behind it counts.
func TestStatusesThatAreNone(t *testing.T) {
	each(t, func(s *scene) {
		bad := []string{
			"no JSON", "", "{", "[]", `"Opened"`, "null", "{}", status(s.channel, "x", "Nonsense", nil), status(s.channel, "", pypz.Opened, nil),
			strings.Replace(status(s.channel, "x", pypz.Opened, nil), `"x"`, "7", 1),
			status(s.channel+"-other", "x", pypz.Opened, nil),
			padded(s.channel, "x", longestStatus+1),
		}
		w := s.weirWriter("w", weir.Create(), weir.Compat())
		r := s.weirReader("r", weir.Compat())
		for _, c := range []struct {
			end
			stream string
		}{{w, ".reader.status"}, {r, ".writer.status"}} {
			hear(s, c.end, s.channel+c.stream, bad)
		}
		s.must(w.Write(s.ctx, "a"))
		readWeir(s, r, 1)
	})
}

// hear publishes each bad status by itself, so that a count tells which of them was taken for a good one.
func hear(s *scene, e end, stream string, bad []string) {
	s.Helper()
	// What comes while weir reads history is counted when that gets there. It has when it tells the state of one that was heard live.
	s.say(stream, status(s.channel, "first", pypz.Opened, nil))
	s.weirSees(e, "first", "a live status", func(p messages.Peer) bool { return p.Heard && p.State == messages.StatusOpened })
	events := e.Subscribe()
	defer events.Close()
	for i, body := range bad {
		mark := fmt.Sprint("mark-", i)
		s.say(stream, body, status(s.channel, mark, pypz.Opened, nil))
		counted := 0
		for there := false; !there; {
			event, err := events.Next(s.ctx)
			s.must(err)
			switch event := event.(type) {
			case *messages.BadStatuses:
				counted += event.Count
			case *messages.PeerAppeared:
				there = event.Peer.Context == mark
			}
		}
		if counted != 1 {
			s.Errorf("%s: %.60q was counted %d times", stream, body, counted)
		}
	}
	if p, ok := s.peers(e)["x"]; ok {
		s.Errorf("a bad status made a peer: %+v", p)
	}
	s.say(stream, padded(s.channel, "long", longestStatus))
	s.weirSees(e, "long", "as long as can be", func(messages.Peer) bool { return true })
}

// A peer of the original fails of the same: each costs it one poll, and it goes on.
func TestPypzFailsOfWhatIsNoStatus(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.openWriter("w")
		s.tolerate(&w.Channel)
		s.say(s.channel+".reader.status", "no JSON")
		s.must(w.Wait(s.ctx, "an error", func(v *pypz.View) bool { return len(v.Errors) == 1 }))
		r := s.weirReader("r", weir.Compat())
		s.must(w.WaitState(s.ctx, "r", pypz.Started))
		s.must(r.Close(s.ctx))
		s.must(w.Close())
	})
}
