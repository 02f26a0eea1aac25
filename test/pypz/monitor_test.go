package pypz_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

// Many peers say what they like, with clocks that jump: weir and pypz come to the same states, live and from the history.
func TestStatesAreSeenAlike(t *testing.T) {
	const peers, statuses = 60, 8
	each(t, func(s *scene) {
		s.createdByPypz()
		w, py := s.weirWriter("w"), s.openWriter("py")
		var bodies []string
		said := map[string]string{}
		random := rand.New(rand.NewPCG(1, 2))
		now := time.Now().UnixMilli()
		for range statuses {
			for p := range peers {
				one := pypz.Status{Channel: s.channel, Context: fmt.Sprint("peer-", p), Kind: kinds()[random.IntN(8)], Timestamp: now - 1000 + 10*random.Int64N(10)}
				bodies = append(bodies, one.String())
				said[one.Context] += fmt.Sprintf(" %s@%d", one.Kind, one.Timestamp-now+1000)
			}
		}
		bodies = append(bodies, status(s.channel, "the-last", pypz.Opened, nil))
		s.say(s.channel+".reader.status", bodies...)
		s.must(py.WaitState(s.ctx, "the-last", pypz.Opened))
		late := s.weirWriter("late")
		for _, end := range []*weir.Writer[string]{w, late} {
			s.weirSeesState(end, "the-last", messages.StatusOpened)
			known := s.peers(end)
			for name, history := range said {
				m, p := py.Peer(name), known[name]
				for _, kind := range kinds() {
					if weirs, pypzs := p.Times.At(messages.Kind(kind)), m.Times[kind]; weirs != pypzs {
						s.Errorf("%s:%s: the last %s was at %d for weir, at %d for pypz", name, history, kind, weirs, pypzs)
					}
				}
				if string(p.State) != m.State || p.Changed != m.Changed {
					s.Errorf("%s:%s: weir has %q since %d, pypz %q since %d", name, history, p.State, p.Changed-now+1000, m.State, m.Changed-now+1000)
				}
			}
		}
	})
}

func kinds() []string {
	return []string{pypz.Opened, pypz.Started, pypz.Stopped, pypz.Closed, pypz.Error, pypz.HealthCheck, pypz.Acknowledged, pypz.WaitingForSchema}
}
