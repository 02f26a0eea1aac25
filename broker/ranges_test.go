package broker

import (
	"math/rand/v2"
	"testing"
)

// Marks against a plain set, over random additions: membership, the low mark and what is missing.
func TestMarksAgainstSet(t *testing.T) {
	const n = 64
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		low := uint64(rng.IntN(5))
		marks, set := NewMarks(low), [n + 1]bool{}
		for i := range low {
			set[i] = true
		}
		for range 12 {
			first := uint64(rng.IntN(n))
			last := min(n-1, first+uint64(rng.IntN(10)))
			marks.Add(first, last)
			for i := first; i <= last; i++ {
				set[i] = true
			}
			check(t, round, &marks, &set)
		}
	}
}

func check(t *testing.T, round int, marks *Marks, set *[65]bool) {
	t.Helper()
	missing := [65]bool{}
	previous := uint64(0)
	marks.Missing(3, 60, func(first, last uint64) {
		if first > last || first < 3 || last > 60 || (previous > 0 && first <= previous+1) {
			t.Fatalf("round %d: missing range %d-%d after %d", round, first, last, previous)
		}
		previous = last
		for i := first; i <= last; i++ {
			missing[i] = true
		}
	})
	lowest := uint64(len(set))
	for i := range uint64(len(set)) {
		if marks.Has(i) != set[i] {
			t.Fatalf("round %d: Has(%d) = %v", round, i, marks.Has(i))
		}
		if want := i >= 3 && i <= 60 && !set[i]; missing[i] != want {
			t.Fatalf("round %d: missing %d is %v, want %v", round, i, missing[i], want)
		}
		if !set[i] {
			lowest = min(lowest, i)
		}
	}
	if marks.Low() != lowest {
		t.Fatalf("round %d: low %d, want %d", round, marks.Low(), lowest)
	}
}

func TestMarksJoinsAdjacent(t *testing.T) {
	marks := NewMarks(1)
	marks.Add(3, 3)
	marks.Add(5, 5)
	marks.Add(4, 4)
	if marks.Gaps() != 1 {
		t.Errorf("3, 5, 4 make %d ranges, want 1", marks.Gaps())
	}
	marks.Add(1, 2)
	if marks.Low() != 6 || marks.Gaps() != 0 {
		t.Errorf("low %d with %d ranges, want 6 with 0", marks.Low(), marks.Gaps())
	}
}
