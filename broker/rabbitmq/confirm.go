package rabbitmq

import (
	"slices"

	"github.com/d2e2d648/weir/broker"
)

// ledger is a publishing session's account. The broker confirms by tag: it counts what a channel publishes, from 1. The caller knows
// sequences, which may jump and come again. The ledger keeps which sequence each unsettled tag has. Not safe for concurrent use.
type ledger struct {
	segments  []segment // by tag, without gaps; those below all unsettled tags are forgotten
	next      uint64    // the tag of the next record
	settled   broker.Marks
	unsettled int
}

// segment is a run of tags whose sequences are consecutive, too.
type segment struct{ tag, sequence, n uint64 }

func newLedger() ledger { return ledger{next: 1, settled: broker.NewMarks(1)} }

// publish notes n records with the sequences first, first+1, …
func (l *ledger) publish(first uint64, n int) {
	k := len(l.segments)
	if k > 0 && l.segments[k-1].sequence+l.segments[k-1].n == first {
		l.segments[k-1].n += uint64(n)
	} else {
		l.segments = append(l.segments, segment{l.next, first, uint64(n)})
	}
	l.next += uint64(n)
	l.unsettled += n
}

// done is how many records are settled.
func (l *ledger) done() uint64 { return l.next - 1 - uint64(l.unsettled) }

// settle takes a basic.ack or basic.nack of the broker and tells the ranges of sequences that it settles and nothing has settled before.
// Tags that were never published are ignored.
func (l *ledger) settle(tag uint64, multiple bool, tell func(first, last uint64)) {
	first, last := tag, min(tag, l.next-1)
	if multiple {
		first = l.settled.Low()
		if tag == 0 { // all that was published
			last = l.next - 1
		}
	}
	if first == 0 || first > last {
		return
	}
	l.settled.Missing(first, last, func(first, last uint64) {
		l.unsettled -= int(last - first + 1)
		l.sequences(first, last, tell)
	})
	l.settled.Add(first, last)
	l.forget()
}

// sequences tells the ranges of sequences that the tags first to last have.
func (l *ledger) sequences(first, last uint64, tell func(first, last uint64)) {
	for i := l.find(first); first <= last && i < len(l.segments); i++ {
		s := l.segments[i]
		end := min(last, s.tag+s.n-1)
		tell(s.sequence+first-s.tag, s.sequence+end-s.tag)
		first = end + 1
	}
}

// find is the segment that holds the tag.
func (l *ledger) find(tag uint64) int {
	i, _ := slices.BinarySearchFunc(l.segments, tag, func(s segment, tag uint64) int {
		if s.tag+s.n <= tag {
			return -1
		}
		return 1
	})
	return i
}

func (l *ledger) forget() {
	if k := l.find(l.settled.Low()); k > 0 {
		l.segments = slices.Delete(l.segments, 0, k)
	}
}

// returned settles the first unsettled publishing of the sequence: what confirms it later tells nothing. False when there is none.
func (l *ledger) returned(sequence uint64) bool {
	for _, s := range l.segments {
		if sequence < s.sequence || sequence-s.sequence >= s.n {
			continue
		}
		tag := s.tag + sequence - s.sequence
		if l.settled.Has(tag) {
			continue
		}
		l.settled.Add(tag, tag)
		l.unsettled--
		l.forget()
		return true
	}
	return false
}

// ranges gathers ranges, joining one that follows the last.
type ranges []broker.Range

func (r *ranges) add(first, last uint64) {
	if k := len(*r); k > 0 && (*r)[k-1].Last+1 == first {
		(*r)[k-1].Last = last
		return
	}
	*r = append(*r, broker.Range{First: first, Last: last})
}
