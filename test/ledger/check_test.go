package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
)

// wellLog is what two writers and a reader of each of so many views note when all is well.
func wellLog(views int) *Log {
	l := &Log{Run: 7, Writers: make([][]Attempt, 2), Readers: make([]Reading, views)}
	for w := range l.Writers {
		for seq := range 20 {
			at := time.Duration(seq+1) * time.Second
			l.Writers[w] = append(l.Writers[w], Attempt{At: at, Settled: at + 10*time.Millisecond, Outcome: weir.Confirmed})
			for v := range l.Readers {
				l.Readers[v].View = v
				l.Readers[v].Deliveries = append(l.Readers[v].Deliveries, Delivery{At: at + 20*time.Millisecond, Run: 7, Writer: uint32(w), Seq: uint64(seq), Committed: true})
			}
		}
	}
	return l
}

func drop(l *Log, reader, i int) {
	d := &l.Readers[reader].Deliveries
	*d = slices.Delete(*d, i, i+1)
}

func again(l *Log, i, times int) {
	d := &l.Readers[0].Deliveries
	for range times {
		*d = append(*d, (*d)[i])
	}
}

// What is planted in a log that is well must be found, and nothing else.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		plant func(*Log)
		want  string // what is said; empty: nothing
	}{
		{"nothing", func(*Log) {}, ""},
		{"delivery dropped", func(l *Log) { drop(l, 0, 5) }, "lost: 1"},
		{"delivery dropped in one view of two", func(l *Log) { drop(l, 1, 5) }, "lost: 1"},
		{"last delivery dropped", func(l *Log) { drop(l, 0, len(l.Readers[0].Deliveries)-1) }, "lost: 1"},
		{"order swapped", func(l *Log) { d := l.Readers[0].Deliveries; d[3], d[4] = d[4], d[3] }, "reordered: 1"},
		{"duplicates within the bound", func(l *Log) { again(l, 3, 5) }, ""},
		{"duplicates beyond the bound", func(l *Log) { again(l, 3, 6) }, "duplicated: 6"},
		{"corrupted", func(l *Log) { l.Readers[0].Deliveries = append(l.Readers[0].Deliveries, Delivery{Corrupted: true}) }, "corrupted: 1"},
		{"of another run", func(l *Log) { l.Readers[0].Deliveries = append(l.Readers[0].Deliveries, Delivery{Run: 8}) }, "unexpected: 1"},
		{"of no writer", func(l *Log) {
			l.Readers[0].Deliveries = append(l.Readers[0].Deliveries, Delivery{Run: 7, Writer: 2})
		}, "unexpected: 1"},
		{"never attempted", func(l *Log) { l.Readers[0].Deliveries = append(l.Readers[0].Deliveries, Delivery{Run: 7, Seq: 20}) }, "unexpected: 1"},
		{"never committed", func(l *Log) { l.Readers[0].Deliveries[3].Committed = false }, "uncommitted: 1"},
		{"said to be not sent", func(l *Log) { l.Writers[0][3].Outcome = weir.NotSent }, "untrue: 2"},
		{"unknown and not delivered", func(l *Log) { l.Writers[0][0].Outcome = weir.Unknown; drop(l, 0, 0); drop(l, 1, 0) }, ""},
		{"not settled and not delivered", func(l *Log) { l.Writers[0][0] = Attempt{At: 1}; drop(l, 0, 0); drop(l, 1, 0) }, ""},
		{"deleted before it was attempted", func(l *Log) { l.Deleted = []time.Duration{time.Second - 1}; drop(l, 0, 0) }, "lost: 1"},
		{"deleted after it was attempted", func(l *Log) { l.Deleted = []time.Duration{time.Second}; drop(l, 0, 0) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := wellLog(2)
			c.plant(l)
			bad := l.Fates().Bad(Promise{Ordered: true, Duplicates: 5})
			switch {
			case c.want == "" && len(bad) > 0:
				t.Errorf("found %q, and nothing is wrong", bad)
			case c.want != "" && (len(bad) != 1 || !strings.HasPrefix(bad[0], c.want)):
				t.Errorf("found %q, want one that begins with %q", bad, c.want)
			}
		})
	}
}

// Readers of one view share the records: what one of them got is not lost to the other, and comes twice when both got it.
func TestReadersOfOneViewShare(t *testing.T) {
	l := wellLog(2)
	l.Readers[1].View = 0
	if f := l.Fates(); f.Duplicated != 40 {
		t.Errorf("%d duplicates, and both readers got all 40", f.Duplicated)
	}
	l.Readers[1].Deliveries = nil
	drop(l, 0, 7)
	moved := Delivery{At: time.Second, Run: 7, Writer: 0, Seq: 7, Committed: true}
	l.Readers[1].Deliveries = append(l.Readers[1].Deliveries, moved)
	if f := l.Fates(); f.Lost+f.Duplicated+f.Reordered > 0 {
		t.Errorf("lost %d, duplicated %d, reordered %d; the other reader got it", f.Lost, f.Duplicated, f.Reordered)
	}
}

func TestRecoveryIsThatOfTheSlowestView(t *testing.T) {
	l := wellLog(2)
	for i := range l.Readers[1].Deliveries {
		l.Readers[1].Deliveries[i].At += 300 * time.Millisecond
	}
	from := 4*time.Second + 500*time.Millisecond
	if at, ok := l.Recovered(from); !ok || at != 5*time.Second+320*time.Millisecond {
		t.Errorf("recovered at %v, %v; the record of 5 s was with the second reader at 5.32 s", at, ok)
	}
	if _, ok := l.Recovered(time.Minute); ok {
		t.Error("recovered, and nothing was attempted any more")
	}
}

func TestBodiesSayWhatTheyAre(t *testing.T) {
	b := body(5, 1, 9, 60)
	if d := readBody(b); d.Corrupted || d.Run != 5 || d.Writer != 1 || d.Seq != 9 {
		t.Errorf("read as %+v", d)
	}
	for i := range b {
		b[i] ^= 1
		if !readBody(b).Corrupted {
			t.Errorf("byte %d is changed, and nobody sees it", i)
		}
		b[i] ^= 1
	}
	if !readBody(b[:headSize-1]).Corrupted {
		t.Error("a piece of a record is none")
	}
}
