package rabbitmq

import (
	"fmt"
	"testing"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func benchmarkRecords(n, size int) []broker.Record {
	records := make([]broker.Record, n)
	for i := range records {
		records[i].Body = make([]byte, size)
	}
	return records
}

func BenchmarkEncode(b *testing.B) {
	for _, app := range []string{"", "writer-1"} {
		b.Run(fmt.Sprintf("app_id=%q", app), func(b *testing.B) {
			e := newEncoder(1, frameMax, &broker.PublisherConfig{RoutingKey: "queue", AppID: app})
			records := benchmarkRecords(100, 100)
			var out []byte
			first := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				out = e.appendRecords(out[:0], first, records)
				first += 100
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

func BenchmarkDeliver(b *testing.B) {
	var stream []byte
	for tag := range uint64(100) {
		stream = appendDelivery(stream, 1, tag+1, false, make([]byte, 100), &broker.Properties{})
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		w := scriptedWire(b, nil)
		c := attachConsumer(w, broker.ConsumerConfig{Queue: "q", Prefetch: 1000, MaxBatch: 256}, func(broker.Event) {})
		w.received(stream)
		if err := w.dispatch(); err != nil || c.account.handed != 100 {
			b.Fatal(err, c.account.handed)
		}
	}
}

func BenchmarkConfirms(b *testing.B) {
	b.ReportAllocs()
	ledger := newLedger()
	first := uint64(1)
	for b.Loop() {
		ledger.publish(first, 100)
		first += 100
		for tag := first - 100; tag < first; tag += 10 {
			ledger.settle(tag+9, true, func(first, last uint64) {})
		}
	}
}

// BenchmarkBroker is confirmed publishing with 1,000 in flight, and consuming with a prefetch of 1,000, on a node.
func BenchmarkBroker(b *testing.B) {
	for _, version := range rabbit.Versions() {
		for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
			node := rabbittest.Shared(b, version)
			port := newPort(b, node, nil)
			queue := fmt.Sprintf("bench-%s-%s", b.Name(), kind)
			b.Run(fmt.Sprintf("%s/%s/publish", version, kind), func(b *testing.B) {
				do(b, port, broker.DeclareQueue{Name: queue, QueueOptions: broker.QueueOptions{Type: kind}})
				benchmarkPublish(b, port, queue, b.N)
				b.StopTimer()
				do(b, port, broker.DeleteQueue{Name: queue})
			})
			b.Run(fmt.Sprintf("%s/%s/consume", version, kind), func(b *testing.B) {
				do(b, port, broker.DeclareQueue{Name: queue, QueueOptions: broker.QueueOptions{Type: kind}})
				benchmarkPublish(b, port, queue, b.N)
				b.ResetTimer()
				benchmarkConsume(b, port, queue, b.N)
				b.StopTimer()
				do(b, port, broker.DeleteQueue{Name: queue})
			})
		}
	}
}

func benchmarkPublish(b *testing.B, port *Port, queue string, n int) {
	const window, piece = 1000, 100
	s := newSink()
	lease := port.Lease(b.Name())
	defer lease.Abort()
	p := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: window, AppID: "bench"}, s.sink)
	await[*broker.Opened](b, s)
	records := benchmarkRecords(piece, 100)
	next, unconfirmed, left := uint64(1), 0, n
	for confirmed := 0; confirmed < n; {
		for left > 0 && unconfirmed+piece <= window {
			k := min(left, piece)
			p.Publish(broker.Batch{First: next, Records: records[:k]})
			next, unconfirmed, left = next+uint64(k), unconfirmed+k, left-k
		}
		e := await[*broker.Confirmed](b, s)
		k := int(e.Last - e.First + 1)
		confirmed, unconfirmed = confirmed+k, unconfirmed-k
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

func benchmarkConsume(b *testing.B, port *Port, queue string, n int) {
	s := newSink()
	lease := port.Lease(b.Name())
	defer lease.Abort()
	c := lease.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: 1000, MaxBatch: 256}, s.sink)
	await[*broker.Opened](b, s)
	for got := 0; got < n; {
		d := await[*broker.Delivered](b, s)
		got += len(d.Records)
		c.Ack(d.Last(), true)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
