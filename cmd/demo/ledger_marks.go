package main

import "time"

// mark waits for the first record that was attempted after a time of the run and got through: on a stream and in fan-out, to each reader.
type mark struct {
	from    time.Duration
	left    []bool // views that have had none yet
	reached func(at time.Duration)
}

// mark calls reached once, while the ledger is locked, when a record that was attempted from that time on has been delivered everywhere.
func (l *ledger) mark(from time.Duration, reached func(at time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &mark{from: from, left: make([]bool, len(l.views)), reached: reached}
	for i := range m.left {
		m.left[i] = true
	}
	l.marks = append(l.marks, m)
}

// reached looks which marks a first delivery concerns.
func (l *ledger) reached(view int, id *identity, now time.Duration) {
	rest := l.marks[:0]
	for _, m := range l.marks {
		if id.at >= m.from {
			m.left[view] = false
		}
		if contains(m.left, true) {
			rest = append(rest, m)
		} else {
			m.reached(now)
		}
	}
	l.marks = rest
}

// excuse notes that what carries the records was deleted: whatever was attempted until now may have gone with it, and is not lost by weir.
func (l *ledger) excuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleted++
	for i := range l.writers {
		l.writers[i].excused = l.writers[i].attempted
	}
}

// excused counts what was confirmed, went with what was deleted, and so was not delivered.
func (l *ledger) excused(v *view) (n int) {
	for i := range l.writers {
		if w := &l.writers[i]; w.excused > 0 {
			n += w.confirmed.withoutBelow(w.excused, v.delivered[i])
		}
	}
	return n
}

// everywhere says whether a record was delivered to all who must have it.
func (l *ledger) everywhere(writer int, seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.views {
		if !l.views[i].delivered[writer].has(seq) {
			return false
		}
	}
	return true
}
