package chaos

import "testing"

func TestPlansAreTheirSeeds(t *testing.T) {
	seen := map[Kind]bool{}
	for seed := uint64(1); seed <= 300; seed++ {
		a, b := Draw(seed), Draw(seed)
		if a.String() != b.String() {
			t.Fatalf("seed %d: %v, and then %v", seed, a, b)
		}
		for i, f := range a.Faults {
			seen[f.Kind] = true
			if f.At < earliest {
				t.Errorf("seed %d: %v strikes before what was declared is on the disk", seed, &f)
			}
			if f.Kind == Delete && i+1 < len(a.Faults) {
				t.Errorf("seed %d: a queue is deleted, and then comes %v", seed, &a.Faults[i+1])
			}
		}
	}
	if len(seen) != len(kinds()) {
		t.Errorf("only %d of %d sorts of faults are ever drawn", len(seen), len(kinds()))
	}
}
