package embedded

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type guest struct{ seat int }

// A roster is what a slice is from which each is searched and deleted.
func TestRosterIsAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r := roster[*guest]{seat: func(g *guest) *int { return &g.seat }}
		var want, gone []*guest
		for range 300 {
			switch n := rng.IntN(10); {
			case n < 5 && len(want) < 40:
				g := &guest{}
				r.add(g)
				want = append(want, g)
			case n < 9 && len(want) > 0:
				i := rng.IntN(len(want))
				r.remove(want[i])
				gone = append(gone, want[i])
				want = slices.Delete(want, i, i+1)
			case len(gone) > 0:
				r.remove(gone[rng.IntN(len(gone))]) // again
			}
			if r.len() != len(want) || rng.IntN(8) == 0 && !slices.Equal(r.list(), want) {
				t.Fatalf("%d are left, want %d", r.len(), len(want))
			}
			if len(r.all) > 2*len(want)+1 {
				t.Fatalf("%d places for %d", len(r.all), len(want))
			}
		}
	}
}
