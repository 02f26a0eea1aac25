package rabbitmq

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// verdicts of the broker on what was published, and the ranges that they settle.
func TestLedger(t *testing.T) {
	type said struct {
		tag      uint64
		multiple bool
		want     string // ranges of sequences
	}
	for name, test := range map[string]struct {
		published []broker.Range // of sequences
		said      []said
		unsettled int
	}{
		"in order":               {[]broker.Range{{First: 1, Last: 3}}, []said{{1, false, "[1-1]"}, {2, false, "[2-2]"}, {3, false, "[3-3]"}}, 0},
		"multiple":               {[]broker.Range{{First: 1, Last: 3}}, []said{{2, true, "[1-2]"}, {3, true, "[3-3]"}}, 0},
		"one, then multiple":     {[]broker.Range{{First: 1, Last: 3}}, []said{{2, false, "[2-2]"}, {3, true, "[1-1 3-3]"}}, 0},
		"repeated":               {[]broker.Range{{First: 1, Last: 3}}, []said{{2, false, "[2-2]"}, {2, false, "[]"}, {2, true, "[1-1]"}, {2, true, "[]"}}, 1},
		"out of order":           {[]broker.Range{{First: 1, Last: 4}}, []said{{4, false, "[4-4]"}, {1, false, "[1-1]"}, {3, true, "[2-3]"}}, 0},
		"sequences that jump":    {[]broker.Range{{First: 10, Last: 11}, {First: 20, Last: 21}}, []said{{3, true, "[10-11 20-20]"}, {4, false, "[21-21]"}}, 0},
		"a sequence once more":   {[]broker.Range{{First: 1, Last: 2}, {First: 1, Last: 1}}, []said{{3, false, "[1-1]"}, {2, true, "[1-2]"}}, 0},
		"what was not published": {[]broker.Range{{First: 1, Last: 2}}, []said{{0, false, "[]"}, {3, false, "[]"}, {9, true, "[1-2]"}, {9, true, "[]"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			for _, p := range test.published {
				l.publish(p.First, int(p.Last-p.First+1))
			}
			for _, s := range test.said {
				var got ranges
				l.settle(s.tag, s.multiple, got.add)
				if show := showRanges(got); show != s.want {
					t.Errorf("tag %d multiple %v settles %s, want %s", s.tag, s.multiple, show, s.want)
				}
			}
			if l.unsettled != test.unsettled {
				t.Errorf("%d are unsettled, want %d", l.unsettled, test.unsettled)
			}
		})
	}
}

func showRanges(rs ranges) string {
	var all []string
	for _, r := range rs {
		all = append(all, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return fmt.Sprint(all)
}

// A returned record is not confirmed by the basic.ack that follows it, but its next publishing is.
func TestLedgerReturned(t *testing.T) {
	l := newLedger()
	l.publish(1, 3)
	l.publish(2, 1)
	if !l.returned(2) {
		t.Fatal("sequence 2 is unknown")
	}
	var got ranges
	l.settle(3, true, got.add)
	l.settle(4, false, got.add)
	if want := "[1-1 3-3 2-2]"; showRanges(got) != want {
		t.Errorf("confirmed %s, want %s", showRanges(got), want)
	}
	if l.returned(2) || l.returned(7) {
		t.Error("a sequence is returned that is settled or was never published")
	}
}

// Against one state for each tag, over random verdicts.
func TestLedgerAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		l := newLedger()
		sequences, settled := []uint64{0}, map[uint64]bool{}
		for range 30 {
			if rng.IntN(2) == 0 {
				first, n := rng.Uint64N(50)+1, rng.IntN(5)+1
				l.publish(first, n)
				for i := range n {
					sequences = append(sequences, first+uint64(i))
				}
			}
			tag, multiple := rng.Uint64N(uint64(len(sequences)))+1, rng.IntN(3) == 0
			var want, got []uint64
			for i := uint64(1); i < uint64(len(sequences)); i++ {
				if (i == tag || multiple && i < tag) && !settled[i] {
					settled[i] = true
					want = append(want, sequences[i])
				}
			}
			l.settle(tag, multiple, func(first, last uint64) {
				for n := first; n <= last; n++ {
					got = append(got, n)
				}
			})
			if !slices.Equal(got, want) || l.unsettled != len(sequences)-1-len(settled) {
				t.Fatalf("tag %d multiple %v settles %v, want %v; %d unsettled", tag, multiple, got, want, l.unsettled)
			}
		}
	}
}
