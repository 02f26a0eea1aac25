package actors

import (
	"math/rand/v2"
	"testing"
	"time"
)

// outstanding against a plain list, over random publishes and confirms in any order: since when the oldest waits, and whether it moved.
func TestOutstandingAgainstNaiveModel(t *testing.T) {
	type sent struct {
		sequence uint64
		at       time.Time
		settled  bool
	}
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 11))
		o, list := outstanding{}, []sent{}
		now, next := time.Unix(0, 0), uint64(1+rng.IntN(50))
		oldest := func() *sent {
			for i := range list {
				if !list[i].settled {
					return &list[i]
				}
			}
			return nil
		}
		for range 60 {
			now = now.Add(time.Duration(rng.IntN(2)) * time.Second)
			if rng.IntN(2) == 0 || len(list) == 0 {
				next += uint64(rng.IntN(2)) // what the account has had confirmed meanwhile is left out
				n := uint64(1 + rng.IntN(6))
				o.add(next, next+n-1, now)
				for range n {
					list = append(list, sent{next, now, false})
					next++
				}
			} else {
				first := list[rng.IntN(len(list))].sequence
				last := min(next-1, first+uint64(rng.IntN(8)))
				was := oldest()
				for i := range list {
					list[i].settled = list[i].settled || list[i].sequence >= first && list[i].sequence <= last
				}
				if moved := o.settle(first, last); moved != (was != oldest()) {
					t.Fatalf("seed %d: settling %d-%d moved the oldest: %v", seed, first, last, moved)
				}
			}
			since, any := o.oldest()
			if want := oldest(); any != (want != nil) || any && (!since.Equal(want.at) || o.runs[0].first != want.sequence) {
				t.Fatalf("seed %d: oldest since %v, %v; want %+v", seed, since, any, want)
			}
		}
	}
}

// Runs of one moment are kept as one: a full window of single records is not a thousand runs.
func TestOutstandingJoinsWhatIsPublishedTogether(t *testing.T) {
	o, now := outstanding{}, time.Unix(5, 0)
	for i := range uint64(1000) {
		o.add(i+1, i+1, now)
	}
	if len(o.runs) != 1 {
		t.Errorf("%d runs", len(o.runs))
	}
	if !o.settle(1, 1000) || len(o.runs) != 0 || o.settled.Gaps() != 0 {
		t.Errorf("%+v is left", o)
	}
}
