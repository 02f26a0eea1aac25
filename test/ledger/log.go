package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
)

// Log is what writers and readers noted. Times are those since the run began.
type Log struct {
	Run     uint64
	Writers [][]Attempt // by writer and sequence
	Readers []Reading
	// Deleted is when the queue or the stream had been deleted: what was attempted before is excused.
	Deleted []time.Duration
}

// Attempt is one record on a writer's side. Until it is settled its outcome is not known.
type Attempt struct {
	At, Settled time.Duration
	Outcome     weir.Outcome
}

func (a *Attempt) settled() bool { return a.Settled > 0 }

// Reading is what one reader was handed, in that order. Readers of one view share the records.
type Reading struct {
	View       int
	Deliveries []Delivery
}

// Delivery is one record on a reader's side.
type Delivery struct {
	At        time.Duration
	Run, Seq  uint64
	Writer    uint32
	Committed bool
	Corrupted bool
}

// Ledger is a log while it is written. It is safe for concurrent use.
type Ledger struct {
	clock func() time.Time
	began time.Time
	size  int // of a record
	moved chan struct{}

	mu  sync.Mutex
	log Log
}

// New begins a ledger by that clock, of so many writers, whose records have so many bytes, and of readers with these views.
func New(clock func() time.Time, run uint64, size, writers int, views ...int) *Ledger {
	l := &Ledger{clock: clock, began: clock(), size: size, moved: make(chan struct{}, 1)}
	l.log = Log{Run: run, Writers: make([][]Attempt, writers)}
	for _, view := range views {
		l.log.Readers = append(l.log.Readers, Reading{View: view})
	}
	return l
}

// Began is when the run began, and Now how long ago that was.
func (l *Ledger) Began() time.Time   { return l.began }
func (l *Ledger) Now() time.Duration { return l.clock().Sub(l.began) }

// Until waits until the log is so, or the context ends, and says which. One goroutine may wait. What done is given it must not keep.
func (l *Ledger) Until(ctx context.Context, done func(*Log) bool) (is bool) {
	for {
		l.Read(func(log *Log) { is = done(log) })
		if is {
			return true
		}
		select {
		case <-l.moved:
		case <-ctx.Done():
			return false
		}
	}
}

// Attempt makes the bodies of n more records.
func (l *Ledger) Attempt(writer, n int) (first int, bodies [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, now := len(l.log.Writers[writer]), l.Now()
	for i := range n {
		l.log.Writers[writer] = append(l.log.Writers[writer], Attempt{At: now})
		bodies = append(bodies, body(l.log.Run, uint32(writer), uint64(first+i), l.size))
	}
	return first, bodies
}

// Settle takes in how the write of n records has ended. An error that says nothing of its records leaves them unknown.
func (l *Ledger) Settle(writer, first, n int, err error) {
	failed := (*weir.WriteError)(nil)
	if err != nil && !errors.As(err, &failed) {
		return
	}
	l.mu.Lock()
	now := l.Now()
	for i := range n {
		a := &l.log.Writers[writer][first+i]
		a.Settled, a.Outcome = now, weir.Confirmed
		if failed != nil {
			a.Outcome = failed.Outcomes[i]
		}
	}
	l.mu.Unlock()
	l.tell()
}

// Deliver takes in a batch, and gives what its commit is noted by.
func (l *Ledger) Deliver(reader int, bodies [][]byte) (first int) {
	l.mu.Lock()
	r, now := &l.log.Readers[reader], l.Now()
	first = len(r.Deliveries)
	for _, b := range bodies {
		d := readBody(b)
		d.At = now
		r.Deliveries = append(r.Deliveries, d)
	}
	l.mu.Unlock()
	l.tell()
	return first
}

// Commit takes in that the commit of n records that were delivered went well.
func (l *Ledger) Commit(reader, first, n int) {
	l.mu.Lock()
	for i := range n {
		l.log.Readers[reader].Deliveries[first+i].Committed = true
	}
	l.mu.Unlock()
	l.tell()
}

// Deleted takes in that the queue or the stream has just been deleted.
func (l *Ledger) Deleted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Deleted = append(l.log.Deleted, l.Now())
}

// tell wakes whoever waits for the log to grow.
func (l *Ledger) tell() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// Read shows the log as it is now. f must keep nothing of it.
func (l *Ledger) Read(f func(*Log)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.log)
}

// A record is a checksum of all that follows, its writer, its run, its sequence, and what fills it up.
const headSize = 24

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func body(run uint64, writer uint32, seq uint64, size int) []byte {
	b := make([]byte, max(size, headSize))
	binary.BigEndian.PutUint32(b[4:], writer)
	binary.BigEndian.PutUint64(b[8:], run)
	binary.BigEndian.PutUint64(b[16:], seq)
	for k := headSize; k < len(b); k++ {
		b[k] = byte(seq) + byte(k)
	}
	binary.BigEndian.PutUint32(b, checksum(b[4:]))
	return b
}

func readBody(b []byte) Delivery {
	if len(b) < headSize || binary.BigEndian.Uint32(b) != checksum(b[4:]) {
		return Delivery{Corrupted: true}
	}
	return Delivery{Writer: binary.BigEndian.Uint32(b[4:]), Run: binary.BigEndian.Uint64(b[8:]), Seq: binary.BigEndian.Uint64(b[16:])}
}
