package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// ledger is what became of each record of one writer: what was attempted, what it was told, what was handed to a reader.
type ledger struct {
	writer byte
	size   int
	all    []entry
	views  []view
	stamp  int  // counts the beginnings and ends of Writes
	single bool // all goes one way, so Writes that overlap are in order, too
}

// attempt is one Write.
type attempt struct {
	awaited      bool // see messages.Write
	began, ended int  // by stamp; 0: not yet
	last         int  // entry that was seen of it, while order is checked
}

// view is what a reader got, or of a queue what all did together.
type view struct {
	all   []receipt // of each entry
	first []int     // entries in the order of their first deliveries
}

type receipt struct {
	delivered int
	committed int // by its reader, and not refused
}

type entry struct {
	of       *attempt
	answered bool
	outcome  messages.Outcome
	gone     bool // the queue was deleted after it was attempted: it may be lost by that
}

// attempt makes the bodies of n more records.
func (l *ledger) attempt(n int, awaited bool) (from int, records []broker.Record) {
	l.stamp++
	of := &attempt{awaited: awaited, began: l.stamp}
	from = len(l.all)
	records = make([]broker.Record, n)
	slab := make([]byte, n*l.size)
	for i := range records {
		body := slab[i*l.size : (i+1)*l.size : (i+1)*l.size]
		body[0] = l.writer
		binary.BigEndian.PutUint32(body[1:], uint32(from+i))
		for k := 5; k < len(body); k++ {
			body[k] = byte(from + i + k)
		}
		records[i].Body = body
	}
	for range n {
		l.all = append(l.all, entry{of: of})
	}
	for i := range l.views {
		l.views[i].all = append(l.views[i].all, make([]receipt, n)...)
	}
	return from, records
}

// answered takes in what the writer was told of its records.
func (l *ledger) answered(from int, outcomes []messages.Outcome) {
	l.stamp++
	l.all[from].of.ended = l.stamp
	for i, outcome := range outcomes {
		e := &l.all[from+i]
		e.answered, e.outcome = true, outcome
	}
}

// handed takes in that a reader got the record. False: nobody attempted it, or it is damaged.
func (l *ledger) handed(body []byte, view int) (again, ok bool) {
	n := int(binary.BigEndian.Uint32(body[1:]))
	if len(body) != l.size || n >= len(l.all) {
		return false, false
	}
	for k := 5; k < len(body); k++ {
		if body[k] != byte(n+k) {
			return false, false
		}
	}
	v := &l.views[view]
	v.all[n].delivered++
	if v.all[n].delivered == 1 {
		v.first = append(v.first, n)
	}
	return v.all[n].delivered > 1, true
}

// commit takes in that a reader is done with a record (1), or that its commit was refused (-1), so that it must come again.
func (l *ledger) commit(body []byte, n, view int) {
	l.views[view].all[binary.BigEndian.Uint32(body[1:])].committed += n
}

// queueGone: what was attempted so far may be lost with the queue.
func (l *ledger) queueGone() {
	for i := range l.all {
		l.all[i].gone = true
	}
}

// check gives what is wrong with the records in the end. Order is that of first deliveries among what was confirmed: a withdrawn record that was on its
// way may come at any time, and what was lost with its queue comes when it is published again.
func (l *ledger) check(ordered bool, bad func(format string, args ...any)) {
	for i := range l.views {
		if err := l.records(&l.views[i]); err != nil {
			bad("%v (reader %d)", err, i)
			return
		}
		if err := l.order(&l.views[i]); ordered && err != nil {
			bad("%v (reader %d)", err, i)
			return
		}
	}
}

func (l *ledger) records(v *view) error {
	for n := range l.all {
		e, got := &l.all[n], &v.all[n]
		switch {
		case l.due(n) && got.delivered == 0:
			return fmt.Errorf("lost: record %d of writer %d was confirmed and never delivered", n, l.writer)
		case l.due(n) && got.committed == 0:
			return fmt.Errorf("lost: record %d of writer %d was confirmed and delivered, but nobody could commit it", n, l.writer)
		case e.answered && e.outcome == messages.NotSent && got.delivered > 0:
			return fmt.Errorf("untrue: record %d of writer %d was said to be not sent, and was delivered", n, l.writer)
		}
	}
	return nil
}

// due says whether the record must be delivered.
func (l *ledger) due(n int) bool {
	e := &l.all[n]
	return e.answered && e.outcome == messages.ConfirmedByBroker && !e.gone
}

// missing counts what must be delivered yet, or committed.
func (l *ledger) missing() (count int) {
	for i := range l.views {
		for n, got := range l.views[i].all {
			if l.due(n) && got.committed == 0 {
				count++
			}
		}
	}
	return count
}

func (l *ledger) order(v *view) error {
	for n := range l.all {
		l.all[n].of.last = 0
	}
	latest := 0 // beginning of a Write of which something was delivered
	for _, n := range v.first {
		if !l.due(n) {
			continue
		}
		w := l.all[n].of
		until := w.began
		if w.awaited && !l.single { // what begins before its end may overtake it
			until = w.ended
		}
		if latest > until || n < w.last {
			return fmt.Errorf("order: record %d of writer %d was first delivered after one that was written later", n, l.writer)
		}
		w.last, latest = n, max(latest, w.began)
	}
	return nil
}
