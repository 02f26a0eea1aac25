package supervisor

import (
	"slices"
	"testing"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

func records(n, size int) []broker.Record {
	out := make([]broker.Record, n)
	for i := range out {
		out[i].Body = make([]byte, size)
	}
	return out
}

func admitted(a *account, records []broker.Record) *write {
	w := &write{request: &messages.Write{Records: records}}
	a.admit(w)
	return w
}

// The default limits: a run is at most 256 records or 1 MiB, the window 1,000 records and 16 MiB; one record may be larger than either.
func TestDefaultLimitsOfRunsAndWindow(t *testing.T) {
	for _, test := range []struct {
		name   string
		writes [][2]int // records, size of each
		runs   []int    // what take gives until the window is full
	}{
		{"small records", [][2]int{{2000, 10}}, []int{256, 256, 256, 232}},
		{"many writes in one run", [][2]int{{100, 1}, {100, 1}, {100, 1}}, []int{256, 44}},
		{"runs bounded by bytes", [][2]int{{10, 512 << 10}}, []int{2, 2, 2, 2, 2}},
		{"window bounded by bytes", [][2]int{{40, 1 << 20}}, slices.Repeat([]int{1}, 16)},
		{"one record larger than a run", [][2]int{{1, 1}, {1, 3 << 20}, {1, 1}}, []int{1, 1, 1}},
		{"one record larger than the window", [][2]int{{1, 20 << 20}, {1, 1}}, []int{1}},
		{"the large record waits for its turn", [][2]int{{1, 1}, {1, 20 << 20}}, []int{1}},
		{"empty records", [][2]int{{300, 0}}, []int{256, 44}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := Config{}
			cfg.Window, cfg.WindowBytes = DefaultWindow, DefaultWindowBytes
			a := newAccount(cfg.limits())
			for _, w := range test.writes {
				admitted(&a, records(w[0], w[1]))
			}
			var runs []int
			for batch, _, any := a.take(); any; batch, _, any = a.take() {
				runs = append(runs, len(batch.Records))
			}
			if !slices.Equal(runs, test.runs) {
				t.Errorf("runs of %v records, want %v", runs, test.runs)
			}
		})
	}
}

// A confirm that comes out of order must leave the window: else a lost one would fill it.
func TestConfirmOutOfOrderLeavesTheWindow(t *testing.T) {
	a := newAccount(limits{records: 4, bytes: 100, runRecords: 4, runBytes: 100})
	admitted(&a, records(8, 1))
	a.take()
	a.confirmed(2, 4)
	batch, _, any := a.take()
	if !any || batch.First != 5 || len(batch.Records) != 3 {
		t.Errorf("took %d from %d, %v; want 3 from 5", len(batch.Records), batch.First, any)
	}
}

// What a confirm left a hole in is published again in pieces, never over the hole.
func TestRewoundRunsSkipWhatIsConfirmed(t *testing.T) {
	a := newAccount(limits{records: 10, bytes: 100, runRecords: 10, runBytes: 100})
	admitted(&a, records(6, 1))
	a.take()
	a.confirmed(3, 4)
	a.rewind()
	var got [][2]uint64
	for batch, _, any := a.take(); any; batch, _, any = a.take() {
		got = append(got, [2]uint64{batch.First, batch.Last()})
	}
	if !slices.Equal(got, [][2]uint64{{1, 2}, {5, 6}}) {
		t.Errorf("published again %v", got)
	}
}

func TestBatchesOfTwoWritesDoNotOverwriteTheWrites(t *testing.T) {
	a := newAccount(limits{records: 10, bytes: 100, runRecords: 10, runBytes: 100})
	backing := records(4, 1)
	backing[2].Body = []byte("mine")
	admitted(&a, backing[:2]) // its slice has room behind it, which is the caller's
	admitted(&a, records(2, 1))
	if batch, _, _ := a.take(); len(batch.Records) != 4 {
		t.Fatalf("%d records", len(batch.Records))
	}
	if string(backing[2].Body) != "mine" {
		t.Error("the caller's array was written to")
	}
}

func TestOutcomesOfAPartlyPublishedWrite(t *testing.T) {
	a := newAccount(limits{records: 6, bytes: 100, runRecords: 6, runBytes: 100})
	w := admitted(&a, records(8, 1))
	a.take()
	a.confirmed(1, 1)
	a.nacked(3, 3)
	a.cameBack(5, 5)
	a.rewind()
	_, outcomes := a.withdraw(w.request)
	want := []messages.Outcome{messages.ConfirmedByBroker, messages.Unknown, messages.Unknown, messages.Unknown, messages.Unroutable,
		messages.Unknown, messages.NotSent, messages.NotSent}
	if !slices.Equal(outcomes, want) {
		t.Errorf("%v, want %v", outcomes, want)
	}
	if batch, _, any := a.take(); any {
		t.Errorf("%d records of a withdrawn write are published", len(batch.Records))
	}
}

// A channel that fails after a long outage answers very many writes: in one pass, not one for each.
func TestGivingUpManyWritesTakesOnePass(t *testing.T) {
	a := newAccount(limits{records: 10, bytes: 100, runRecords: 10, runBytes: 100})
	for range 200_000 {
		admitted(&a, records(1, 1))
	}
	a.take()
	n, unknown := 0, 0
	a.giveUp(func(_ *write, outcomes []messages.Outcome) {
		if n++; outcomes[0] == messages.Unknown {
			unknown++
		}
	})
	if n != 200_000 || unknown != 10 {
		t.Errorf("%d writes, %d unknown", n, unknown)
	}
}

// What is withdrawn while a producer has it may still be confirmed, but no later producer gets it.
func TestWithdrawnRecordsAreNotPublishedAgain(t *testing.T) {
	a := newAccount(limits{records: 10, bytes: 100, runRecords: 10, runBytes: 100})
	first, second := admitted(&a, records(2, 1)), admitted(&a, records(2, 1))
	a.take()
	a.withdraw(first.request)
	if a.inFlight != 4 {
		t.Errorf("%d in flight: what the broker was sent still takes room there", a.inFlight)
	}
	if again := a.nacked(1, 1); again != 0 {
		t.Error("a nacked record of a withdrawn write goes again")
	}
	a.rewind()
	batch, _, _ := a.take()
	if batch.First != 3 || len(batch.Records) != 2 {
		t.Errorf("took %d from %d", len(batch.Records), batch.First)
	}
	if done := a.confirmed(1, 4); len(done) != 1 || done[0] != second {
		t.Errorf("%d writes ended", len(done))
	}
}

// One old open write in front does not keep those behind it that have ended, and a withdrawal does not look at all that are open.
func TestWritesBehindAnOpenOneGo(t *testing.T) {
	for name, end := range map[string]func(a *account, w *write, sequence uint64){
		"withdrawn": func(a *account, w *write, _ uint64) { a.withdraw(w.request) },
		"confirmed": func(a *account, _ *write, sequence uint64) { a.confirmed(sequence, sequence) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(limits{records: 10, bytes: 100, runRecords: 10, runBytes: 100})
			old := admitted(&a, records(1, 1))
			var all []*write
			for range 100_000 {
				all = append(all, admitted(&a, records(1, 1)))
			}
			for i, w := range all[:len(all)-1] {
				end(&a, w, uint64(i+2))
			}
			if len(a.runs) > 4 || len(a.index) > 2 {
				t.Errorf("%d runs, %d writes are kept", len(a.runs), len(a.index))
			}
			var got []uint64
			for batch, _, any := a.take(); any; batch, _, any = a.take() {
				got = append(got, batch.First, batch.Last())
			}
			if !slices.Equal(got, []uint64{1, 1, 100_001, 100_001}) { // no batch spans the gap
				t.Errorf("published %v", got)
			}
			if done := a.confirmed(1, 100_001); len(done) != 2 || done[0] != old || a.open+len(a.runs) != 0 {
				t.Errorf("%d writes ended, %d runs are left", len(done), len(a.runs))
			}
		})
	}
}

// A producer that fails again and again through a long outage costs nothing for each write that waits.
func TestRewindOfManyWithdrawnWrites(t *testing.T) {
	a := newAccount(limits{records: 50_000, bytes: 1 << 20, runRecords: 10, runBytes: 100})
	var all []*write
	for range 100_000 {
		all = append(all, admitted(&a, records(1, 1)))
	}
	for _, _, any := a.take(); any; _, _, any = a.take() {
	}
	for i := 1; i < len(all); i += 2 {
		a.withdraw(all[i].request)
	}
	a.rewind()
	if a.open != 50_000 || len(a.runs) > 100_000 {
		t.Errorf("%d open, %d runs", a.open, len(a.runs))
	}
	for i := range a.runs {
		if w := a.runs[i].of; w != nil && w.given {
			t.Fatal("a withdrawn write is kept")
		}
	}
}

// Writes that are awaited go apart from the order, as long as nothing has one that they must come behind.
func TestWhatIsApart(t *testing.T) {
	const bound, awaited = false, true
	a := newAccount(limits{records: 20, bytes: 1000, runRecords: 4, runBytes: 1000})
	write := func(awaited bool, n int) *write {
		w := admitted(&a, records(n, 1))
		w.request.Awaited = awaited
		if awaited {
			a.bound -= n // it was admitted as the other
		}
		return w
	}
	take := func(first, last uint64, apart bool) {
		t.Helper()
		batch, is, any := a.take()
		if !any || batch.First != first || batch.Last() != last || is != apart {
			t.Fatalf("took %v, %d to %d, apart %v; want %d to %d, %v", any, batch.First, batch.First+uint64(len(batch.Records))-1, is, first, last, apart)
		}
	}
	write(awaited, 2)
	write(awaited, 2)
	write(awaited, 6) // more than a run: its parts have an order
	write(awaited, 1)
	take(1, 4, true)
	take(5, 8, false)
	take(9, 10, false)
	take(11, 11, true)
	write(bound, 1)
	write(awaited, 1)
	take(12, 13, false)
	a.confirmed(12, 12)
	abandoned := write(awaited, 1)
	take(14, 14, true)
	a.withdraw(abandoned.request)
	write(awaited, 1)
	if batch, _, any := a.take(); any {
		t.Errorf("took %d, and 14 is withdrawn and may be overtaken", batch.First)
	}
	a.confirmed(14, 14)
	take(15, 15, true)
	a.withdraw(write(awaited, 1).request) // it was not sent: nothing waits for it
	write(bound, 1)
	take(17, 17, false)
}
