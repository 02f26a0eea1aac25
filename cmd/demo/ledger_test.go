package main

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

const testRun = 77

// body is a record of a test.
func body(run uint64, writer uint32, seq uint64) []byte {
	b := make([]byte, identitySize+8)
	id := identity{writer: writer, run: run, seq: seq, at: time.Millisecond}
	id.put(b)
	return b
}

func mine(seqs ...uint64) (all [][]byte) {
	for _, seq := range seqs {
		all = append(all, body(testRun, 0, seq))
	}
	return all
}

func TestLedgerFindsWhatIsPlanted(t *testing.T) {
	corrupt := body(testRun, 0, 3)
	corrupt[identitySize+2] ^= 1
	for _, c := range []struct {
		name string
		got  [][]byte
		want readerFates
	}{
		{"all", mine(0, 1, 2, 3), readerFates{Delivered: 4}},
		{"lost", mine(0, 1, 3), readerFates{Delivered: 3, Lost: 1}},
		{"all lost", nil, readerFates{Lost: 4}},
		{"duplicated", mine(0, 1, 1, 2, 3, 0), readerFates{Delivered: 4, Duplicated: 2}},
		{"reordered", mine(0, 2, 1, 3), readerFates{Delivered: 4, Reordered: 1}},
		{"one late is one, however late", mine(1, 2, 3, 0), readerFates{Delivered: 4, Reordered: 1}},
		{"a duplicate is not out of order", mine(0, 1, 2, 0, 1, 2, 3), readerFates{Delivered: 4, Duplicated: 3}},
		{"corrupted", append(mine(0, 1, 2), corrupt), readerFates{Delivered: 3, Lost: 1, Corrupted: 1}},
		{"too short", append(mine(0, 1, 2, 3), []byte("x")), readerFates{Delivered: 4, Corrupted: 1}},
		{"never sent", append(mine(0, 1, 2, 3), body(testRun, 0, 4)), readerFates{Delivered: 4, Unexpected: 1}},
		{"of another run", append(mine(0, 1, 2, 3), body(78, 0, 1)), readerFates{Delivered: 4, Unexpected: 1}},
		{"of no writer", append(mine(0, 1, 2, 3), body(testRun, 1, 1)), readerFates{Delivered: 4, Unexpected: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(testRun, 1, 1, false)
			l.attempt(0, 4)
			l.deliver(0, c.got, 2*time.Millisecond)
			l.confirm(0, 0, 4)
			f := l.fates()
			if f.readerFates != c.want {
				t.Errorf("%+v, want %+v", f.readerFates, c.want)
			}
			if p := l.progress(); p.Missing != c.want.Lost || p.Delivered != c.want.Delivered || f.Sent != 4 || f.Confirmed != 4 {
				t.Errorf("progress %+v, sent %d, confirmed %d", p, f.Sent, f.Confirmed)
			}
		})
	}
}

func TestLedgerTellsOutcomesApart(t *testing.T) {
	l := newLedger(testRun, 2, 1, false)
	l.attempt(0, 5)
	l.attempt(1, 1)
	l.settle(0, 0, []messages.Outcome{weir.Confirmed, weir.Unknown, weir.Unknown, weir.NotSent, weir.NotSent})
	l.deliver(0, mine(0, 1, 4), time.Second)
	f := l.fates()
	if f.Sent != 4 || f.Confirmed != 1 || f.Unknown != 3 || f.Recovered != 1 || f.Lost != 0 || f.Unexpected != 1 {
		t.Errorf("%+v: sent 4, confirmed 1, unknown 3, one of them recovered; one came that was not sent", f)
	}
}

func TestLedgerOfFanOutWantsEveryRecordForEachReader(t *testing.T) {
	l := newLedger(testRun, 1, 2, true)
	l.attempt(0, 2)
	l.confirm(0, 0, 2)
	l.deliver(0, mine(0, 1), time.Second)
	l.deliver(1, mine(1), time.Second)
	f := l.fates()
	if f.Readers[0] != (readerFates{Delivered: 2}) || f.Readers[1] != (readerFates{Delivered: 1, Lost: 1}) || f.Lost != 1 {
		t.Errorf("%+v", f)
	}
	if p := l.progress(); p.Missing != 1 {
		t.Errorf("missing %d, want 1", p.Missing)
	}
}

func TestLedgerOfSharedReadersWantsEachRecordOnce(t *testing.T) {
	l := newLedger(testRun, 1, 2, false)
	l.attempt(0, 4)
	l.confirm(0, 0, 4)
	l.deliver(0, mine(0, 2), time.Second)
	l.deliver(1, mine(1, 3, 2), time.Second)
	if f := l.fates(); f.readerFates != (readerFates{Delivered: 4, Duplicated: 1}) {
		t.Errorf("%+v: order is each reader's own", f.readerFates)
	}
}

func TestHistogramIsWithinASixtyFourth(t *testing.T) {
	var h histogram
	for i := 1; i <= 10000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 5 * time.Millisecond, 0.9: 9 * time.Millisecond, 0.99: 9900 * time.Microsecond, 1: 10 * time.Millisecond} {
		if got := h.quantile(q); got < want || got > want+want/64+time.Microsecond {
			t.Errorf("quantile %g is %v, want about %v", q, got, want)
		}
	}
	for v := uint64(1); v < 1<<62; v = v*3/2 + 1 {
		if top := bucketTop(bucketOf(v)); top < v || bucketOf(top) != bucketOf(v) || bucketOf(top+1) == bucketOf(v) {
			t.Errorf("%d is in bucket %d, whose top is %d", v, bucketOf(v), top)
		}
	}
}

func TestNumbersAndDurationsForPeople(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0", 1500: "1.50 µs", 25 * time.Millisecond: "25.0 ms", 90 * time.Second: "90.0 s"} {
		if got := short(d); got != want {
			t.Errorf("%d: %s", d, got)
		}
	}
}
