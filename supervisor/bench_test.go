package supervisor

import (
	"fmt"
	"testing"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// The accounts, which every record passes. An operation is one record; how many a call has is the batch.

func eachBatch(b *testing.B, run func(b *testing.B, batch int)) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			run(b, batch)
		})
	}
}

// BenchmarkAccount admits, takes and settles writes with the window half full; the broker confirms in order, eight batches at a time.
func BenchmarkAccount(b *testing.B) {
	eachBatch(b, func(b *testing.B, batch int) {
		a := newAccount(limits{records: DefaultWindow, bytes: DefaultWindowBytes, runRecords: runRecords, runBytes: runBytes})
		records := make([]broker.Record, batch)
		for i := range records {
			records[i].Body = make([]byte, 100)
		}
		confirmed, answered := uint64(0), 0
		b.ResetTimer()
		for admitted := 0; admitted < b.N; admitted += batch {
			a.admit(&write{request: &messages.Write{Records: records}})
			for {
				if _, _, any := a.take(); !any {
					break
				}
			}
			if sent := a.sentTo - 1; sent-confirmed >= uint64(8*batch) {
				answered += len(a.confirmed(confirmed+1, sent))
				confirmed = sent
			}
		}
		b.StopTimer()
		if answered += len(a.confirmed(confirmed+1, a.sentTo)); answered*batch < b.N {
			b.Fatalf("%d writes of %d records were answered", answered, batch)
		}
	})
}

// BenchmarkAccountOutOfOrder has each second batch confirmed late, so that the account has gaps.
func BenchmarkAccountOutOfOrder(b *testing.B) {
	eachBatch(b, func(b *testing.B, batch int) {
		a := newAccount(limits{records: DefaultWindow, bytes: DefaultWindowBytes, runRecords: runRecords, runBytes: runBytes})
		records := make([]broker.Record, batch)
		n := uint64(batch)
		b.ResetTimer()
		for next := uint64(1); next <= uint64(b.N); next += 8 * n {
			for range 8 {
				a.admit(&write{request: &messages.Write{Records: records}})
			}
			for {
				if _, _, any := a.take(); !any {
					break
				}
			}
			for _, half := range []uint64{1, 0} {
				for i := half; i < 8; i += 2 {
					a.confirmed(next+i*n, next+i*n+n-1)
				}
			}
		}
		b.StopTimer()
		if a.open != 0 {
			b.Fatalf("%d records are open", a.open)
		}
	})
}

// BenchmarkHandedOver takes deliveries in, hands them over and commits them, batch by batch.
func BenchmarkHandedOver(b *testing.B) {
	eachBatch(b, func(b *testing.B, batch int) {
		h := newHandedOver()
		records := make([]broker.Record, batch)
		b.ResetTimer()
		for first := uint64(1); first <= uint64(b.N); first += uint64(batch) {
			h.delivered(&messages.Delivered{First: first, Records: records})
			got := h.take(DefaultPoll)
			if _, any := h.commit(got.First, got.Last); !any {
				b.Fatal("nothing to acknowledge")
			}
		}
	})
}
