package soak

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// ledger knows of one writer's records what became of them. It takes no more memory the more there are, as long as they come in order. It is safe for concurrent use.
type ledger struct {
	moved chan struct{} // something was confirmed or delivered

	mu                    sync.Mutex
	attempted             uint64       // sequences 1 to this
	confirmed, delivered  broker.Marks // sequences
	duplicated, corrupted int
}

func newLedger() *ledger {
	return &ledger{moved: make(chan struct{}, 1), confirmed: broker.NewMarks(1), delivered: broker.NewMarks(1)}
}

// recordSize is a body's: sequence, checksum, and something to carry.
const recordSize = 100

// attempt makes n bodies.
func (l *ledger) attempt(n int) (first uint64, bodies [][]byte) {
	l.mu.Lock()
	first = l.attempted + 1
	l.attempted += uint64(n)
	l.mu.Unlock()
	for i := range n {
		b := make([]byte, recordSize)
		binary.BigEndian.PutUint64(b, first+uint64(i))
		binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
		bodies = append(bodies, b)
	}
	return first, bodies
}

func (l *ledger) confirm(first uint64, n int) {
	l.mu.Lock()
	l.confirmed.Add(first, first+uint64(n)-1)
	l.mu.Unlock()
	l.tell()
}

func (l *ledger) deliver(bodies [][]byte) {
	l.mu.Lock()
	for _, b := range bodies {
		seq := uint64(0)
		if len(b) == recordSize {
			seq = binary.BigEndian.Uint64(b)
		}
		switch {
		case seq == 0 || seq > l.attempted || binary.BigEndian.Uint32(b[8:]) != crc32.ChecksumIEEE(b[:8]):
			l.corrupted++
		case l.delivered.Has(seq):
			l.duplicated++
		default:
			l.delivered.Add(seq, seq)
		}
	}
	l.mu.Unlock()
	l.tell()
}

func (l *ledger) tell() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// drained waits until all that was attempted is confirmed and delivered. The writer pauses.
func (l *ledger) drained(ctx context.Context) error {
	for {
		err := l.missing()
		if err == nil {
			return nil
		}
		select {
		case <-l.moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// missing says what is not confirmed or not delivered.
func (l *ledger) missing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.confirmed.Low() <= l.attempted || l.delivered.Low() <= l.attempted {
		return fmt.Errorf("of %d records, all up to %d are confirmed, and all up to %d delivered", l.attempted, l.confirmed.Low()-1, l.delivered.Low()-1)
	}
	return nil
}

// ahead is how many records are not delivered, but for what came out of turn.
func (l *ledger) ahead() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempted + 1 - l.delivered.Low()
}

func (l *ledger) totals() (attempted, duplicated, corrupted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.attempted), l.duplicated, l.corrupted
}
