package ledger

import (
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
)

// Promise is what the log is held against: docs/design.md, "What it promises".
type Promise struct {
	Ordered    bool // first deliveries come in the order written
	Duplicates int  // the most that there may be
}

// Fates is what became of the records of a run.
type Fates struct {
	Attempted, Confirmed, Unknown int
	Excused                       int // were confirmed, and went with their queue
	Lost                          int // confirmed, never delivered
	Uncommitted                   int // confirmed and delivered, but nobody could commit it
	Unexpected                    int // delivered, never attempted
	Untrue                        int // delivered, and said to be not sent
	Corrupted                     int
	Duplicated                    int // deliveries beyond the first, over all views
	Reordered                     int // first deliveries to a reader that had seen a later record of the same writer

	// LostAt is when each lost record was confirmed, DuplicatedAt when it came again.
	LostAt, DuplicatedAt []time.Duration
	example              map[string]string
}

// Missing is how many confirmed records have not arrived, or are not committed.
func (f *Fates) Missing() int { return f.Lost + f.Uncommitted }

// note keeps the first example of each sort.
func (f *Fates) note(what, format string, args ...any) {
	if f.example[what] == "" {
		f.example[what] = fmt.Sprintf(format, args...)
	}
}

// Bad gives what must not be.
func (f *Fates) Bad(p Promise) (bad []string) {
	for _, c := range []struct {
		what string
		n    int
	}{{"lost", f.Lost}, {"uncommitted", f.Uncommitted}, {"unexpected", f.Unexpected}, {"untrue", f.Untrue}, {"corrupted", f.Corrupted}} {
		if c.n > 0 {
			bad = append(bad, fmt.Sprintf("%s: %d records; %s", c.what, c.n, f.example[c.what]))
		}
	}
	if f.Reordered > 0 && p.Ordered {
		bad = append(bad, fmt.Sprintf("reordered: %d records; %s", f.Reordered, f.example["reordered"]))
	}
	if f.Duplicated > p.Duplicates {
		bad = append(bad, fmt.Sprintf("duplicated: %d records, %d are allowed; %s", f.Duplicated, p.Duplicates, f.example["duplicated"]))
	}
	return bad
}

// receipt is what a view got of one record.
type receipt struct {
	delivered int
	committed bool
}

// Fates computes what became of the records.
func (l *Log) Fates() *Fates {
	f := &Fates{example: map[string]string{}}
	views := 0
	for i := range l.Readers {
		views = max(views, l.Readers[i].View+1)
	}
	for view := range views {
		got := make([][]receipt, len(l.Writers))
		for w := range got {
			got[w] = make([]receipt, len(l.Writers[w]))
		}
		for reader := range l.Readers {
			if l.Readers[reader].View == view {
				l.delivered(f, reader, got)
			}
		}
		l.due(f, view, got)
	}
	for w := range l.Writers {
		l.written(f, l.Writers[w])
	}
	return f
}

func (l *Log) written(f *Fates, all []Attempt) {
	f.Attempted += len(all)
	for i := range all {
		switch a := &all[i]; {
		case !a.settled() || a.Outcome == weir.Unknown:
			f.Unknown++
		case a.Outcome == weir.Confirmed:
			f.Confirmed++
		}
	}
}

// delivered goes through what one reader was handed. First deliveries are those of the view; which of two readers came first when both had a record is the log's to say, and order is looked at
// within each reader only.
func (l *Log) delivered(f *Fates, reader int, got [][]receipt) {
	last := make([]int64, len(l.Writers))
	for i := range last {
		last[i] = -1
	}
	for _, d := range l.Readers[reader].Deliveries {
		switch {
		case d.Corrupted:
			f.Corrupted++
			f.note("corrupted", "reader %d at %v", reader, d.At)
			continue
		case d.Run != l.Run || int(d.Writer) >= len(l.Writers) || d.Seq >= uint64(len(l.Writers[d.Writer])):
			f.Unexpected++
			f.note("unexpected", "record %d of writer %d of run %x, reader %d at %v", d.Seq, d.Writer, d.Run, reader, d.At)
			continue
		}
		a, r := &l.Writers[d.Writer][d.Seq], &got[d.Writer][d.Seq]
		r.delivered++
		r.committed = r.committed || d.Committed
		switch {
		case r.delivered > 1:
			f.Duplicated++
			f.DuplicatedAt = append(f.DuplicatedAt, d.At)
			f.note("duplicated", "record %d of writer %d, reader %d at %v", d.Seq, d.Writer, reader, d.At)
		case !l.Due(a): // one that was withdrawn on its way, or published again after a deletion, may come at any time
		case int64(d.Seq) < last[d.Writer]:
			f.Reordered++
			f.note("reordered", "record %d of writer %d behind %d, reader %d at %v", d.Seq, d.Writer, last[d.Writer], reader, d.At)
		default:
			last[d.Writer] = int64(d.Seq)
		}
	}
}

// due goes through what must have come.
func (l *Log) due(f *Fates, view int, got [][]receipt) {
	for w := range l.Writers {
		for seq := range l.Writers[w] {
			a, r := &l.Writers[w][seq], got[w][seq]
			switch {
			case r.delivered > 0 && a.settled() && a.Outcome == weir.NotSent:
				f.Untrue++
				f.note("untrue", "record %d of writer %d", seq, w)
			case !l.Due(a):
				if r.delivered == 0 && a.settled() && a.Outcome == weir.Confirmed {
					f.Excused++
				}
			case r.delivered == 0:
				f.Lost++
				f.LostAt = append(f.LostAt, a.Settled)
				f.note("lost", "record %d of writer %d, attempted at %v, confirmed at %v, for view %d", seq, w, a.At, a.Settled, view)
			case !r.committed:
				f.Uncommitted++
				f.note("uncommitted", "record %d of writer %d, confirmed at %v, in view %d", seq, w, a.Settled, view)
			}
		}
	}
}

// Due says whether the record must arrive.
func (l *Log) Due(a *Attempt) bool {
	if !a.settled() || a.Outcome != weir.Confirmed {
		return false
	}
	for _, at := range l.Deleted {
		if a.At <= at {
			return false
		}
	}
	return true
}

// Recovered gives when the first record that was attempted from then on had arrived in every view.
func (l *Log) Recovered(from time.Duration) (at time.Duration, ok bool) {
	first := map[int]time.Duration{}
	for _, r := range l.Readers {
		for _, d := range r.Deliveries {
			known := !d.Corrupted && d.Run == l.Run && int(d.Writer) < len(l.Writers) && d.Seq < uint64(len(l.Writers[d.Writer]))
			if !known || d.At < from || l.Writers[d.Writer][d.Seq].At < from {
				continue
			}
			if was, has := first[r.View]; !has || d.At < was {
				first[r.View] = d.At
			}
			break
		}
	}
	for _, r := range l.Readers {
		mine, has := first[r.View]
		if !has {
			return 0, false
		}
		at = max(at, mine)
	}
	return at, true
}
