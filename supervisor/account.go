package supervisor

import (
	"slices"
	"sort"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// account is a writer's account of what is unconfirmed: it outlives every producer. Each record gets a sequence when it is admitted; sequences are absolute, so a
// confirm of a dead incarnation is as true as any. A nacked record gets a new sequence, at the tail.
type account struct {
	limits   limits
	next     uint64                     // sequence of the next record
	runs     []run                      // in rising order, with gaps where settled ones were; the first is not wholly settled
	hollow   int                        // of them are wholly settled
	settled  broker.Marks               // confirmed or given up
	sentTo   uint64                     // all below are with the current producer, or settled
	everSent uint64                     // all below have been with some producer
	inFlight int                        // records below sentTo that are not settled
	bytes    int                        // of those
	open     int                        // records that are not settled
	bound    int                        // of those, of writes that are not awaited: what comes behind them has an order
	loose    int                        // records apart from the order that were withdrawn, and are not settled
	index    map[*messages.Write]*write // that have no answer yet; nil until one is withdrawn
	finished []*write                   // reused by settle
}

// limits bound what is in flight and how large a run from actor to actor is.
type limits struct{ records, bytes, runRecords, runBytes int }

// write is one Write that is under way.
type write struct {
	request *messages.Write
	reply   func(*messages.Written)
	first   uint64 // no sequence of it is lower
	left    int    // records that are not settled, until it is given
	given   bool   // it was withdrawn: its answer is given, and what is in flight is not sent again
	// returned marks records that came back for want of a queue and were not sent again since; nil: none.
	returned []bool
}

// run is a run of records of one write: sequences first … first+n-1 are its records from, from+1, ….
type run struct {
	first uint64
	n     int
	open  int    // records that are not settled
	of    *write // nil when none is open: the records go as soon as nothing waits for them
	from  int
	again bool // it was negatively acknowledged before: a queue of several may have it
	apart bool // it was sent apart from the order
}

func (r *run) last() uint64 { return r.first + uint64(r.n) - 1 }

// index gives the index, in its write, of a sequence of the run.
func (r *run) index(sequence uint64) int { return r.from + int(sequence-r.first) }

func (r *run) records(first, last uint64) []broker.Record {
	i, j := r.index(first), r.index(last)+1
	return r.of.request.Records[i:j:j]
}

func newAccount(l limits) account {
	return account{limits: l, next: 1, settled: broker.NewMarks(1), sentTo: 1, everSent: 1}
}

// admit takes a write in, behind all others.
func (a *account) admit(w *write) {
	w.first, w.left = a.next, len(w.request.Records)
	if a.index != nil {
		a.index[w.request] = w
	}
	a.append(run{n: w.left, of: w})
}

func (a *account) append(r run) {
	r.first, r.open = a.next, r.n
	a.runs = append(a.runs, r)
	a.next += uint64(r.n)
	a.open += r.n
	if !r.of.request.Awaited {
		a.bound += r.n
	}
}

// at gives the index of the run that holds the sequence, or of the first one behind it.
func (a *account) at(sequence uint64) int {
	return sort.Search(len(a.runs), func(i int) bool { return a.runs[i].last() >= sequence })
}

// take gives the next batch to publish, as far as the window allows, and counts it as sent. apart says that it has no order against anything under way: it is of whole
// writes that are awaited, and nothing before them is not. What was withdrawn is awaited no more, so all wait until that is settled.
func (a *account) take() (batch broker.Batch, apart, any bool) {
	if a.loose > 0 {
		return batch, false, false
	}
	size := 0
	for i := a.at(a.sentTo); i < len(a.runs); i++ {
		r := &a.runs[i]
		first, last, missing := a.unsent(r)
		if !missing {
			a.sentTo = max(a.sentTo, r.last()+1)
			continue
		}
		if len(batch.Records) > 0 && first != batch.Last()+1 {
			break
		}
		n, grown := a.fit(r.records(first, last), len(batch.Records), size)
		if n == 0 {
			break
		}
		whole := a.bound == 0 && n == len(r.of.request.Records)
		if len(batch.Records) > 0 && whole != apart {
			break
		}
		size, apart, r.apart = grown, whole, whole
		records := r.records(first, first+uint64(n)-1)
		switch k := len(batch.Records); {
		case k == 0:
			batch = broker.Batch{First: first, Records: records} // of a large write all: nothing is copied
		case k == cap(batch.Records): // those of the first write; the others are copied behind them, once
			most := min(a.limits.runRecords, k+a.open-a.inFlight, k+a.limits.records-a.inFlight)
			batch.Records = append(append(make([]broker.Record, 0, max(most, k+n)), batch.Records...), records...)
		default:
			batch.Records = append(batch.Records, records...)
		}
		a.sent(r, first, n)
		if a.sentTo <= r.last() {
			break // it did not all fit, or what comes next is settled: the batch ends there
		}
	}
	return batch, apart, len(batch.Records) > 0
}

// unsent gives the first range of the run that is neither sent nor settled.
func (a *account) unsent(r *run) (first, last uint64, any bool) {
	a.settled.Missing(max(r.first, a.sentTo), r.last(), func(f, l uint64) {
		if !any {
			first, last, any = f, l, true
		}
	})
	return first, last, any
}

// fit says how many of the records fit into the window and into the batch that has n of size bytes, and how large that is then.
func (a *account) fit(records []broker.Record, n, size int) (fits, grown int) {
	part := 0
	for i := range records {
		length := len(records[i].Body)
		batchFull := n+i >= a.limits.runRecords || n+i > 0 && size+part+length > a.limits.runBytes
		windowFull := a.inFlight+i >= a.limits.records || a.inFlight+i > 0 && a.bytes+part+length > a.limits.bytes
		if batchFull || windowFull {
			return i, size + part
		}
		part += length
	}
	return len(records), size + part
}

func (a *account) sent(r *run, first uint64, n int) {
	last := first + uint64(n) - 1
	a.sentTo = last + 1
	a.everSent = max(a.everSent, a.sentTo)
	a.inFlight += n
	for _, rec := range r.records(first, last) {
		a.bytes += len(rec.Body)
	}
	if r.of.returned != nil {
		clear(r.of.returned[r.index(first) : r.index(last)+1])
	}
}

// confirmed takes in that the broker has first to last, and gives the writes that are done by that. The slice is valid until the next call.
func (a *account) confirmed(first, last uint64) []*write {
	a.finished = a.finished[:0]
	a.settle(first, last, func(r *run, f, l uint64) {
		w := r.of
		w.left -= int(l - f + 1)
		if w.left == 0 && !w.given {
			a.answered(w)
			a.finished = append(a.finished, w)
		}
	})
	return a.finished
}

// answered notes that a write gets its answer.
func (a *account) answered(w *write) {
	w.given = true
	if a.index[w.request] == w {
		delete(a.index, w.request)
	}
}

// find gives the write of a request that has no answer yet. What finds it is made when it is asked for first, and kept until nothing is open: most writes are never
// withdrawn, and after a long outage very many are.
func (a *account) find(request *messages.Write) *write {
	if a.index == nil {
		a.index = map[*messages.Write]*write{}
		for i := range a.runs {
			if w := a.runs[i].of; w != nil && !w.given {
				a.index[w.request] = w
			}
		}
	}
	return a.index[request]
}

// nacked admits the records again, at the tail; how many.
func (a *account) nacked(first, last uint64) (again int) {
	var back []run
	a.settle(first, last, func(r *run, f, l uint64) {
		if !r.of.given {
			back = append(back, run{n: int(l - f + 1), of: r.of, from: r.index(f), again: true})
		}
	})
	for _, r := range back {
		a.append(r)
		again += r.n
	}
	return again
}

// cameBack takes in that records were returned for want of a queue. They stay open: the next producer publishes them again.
func (a *account) cameBack(first, last uint64) {
	for i := a.at(first); i < len(a.runs) && a.runs[i].first <= last; i++ {
		r := &a.runs[i]
		if r.of == nil {
			continue
		}
		if r.of.returned == nil {
			r.of.returned = make([]bool, len(r.of.request.Records))
		}
		for s := max(first, r.first); s <= min(last, r.last()); s++ {
			r.of.returned[r.index(s)] = true
		}
	}
}

// settle settles what of first to last is open, and calls f for each run's part of it.
func (a *account) settle(first, last uint64, f func(r *run, first, last uint64)) {
	last = min(last, a.next-1)
	if last < first {
		return
	}
	a.settled.Missing(first, last, func(first, last uint64) {
		for i := a.at(first); i < len(a.runs) && a.runs[i].first <= last; i++ {
			r := &a.runs[i]
			from, to := max(first, r.first), min(last, r.last())
			a.uncount(r, from, to)
			f(r, from, to)
			if r.open == 0 {
				r.of = nil
				a.hollow++
			}
		}
	})
	a.settled.Add(first, last)
	a.drop()
}

func (a *account) uncount(r *run, first, last uint64) {
	n := int(last - first + 1)
	a.open -= n
	r.open -= n
	if !r.of.request.Awaited {
		a.bound -= n
	}
	if r.of.given && r.apart {
		a.loose -= n
	}
	if first >= a.sentTo {
		return
	}
	last = min(last, a.sentTo-1)
	a.inFlight -= int(last - first + 1)
	for _, rec := range r.records(first, last) {
		a.bytes -= len(rec.Body)
	}
}

// drop forgets the runs that are wholly settled: at once at the front, behind it when they are more than half.
func (a *account) drop() {
	k := 0
	for k < len(a.runs) && a.runs[k].open == 0 {
		k++
	}
	a.runs = a.runs[k:]
	a.hollow -= k
	switch {
	case len(a.runs) == 0:
		a.runs, a.index = nil, nil
	case 2*a.hollow > len(a.runs):
		a.runs = slices.DeleteFunc(a.runs, func(r run) bool { return r.open == 0 })
		a.hollow = 0
	}
	a.sentTo = max(a.sentTo, a.settled.Low())
}

// rewind makes everything that is not settled unsent: the producer has ended. What was withdrawn is not sent again.
func (a *account) rewind() {
	var withdrawn []run
	for i := 0; i < len(a.runs) && a.runs[i].first < a.sentTo; i++ { // what was not sent was settled when it was withdrawn
		if r := a.runs[i]; r.of != nil && r.of.given {
			withdrawn = append(withdrawn, r)
		}
	}
	for _, r := range withdrawn {
		a.settle(r.first, r.last(), func(*run, uint64, uint64) {})
	}
	a.sentTo, a.inFlight, a.bytes = a.settled.Low(), 0, 0
}

// withdraw ends a write: the outcomes of its records, or nil when it has ended already. What was never sent will not be.
func (a *account) withdraw(request *messages.Write) (*write, []messages.Outcome) {
	w := a.find(request)
	if w == nil {
		return nil, nil
	}
	outcomes, runs := confirmedAll(w), a.openRuns(w)
	for i := range runs {
		a.note(&runs[i], outcomes)
	}
	a.answered(w)
	for i := range runs {
		if runs[i].apart {
			a.loose += runs[i].open
		}
	}
	for _, r := range runs { // what is not with a producer now is given up
		a.settle(max(r.first, a.sentTo), r.last(), func(*run, uint64, uint64) {})
	}
	return w, outcomes
}

// openRuns gives the runs of a write that has no answer yet. There is one, unless some of it was negatively acknowledged.
func (a *account) openRuns(w *write) (runs []run) {
	left := w.left
	for i := a.at(w.first); left > 0; i++ {
		if r := a.runs[i]; r.of == w {
			runs = append(runs, r)
			left -= r.open
		}
	}
	return runs
}

func confirmedAll(w *write) []messages.Outcome {
	out := make([]messages.Outcome, len(w.request.Records))
	for i := range out {
		out[i] = messages.ConfirmedByBroker
	}
	return out
}

// note puts down what is known of a run's records that are not settled.
func (a *account) note(r *run, out []messages.Outcome) {
	a.settled.Missing(r.first, r.last(), func(first, last uint64) {
		for s := first; s <= last; s++ {
			out[r.index(s)] = a.outcome(r, s)
		}
	})
}

func (a *account) outcome(r *run, sequence uint64) messages.Outcome {
	switch {
	case r.of.returned != nil && r.of.returned[r.index(sequence)]:
		return messages.Unroutable
	case sequence < a.everSent, r.again:
		return messages.Unknown
	}
	return messages.NotSent
}

// left counts the records that are not settled: those that the broker may have, and those that were never handed to it.
func (a *account) left() (unknown, notSent int) {
	for i := range a.runs {
		r := &a.runs[i]
		if r.of == nil {
			continue
		}
		a.settled.Missing(r.first, r.last(), func(first, last uint64) {
			for s := first; s <= last; s++ {
				if a.outcome(r, s) == messages.NotSent {
					notSent++
				} else {
					unknown++
				}
			}
		})
	}
	return unknown, notSent
}

// giveUp empties the account and calls f for each write that has no answer yet, in their order, with the outcomes of its records.
func (a *account) giveUp(f func(*write, []messages.Outcome)) {
	var left []*write
	outcomes := map[*write][]messages.Outcome{} // in one pass: after a long outage there may be very many
	for i := range a.runs {
		r := &a.runs[i]
		if r.of == nil || r.of.given {
			continue
		}
		if outcomes[r.of] == nil {
			outcomes[r.of] = confirmedAll(r.of)
			left = append(left, r.of)
		}
		a.note(r, outcomes[r.of])
	}
	for _, w := range left {
		a.answered(w)
		f(w, outcomes[w])
	}
	a.settled.Add(0, a.next-1)
	a.runs, a.hollow, a.open, a.bound, a.loose, a.inFlight, a.bytes, a.sentTo = nil, 0, 0, 0, 0, 0, 0, a.next
}
