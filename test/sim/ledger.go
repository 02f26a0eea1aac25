package sim

import (
	"encoding/binary"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// ledger is what became of each record of one writer: what was attempted, what it was told, what was handed to a reader.
type ledger struct {
	writer byte
	size   int
	all    []entry
	first  []int // entries in the order of their first deliveries
}

type entry struct {
	answered  bool
	outcome   messages.Outcome
	delivered int
	committed int  // by its reader, and not refused
	gone      bool // the queue was deleted after it was attempted: it may be lost by that
}

// attempt makes the bodies of n more records.
func (l *ledger) attempt(n int) (from int, records []broker.Record) {
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
	l.all = append(l.all, make([]entry, n)...)
	return from, records
}

// answered takes in what the writer was told of its records.
func (l *ledger) answered(from int, outcomes []messages.Outcome) {
	for i, outcome := range outcomes {
		e := &l.all[from+i]
		e.answered, e.outcome = true, outcome
	}
}

// handed takes in that a reader got the record. False: nobody attempted it, or it is damaged.
func (l *ledger) handed(body []byte) (again, ok bool) {
	n := int(binary.BigEndian.Uint32(body[1:]))
	if len(body) != l.size || n >= len(l.all) {
		return false, false
	}
	for k := 5; k < len(body); k++ {
		if body[k] != byte(n+k) {
			return false, false
		}
	}
	e := &l.all[n]
	e.delivered++
	if e.delivered == 1 {
		l.first = append(l.first, n)
	}
	return e.delivered > 1, true
}

// commit takes in that a reader is done with a record (1), or that its commit was refused (-1), so that it must come again.
func (l *ledger) commit(body []byte, n int) {
	l.all[binary.BigEndian.Uint32(body[1:])].committed += n
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
	for n := range l.all {
		e := &l.all[n]
		switch {
		case e.answered && e.outcome == messages.ConfirmedByBroker && e.delivered == 0 && !e.gone:
			bad("lost: record %d of writer %d was confirmed and never delivered", n, l.writer)
			return
		case e.answered && e.outcome == messages.ConfirmedByBroker && e.committed == 0 && !e.gone:
			bad("lost: record %d of writer %d was confirmed and delivered, but nobody could commit it", n, l.writer)
			return
		case e.answered && e.outcome == messages.NotSent && e.delivered > 0:
			bad("untrue: record %d of writer %d was said to be not sent, and was delivered", n, l.writer)
			return
		}
	}
	if !ordered {
		return
	}
	last := -1
	for _, n := range l.first {
		if e := &l.all[n]; !e.answered || e.outcome != messages.ConfirmedByBroker || e.gone {
			continue
		}
		if n < last {
			bad("order: record %d of writer %d was first delivered after %d", n, l.writer, last)
			return
		}
		last = n
	}
}
