package supervisor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// naive is the account as one would write it without thinking of cost: a list of records.
type naive struct {
	t        *testing.T
	rng      *rand.Rand
	limits   limits
	account  account
	list     []*entry // in order of their sequences
	writes   []*naiveWrite
	next     uint64
	answered map[*write]int // how often each write was told its end
	awaited  bool           // some writes are
}

type entry struct {
	sequence              uint64
	of                    *naiveWrite
	i                     int
	settled, with, ever   bool // with: the current producer has it; ever: some producer had it
	returned, nackedOnce  bool
	apart                 bool // it was published so last
	publishedSinceRewound int
}

type naiveWrite struct {
	w         *write
	given     bool
	confirmed []bool
}

func newNaive(t *testing.T, rng *rand.Rand, l limits) *naive {
	return &naive{t: t, rng: rng, limits: l, account: newAccount(l), next: 1, answered: map[*write]int{}}
}

func (n *naive) admit(count, size int) {
	request := &messages.Write{Awaited: n.awaited && n.rng.IntN(4) > 0}
	for range count {
		request.Records = append(request.Records, broker.Record{Body: make([]byte, n.rng.IntN(size+1))})
	}
	nw := &naiveWrite{w: &write{request: request}, confirmed: make([]bool, count)}
	n.writes = append(n.writes, nw)
	for i := range count {
		n.append(&entry{of: nw, i: i})
	}
	n.account.admit(nw.w)
}

func (n *naive) append(e *entry) {
	e.sequence = n.next
	n.next++
	n.list = append(n.list, e)
}

func (e *entry) size() int { return len(e.of.w.request.Records[e.i].Body) }

// inFlight gives records and bytes.
func (n *naive) inFlight() (records, bytes, open int) {
	for _, e := range n.list {
		if e.settled {
			continue
		}
		open++
		if e.with {
			records++
			bytes += e.size()
		}
	}
	return records, bytes, open
}

// take checks a batch against every rule: order, consecutive sequences, the window, the run, nothing twice; and that it is not smaller than it must be.
func (n *naive) take() bool {
	records, bytes, _ := n.inFlight()
	unsent := slices.DeleteFunc(slices.Clone(n.list), func(e *entry) bool { return e.settled || e.with })
	batch, apart, any := n.account.take()
	if n.loose() {
		if any {
			n.t.Fatalf("took %d records while some that are withdrawn may be overtaken", len(batch.Records))
		}
		return false
	}
	size, want := 0, 0
	for i, e := range unsent {
		if i > 0 && e.sequence != unsent[i-1].sequence+1 {
			break
		}
		windowFull := records >= n.limits.records || records > 0 && bytes+e.size() > n.limits.bytes
		runFull := i >= n.limits.runRecords || i > 0 && size+e.size() > n.limits.runBytes
		if windowFull || runFull {
			break
		}
		records, bytes, size, want = records+1, bytes+e.size(), size+e.size(), want+1
	}
	if k := len(batch.Records); k > 0 && k < want && !n.bound() && unsent[k-1].of != unsent[k].of {
		want = k // what comes behind has another order
	}
	if len(batch.Records) != want || any != (want > 0) {
		n.t.Fatalf("took %d records, %v; want %d of %d unsent", len(batch.Records), any, want, len(unsent))
	}
	if apart {
		n.checkApart(unsent[:want])
	}
	for i, e := range unsent[:want] {
		if i == 0 && batch.First != e.sequence {
			n.t.Fatalf("batch begins at %d, want %d", batch.First, e.sequence)
		}
		if own := e.of.w.request.Records[e.i].Body; len(own) != len(batch.Records[i].Body) || len(own) > 0 && &own[0] != &batch.Records[i].Body[0] {
			n.t.Fatalf("sequence %d is another record", e.sequence)
		}
		e.with, e.ever, e.returned, e.apart = true, true, false, apart
		if e.publishedSinceRewound++; e.publishedSinceRewound > 1 {
			n.t.Fatalf("sequence %d was published twice without a rewind", e.sequence)
		}
	}
	return any
}

// bound says whether something is open that has an order.
func (n *naive) bound() bool {
	return slices.ContainsFunc(n.list, func(e *entry) bool { return !e.settled && !e.of.w.request.Awaited })
}

// loose says whether something is under way apart from the order, and nobody waits for it any more.
func (n *naive) loose() bool {
	return slices.ContainsFunc(n.list, func(e *entry) bool { return !e.settled && e.of.given && e.apart })
}

// checkApart: it is of whole writes, and there is nothing that they have an order to.
func (n *naive) checkApart(batch []*entry) {
	if n.bound() {
		n.t.Fatal("a batch is apart from the order, and something that has one is open")
	}
	count := map[*naiveWrite]int{}
	for _, e := range batch {
		count[e.of]++
	}
	for nw, k := range count {
		if all := len(nw.w.request.Records); k != all {
			n.t.Fatalf("%d of a write's %d records are apart from the order", k, all)
		}
	}
}

// pick gives a random range of sequences, within those for which it holds at the ends.
func (n *naive) pick(holds func(*entry) bool) (chosen []*entry, any bool) {
	var at []int
	for i, e := range n.list {
		if holds(e) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil, false
	}
	i := at[n.rng.IntN(len(at))]
	j := i
	for most := n.rng.IntN(12); j+1 < len(n.list) && j-i < most && holds(n.list[j+1]); {
		j++
	}
	return n.list[i : j+1], true
}

func (n *naive) confirm() {
	chosen, any := n.pick(func(e *entry) bool { return e.ever }) // of a dead producer, or again: as true as any
	if !any {
		return
	}
	var done []*write
	for _, e := range chosen {
		if !e.settled {
			e.settled = true
			e.of.confirmed[e.i] = true
		}
	}
	for _, nw := range n.writes {
		if !nw.given && !slices.Contains(nw.confirmed, false) {
			nw.given = true
			done = append(done, nw.w)
		}
	}
	got := n.account.confirmed(chosen[0].sequence, chosen[len(chosen)-1].sequence)
	if len(got) != len(done) {
		n.t.Fatalf("confirming %d-%d ended %d writes, want %d", chosen[0].sequence, chosen[len(chosen)-1].sequence, len(got), len(done))
	}
	for _, w := range got {
		if !slices.Contains(done, w) {
			n.t.Fatal("another write was ended")
		}
		n.answered[w]++
	}
}

func (n *naive) nack() {
	chosen, any := n.pick(func(e *entry) bool { return e.with && !e.settled })
	if !any {
		return
	}
	first, last, want := chosen[0].sequence, chosen[len(chosen)-1].sequence, 0
	for _, e := range slices.Clone(chosen) {
		e.settled = true
		if !e.of.given {
			want++
			n.append(&entry{of: e.of, i: e.i, nackedOnce: true})
		}
	}
	if again := n.account.nacked(first, last); again != want {
		n.t.Fatalf("%d go again, want %d", again, want)
	}
}

func (n *naive) comeBack() {
	chosen, any := n.pick(func(e *entry) bool { return e.with && !e.settled })
	if !any {
		return
	}
	for _, e := range chosen {
		e.returned = true
	}
	n.account.cameBack(chosen[0].sequence, chosen[len(chosen)-1].sequence)
	n.rewind() // the producer fails by it
}

func (n *naive) rewind() {
	for _, e := range n.list {
		e.with, e.publishedSinceRewound = false, 0
		e.settled = e.settled || e.of.given
	}
	n.account.rewind()
}

func (n *naive) withdraw() {
	if len(n.writes) == 0 {
		return
	}
	nw := n.writes[n.rng.IntN(len(n.writes))]
	want := n.outcomes(nw)
	w, outcomes := n.account.withdraw(nw.w.request)
	if nw.given {
		if w != nil {
			n.t.Fatal("a write that has its answer was withdrawn")
		}
		return
	}
	if w != nw.w || !slices.Equal(outcomes, want) {
		n.t.Fatalf("outcomes %v, want %v", outcomes, want)
	}
	nw.given = true
	n.answered[w]++
	for _, e := range n.list {
		if e.of == nw && !e.with {
			e.settled = true
		}
	}
}

func (n *naive) outcomes(nw *naiveWrite) []messages.Outcome {
	out := make([]messages.Outcome, len(nw.confirmed))
	for _, e := range n.list {
		switch {
		case e.of != nw:
		case nw.confirmed[e.i]:
			out[e.i] = messages.ConfirmedByBroker
		case e.returned:
			out[e.i] = messages.Unroutable
		case e.ever, e.nackedOnce:
			out[e.i] = messages.Unknown
		}
	}
	return out
}

func (n *naive) check(op string) {
	n.checkMemory(op)
	records, bytes, open := n.inFlight()
	if a := &n.account; a.inFlight != records || a.bytes != bytes || a.open != open {
		n.t.Fatalf("after %s: in flight %d, bytes %d, open %d; want %d, %d, %d", op, a.inFlight, a.bytes, a.open, records, bytes, open)
	}
	if records > n.limits.records || bytes > n.limits.bytes && records > 1 {
		n.t.Fatalf("after %s: %d records of %d bytes are in flight, allowed are %d of %d", op, records, bytes, n.limits.records, n.limits.bytes)
	}
}

// checkMemory: what is wholly settled is not kept, whatever is open in front of it.
func (n *naive) checkMemory(op string) {
	a, hollow, total := &n.account, 0, 0
	for i := range a.runs {
		r := &a.runs[i]
		open := 0
		for _, e := range n.list {
			if !e.settled && e.sequence >= r.first && e.sequence <= r.last() {
				open++
			}
		}
		if r.open != open || (r.of == nil) != (open == 0) {
			n.t.Fatalf("after %s: run %d-%d counts %d open, want %d; its records are kept: %v", op, r.first, r.last(), r.open, open, r.of != nil)
		}
		if total += open; open == 0 {
			hollow++
		}
	}
	if total != a.open || hollow != a.hollow || 2*hollow > len(a.runs) || len(a.runs) > 0 && a.runs[0].open == 0 {
		n.t.Fatalf("after %s: %d of %d runs are hollow (it counts %d), %d records open of %d", op, hollow, len(a.runs), a.hollow, total, a.open)
	}
	waiting := 0
	for _, nw := range n.writes {
		if !nw.given {
			waiting++
		}
	}
	if a.index != nil && len(a.index) != waiting {
		n.t.Fatalf("after %s: %d writes are kept for a withdrawal, want %d", op, len(a.index), waiting)
	}
}

// giveUp ends it: every write has had exactly one answer then.
func (n *naive) giveUp() {
	var want, got []*write
	for _, nw := range n.writes {
		if !nw.given {
			want = append(want, nw.w)
		}
	}
	expected := map[*write][]messages.Outcome{}
	for _, nw := range n.writes {
		expected[nw.w] = n.outcomes(nw)
	}
	n.account.giveUp(func(w *write, outcomes []messages.Outcome) {
		got = append(got, w)
		n.answered[w]++
		if !slices.Equal(outcomes, expected[w]) {
			n.t.Fatalf("outcomes %v, want %v", outcomes, expected[w])
		}
	})
	if len(got) != len(want) {
		n.t.Fatalf("%d writes were given up, want %d", len(got), len(want))
	}
	for _, nw := range n.writes {
		if n.answered[nw.w] != 1 {
			n.t.Fatalf("a write of %d records had %d answers", len(nw.confirmed), n.answered[nw.w])
		}
	}
	if a := &n.account; a.open+a.inFlight+a.bytes+len(a.runs)+a.hollow+len(a.index) != 0 {
		n.t.Fatalf("%+v is left", *a)
	}
}

// step does one random thing and says which.
func (n *naive) step() string {
	switch k := n.rng.IntN(20); {
	case k < 4:
		n.admit(1+n.rng.IntN(10), 20)
		return "admit"
	case k < 10:
		n.take()
		return "take"
	case k < 15:
		n.confirm()
		return "confirm"
	case k < 16:
		n.nack()
		return "nack"
	case k < 17:
		n.comeBack()
		return "return"
	case k < 19:
		n.withdraw()
		return "withdraw"
	}
	n.rewind()
	return "rewind"
}

func TestAccountAgainstNaiveModel(t *testing.T) {
	for seed := range uint64(1500) {
		rng := rand.New(rand.NewPCG(seed, 7))
		l := limits{records: 1 + rng.IntN(30), bytes: 1 + rng.IntN(300), runRecords: 1 + rng.IntN(12), runBytes: 1 + rng.IntN(100)}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			n := newNaive(t, rng, l)
			n.awaited = seed%3 > 0
			for range 60 {
				n.check(n.step())
			}
			if seed%2 == 0 {
				n.settleAll()
			}
			n.giveUp()
		})
		if t.Failed() {
			return
		}
	}
}

// settleAll publishes and confirms what is left: nothing may be forgotten.
func (n *naive) settleAll() {
	for range 10_000 {
		for n.take() {
			n.check("take")
		}
		if n.account.open == 0 {
			break
		}
		n.confirm()
		n.check("confirm")
	}
	for _, nw := range n.writes {
		if !nw.given {
			n.t.Fatalf("a write of %d records never ends", len(nw.confirmed))
		}
	}
}
