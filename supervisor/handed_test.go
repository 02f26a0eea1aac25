package supervisor

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/d2e2d648/weir/messages"
)

func delivered(h *handedOver, first uint64, n int) {
	rs := records(n, 1)
	for i := range rs {
		rs[i].Body[0] = byte(first) + byte(i)
	}
	h.delivered(&messages.Delivered{From: messages.From{Epoch: 3}, First: first, Records: rs})
}

func TestOnlyTheContiguousPrefixIsAcknowledged(t *testing.T) {
	type commit struct{ first, last, upTo uint64 } // upTo 0: nothing is acknowledged
	for _, test := range []struct {
		name    string
		handed  int
		commits []commit
		left    int
	}{
		{"in order", 6, []commit{{1, 2, 2}, {3, 4, 4}, {5, 6, 6}}, 0},
		{"out of order", 6, []commit{{5, 6, 0}, {3, 4, 0}, {1, 2, 6}}, 0},
		{"a gap stays", 6, []commit{{3, 3, 0}, {1, 1, 1}, {5, 6, 0}}, 5},
		{"twice", 6, []commit{{1, 3, 3}, {1, 3, 0}, {2, 3, 0}}, 3},
		{"overlapping", 6, []commit{{1, 3, 3}, {2, 5, 5}}, 1},
		{"beyond what was handed over", 4, []commit{{1, 6, 4}}, 0},
		{"wholly beyond", 4, []commit{{5, 6, 0}, {1, 4, 4}}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHandedOver()
			delivered(&h, 1, 6)
			h.take(test.handed)
			for _, c := range test.commits {
				upTo, any := h.commit(c.first, c.last)
				if upTo != c.upTo || any != (c.upTo > 0) {
					t.Fatalf("commit %d-%d acknowledges up to %d, %v; want %d", c.first, c.last, upTo, any, c.upTo)
				}
			}
			if h.uncommitted() != test.left {
				t.Errorf("%d uncommitted, want %d", h.uncommitted(), test.left)
			}
		})
	}
}

// What is handed over later is not committed by an earlier commit that went too far.
func TestCommitBeyondDoesNotCoverWhatComesLater(t *testing.T) {
	h := newHandedOver()
	delivered(&h, 1, 6)
	h.take(2)
	h.commit(1, 6)
	h.take(4)
	if h.uncommitted() != 4 {
		t.Errorf("%d uncommitted, want 4", h.uncommitted())
	}
	if upTo, any := h.commit(3, 3); !any || upTo != 3 {
		t.Errorf("acknowledges up to %d, %v; want 3", upTo, any)
	}
}

// Random deliveries, takes and commits against a plain list: order, nothing lost, nothing twice, nothing acknowledged that was not committed.
func TestHandedOverAgainstNaiveModel(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		h := newHandedOver()
		var came, handed, acked uint64
		committed := map[uint64]bool{}
		var batches []*messages.Batch
		for range 40 {
			switch rng.IntN(3) {
			case 0:
				n := 1 + rng.IntN(7)
				delivered(&h, came+1, n)
				came += uint64(n)
			case 1:
				most := 1 + rng.IntN(9)
				b := h.take(most)
				want := min(uint64(most), came-handed)
				if want == 0 && b == nil {
					continue
				}
				if b == nil || uint64(len(b.Records)) != want || b.First != handed+1 || b.Last != handed+want || b.Epoch != 3 {
					t.Fatalf("seed %d: took %+v after %d of %d, at most %d", seed, b, handed, came, most)
				}
				for i, r := range b.Records {
					if r.Body[0] != byte(b.First)+byte(i) {
						t.Fatalf("seed %d: record %d of the batch from %d is another", seed, i, b.First)
					}
				}
				handed = b.Last
				batches = append(batches, b)
			default:
				if len(batches) == 0 {
					continue
				}
				b := batches[rng.IntN(len(batches))]
				for tag := b.First; tag <= b.Last; tag++ {
					committed[tag] = true
				}
				upTo := acked
				for committed[upTo+1] {
					upTo++
				}
				got, any := h.commit(b.First, b.Last)
				if any != (upTo > acked) || any && got != upTo {
					t.Fatalf("seed %d: acknowledges up to %d, %v; want %d after %d", seed, got, any, upTo, acked)
				}
				acked = upTo
			}
			var ahead []uint64
			h.ahead(func(tag uint64) { ahead = append(ahead, tag) })
			var want []uint64
			for tag := acked + 1; tag <= handed; tag++ {
				if committed[tag] {
					want = append(want, tag)
				}
			}
			if !slices.Equal(ahead, want) || h.any() != (len(committed) > 0) {
				t.Fatalf("seed %d: %v are committed ahead, want %v; any: %v", seed, ahead, want, h.any())
			}
			if h.waiting != int(came-handed) || h.uncommitted() != int(handed-acked) {
				t.Fatalf("seed %d: waiting %d, uncommitted %d", seed, h.waiting, h.uncommitted())
			}
		}
	}
}

// A batch is its receiver's: what is appended to it must not reach the records of the next.
func TestBatchesDoNotShareRoom(t *testing.T) {
	h := newHandedOver()
	delivered(&h, 1, 4)
	a := h.take(2)
	_ = append(a.Records, records(1, 9)...)
	if b := h.take(2); len(b.Records[0].Body) != 1 || b.Records[0].Body[0] != 3 {
		t.Errorf("the next batch begins with %v", b.Records[0].Body)
	}
}
