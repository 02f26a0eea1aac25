package sim

import "testing"

// Seeds that found bugs. A seed stands for its schedule only as long as nothing draws otherwise: when the plan or the faults change, `go run ./test/sim/bugs`
// plants each of these bugs again and says by which seeds it is found now.
func replay(t *testing.T, fine, atomic uint64) {
	t.Helper()
	r := NewRunner()
	for mode, seed := range map[Mode]uint64{Fine: fine, Atomic: atomic} {
		if result := r.Run(seed, mode); len(result.Bad) > 0 {
			t.Errorf("seed %d, %s: %q", seed, mode, result.Bad)
		}
	}
}

// A lost confirm of a status left it in the outbox for ever: every Close ended by its deadline. Now the status producer has a deadline of its own.
func TestSeedStatusConfirmLost(t *testing.T) { replay(t, 8, 4) }

// A status stream was deleted and made anew, and the status consumer went on at the old stream's offset: it was deaf until the new one had grown as long.
func TestSeedOffsetOfOldStream(t *testing.T) { replay(t, 55, 253) }

// The history session read a live status before the live session did, which then was no news: its state change was no event.
func TestSeedHistoryComesFirst(t *testing.T) { replay(t, 58, 41) }

// A session that the embedded broker ended while it was in a black hole never got Ended: a consumer that took itself for ready and was not there.
func TestSeedSilentEnd(t *testing.T) { replay(t, 37, 1378) }

// A delivery that was lost was acknowledged with those behind it. Now the consumer sees the gap in the tags.
func TestSeedDeliveryLost(t *testing.T) { replay(t, 2, 130) }
