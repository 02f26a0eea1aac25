package main

import (
	"sync"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// ledger knows of every record of a run what became of it, by the identity that the record carries: one set of bits for each writer and fate. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	run     uint64
	writers []writerAccount
	views   []view
	readers []readerAccount
	latency histogram // of first deliveries
	last    time.Duration
	marks   []*mark
	deleted int // times that what carries the records was deleted
}

// writerAccount is what was tried for one writer.
type writerAccount struct {
	attempted uint64 // all sequences below it
	confirmed bitset
	unsent    bitset // never handed to the broker after all
	excused   uint64 // all sequences below it may have gone with what was deleted
}

// view is a set of readers that share the records: each must get to one of them. In fan-out each reader is a view of its own.
type view struct {
	delivered []bitset // by writer
	committed []bitset // the same
	first     int
	missing   int // confirmed and not delivered, so far
}

// readerAccount is what one reader saw.
type readerAccount struct {
	view                              int
	next                              []uint64 // by writer: one more than the greatest sequence that it saw for the first time
	received, duplicated, reordered   int
	corrupted, unexpected, firstTimes int
}

func newLedger(run uint64, writers, readers int, fanOut bool) *ledger {
	l := &ledger{run: run, writers: make([]writerAccount, writers), readers: make([]readerAccount, readers), views: make([]view, 1)}
	if fanOut {
		l.views = make([]view, readers)
	}
	for i := range l.views {
		l.views[i].delivered, l.views[i].committed = make([]bitset, writers), make([]bitset, writers)
	}
	for i := range l.readers {
		l.readers[i].next = make([]uint64, writers)
		if fanOut {
			l.readers[i].view = i
		}
	}
	return l
}

// attempt notes that a writer is about to send n records, and gives the sequence of the first.
func (l *ledger) attempt(writer, n int) (first uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.writers[writer]
	first = w.attempted
	w.attempted += uint64(n)
	return first
}

// confirm notes that the broker has confirmed n records.
func (l *ledger) confirm(writer int, first uint64, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq := first; seq < first+uint64(n); seq++ {
		l.confirmOne(writer, seq)
	}
}

func (l *ledger) confirmOne(writer int, seq uint64) {
	if l.writers[writer].confirmed.add(seq) {
		return
	}
	for i := range l.views {
		if !l.views[i].delivered[writer].has(seq) {
			l.views[i].missing++
		}
	}
}

// settle notes the outcomes of a write that did not end with all records confirmed.
func (l *ledger) settle(writer int, first uint64, outcomes []messages.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, outcome := range outcomes {
		seq := first + uint64(i)
		switch outcome {
		case messages.ConfirmedByBroker:
			l.confirmOne(writer, seq)
		case messages.NotSent:
			l.writers[writer].unsent.add(seq)
		}
	}
}

// deliver notes what a reader was handed at that time of the run.
func (l *ledger) deliver(reader int, records [][]byte, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.readers[reader]
	for _, record := range records {
		r.received++
		id, ok := readIdentity(record)
		switch {
		case !ok:
			r.corrupted++
		case id.run != l.run || int(id.writer) >= len(l.writers) || id.seq >= l.writers[id.writer].attempted:
			r.unexpected++
		default:
			l.deliverOne(r, &id, now)
		}
	}
}

func (l *ledger) deliverOne(r *readerAccount, id *identity, now time.Duration) {
	v := &l.views[r.view]
	if v.delivered[id.writer].add(id.seq) {
		r.duplicated++
		return
	}
	r.firstTimes++
	v.first++
	l.last = now
	if l.writers[id.writer].confirmed.has(id.seq) {
		v.missing--
	}
	if id.seq < r.next[id.writer] {
		r.reordered++
	} else {
		r.next[id.writer] = id.seq + 1
	}
	l.latency.add(now - id.at)
	l.reached(r.view, id, now)
}

// commit notes that a reader has committed what it was handed.
func (l *ledger) commit(reader int, records [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &l.views[l.readers[reader].view]
	for _, record := range records {
		if id, ok := readIdentity(record); ok && id.run == l.run && int(id.writer) < len(l.writers) {
			v.committed[id.writer].add(id.seq)
		}
	}
}

// progress is what the ledger says while the run goes on.
type progress struct {
	Attempted                int
	Sent, Confirmed, Unknown int
	Delivered                int // first deliveries, over all readers
	Missing                  int // confirmed, not delivered yet
	Duplicated               int
	P50, P99                 time.Duration
}

// fates is what became of the records of a run.
type fates struct {
	// Attempted is Sent, and what never got as far as the broker: NotSent.
	Attempted int `json:"attempted"`
	NotSent   int `json:"not_sent"`
	Sent      int `json:"sent"`
	Confirmed int `json:"confirmed"`
	Unknown   int `json:"unknown"`   // sent, and whether the broker has them was never learnt
	Recovered int `json:"recovered"` // of these, delivered after all (to anybody)
	// Undelivered were confirmed and had not been delivered when the run was cut off: they may still be at the broker, so they do not count as lost.
	Undelivered int `json:"undelivered"`
	readerFates
	// Readers has more than one entry in fan-out, where each must get every record; otherwise one for all who share the load.
	Readers []readerFates `json:"readers"`
}

// readerFates is what became of the records on the way to those who share them.
type readerFates struct {
	Delivered  int `json:"delivered"`  // each counted once
	Committed  int `json:"committed"`  // of these, the commit said nil; what was handed over a second time and then committed counts, too
	Lost       int `json:"lost"`       // confirmed, never delivered
	Excused    int `json:"excused"`    // the same, but an experiment deleted what they were in
	Unexpected int `json:"unexpected"` // delivered, never sent in this run
	Corrupted  int `json:"corrupted"`  // the checksum is wrong
	Duplicated int `json:"duplicated"` // deliveries beyond the first
	Reordered  int `json:"reordered"`  // first deliveries to a reader that had seen a later record of the same writer
}

func (f *readerFates) add(o readerFates) {
	f.Delivered += o.Delivered
	f.Committed += o.Committed
	f.Lost += o.Lost
	f.Excused += o.Excused
	f.Unexpected += o.Unexpected
	f.Corrupted += o.Corrupted
	f.Duplicated += o.Duplicated
	f.Reordered += o.Reordered
}

// progress says how far the run is.
func (l *ledger) progress() (p progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Sent, p.Confirmed, p.Unknown = l.written()
	for i := range l.views {
		p.Delivered += l.views[i].first
		p.Missing += l.views[i].missing - l.excused(&l.views[i])
	}
	for i := range l.writers {
		p.Attempted += int(l.writers[i].attempted)
	}
	for i := range l.readers {
		p.Duplicated += l.readers[i].duplicated
	}
	p.P50, p.P99 = l.latency.quantile(0.5), l.latency.quantile(0.99)
	return p
}

func (l *ledger) written() (sent, confirmed, unknown int) {
	for i := range l.writers {
		w := &l.writers[i]
		sent += int(w.attempted) - w.unsent.count()
		confirmed += w.confirmed.count()
	}
	return sent, confirmed, sent - confirmed
}

// fates is the final account.
func (l *ledger) fates() (f fates) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Sent, f.Confirmed, f.Unknown = l.written()
	for i := range l.writers {
		f.Attempted += int(l.writers[i].attempted)
		f.Recovered += l.recovered(i)
	}
	f.NotSent = f.Attempted - f.Sent
	f.Readers = make([]readerFates, len(l.views))
	for i := range l.readers {
		r := &l.readers[i]
		f.Readers[r.view].add(readerFates{Unexpected: r.unexpected, Corrupted: r.corrupted, Duplicated: r.duplicated, Reordered: r.reordered})
	}
	for i := range l.views {
		v := &f.Readers[i]
		for w, delivered := range l.views[i].delivered {
			v.Delivered += delivered.count()
			v.Lost += l.writers[w].confirmed.without(delivered)
			v.Unexpected += delivered.and(l.writers[w].unsent)
			v.Committed += l.views[i].committed[w].count()
		}
		v.Excused = l.excused(&l.views[i])
		v.Lost -= v.Excused
		f.add(*v)
	}
	return f
}

// cutOff is for a run that did not wait for its records: nobody knows that they are lost.
func (f *fates) cutOff() {
	f.Undelivered, f.Lost = f.Lost, 0
	for i := range f.Readers {
		f.Readers[i].Lost = 0
	}
}

// recovered counts a writer's records whose outcome was never learnt and which somebody got.
func (l *ledger) recovered(writer int) int {
	var got bitset
	for i := range l.views {
		for word, w := range l.views[i].delivered[writer] {
			for word >= len(got) {
				got = append(got, 0)
			}
			got[word] |= w
		}
	}
	w := &l.writers[writer]
	return got.without(w.confirmed) - got.and(w.unsent)
}

// deliveries counts first deliveries: what a crash waits for.
func (l *ledger) deliveries() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i := range l.views {
		n += l.views[i].first
	}
	return uint64(n)
}
