package embedded_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
)

// BenchmarkThroughput moves records from a publisher through a queue or stream to a consumer, confirmed and acknowledged, and reports
// records a second. The window is 1,000 records, the prefetch 2,000.
func BenchmarkThroughput(b *testing.B) {
	for _, typ := range []broker.QueueType{broker.Classic, broker.Quorum, broker.Stream} {
		for _, size := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/batch=%d", typ, size), func(b *testing.B) { throughput(b, typ, size) })
		}
	}
}

func throughput(b *testing.B, typ broker.QueueType, size int) {
	port := embedded.Start()
	defer port.Stop()
	lease := port.Lease("bench")
	defer lease.Abort()
	declared := make(chan broker.Result, 1)
	lease.Do(broker.DeclareQueue{Name: "q", QueueOptions: broker.QueueOptions{Type: typ, MaxBytes: 64 << 20}}, func(r broker.Result) { declared <- r })
	if r := <-declared; r.Err != nil {
		b.Fatal(r.Err)
	}

	const window = 1000
	total, done := uint64(b.N), make(chan struct{})
	var consumer broker.Consumer
	consuming := make(chan struct{})
	config := broker.ConsumerConfig{Queue: "q", Prefetch: 2 * window, MaxBatch: 256}
	received := uint64(0)
	consumer = lease.OpenConsumer(config, func(e broker.Event) {
		switch e := e.(type) {
		case *broker.Opened:
			close(consuming)
		case *broker.Delivered:
			consumer.Ack(e.Last(), true)
			if received += uint64(len(e.Records)); received == total {
				close(done)
			}
		}
	})
	<-consuming

	confirms := make(chan int, 2*window)
	opened := make(chan struct{})
	publisher := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: "q", Window: window}, func(e broker.Event) {
		switch e := e.(type) {
		case *broker.Opened:
			close(opened)
		case *broker.Confirmed:
			confirms <- int(e.Last - e.First + 1)
		case *broker.Ended:
			b.Error(e.Err)
			close(done)
		}
	})
	<-opened

	body := make([]byte, 100)
	b.ReportAllocs()
	b.ResetTimer()
	free := window
	for next := uint64(1); next <= total; {
		n := int(min(uint64(size), total-next+1))
		for free < n {
			free += <-confirms
		}
		records := make([]broker.Record, n)
		for i := range records {
			records[i].Body = body
		}
		publisher.Publish(broker.Batch{First: next, Records: records})
		next += uint64(n)
		free -= n
	}
	<-done
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRoundTrip is the time from Publish to the consumer's sink and back to the publisher, one record at a time: the loop wakes for each.
func BenchmarkRoundTrip(b *testing.B) {
	port := embedded.Start()
	defer port.Stop()
	lease := port.Lease("bench")
	lease.Do(broker.DeclareQueue{Name: "q"}, func(broker.Result) {})
	arrived := make(chan uint64, 1)
	consumer := lease.OpenConsumer(broker.ConsumerConfig{Queue: "q", Prefetch: 1, MaxBatch: 1}, func(e broker.Event) {
		switch e := e.(type) {
		case *broker.Opened:
			arrived <- 0
		case *broker.Delivered:
			arrived <- e.First
		}
	})
	<-arrived
	opened := make(chan struct{}, 1)
	publisher := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: "q", Window: 10}, func(e broker.Event) {
		if _, ok := e.(*broker.Opened); ok {
			opened <- struct{}{}
		}
	})
	<-opened
	b.ReportAllocs()
	for i := uint64(1); b.Loop(); i++ {
		publisher.Publish(broker.Batch{First: i, Records: []broker.Record{{}}})
		consumer.Ack(<-arrived, true)
	}
}

// BenchmarkIdleChannel reports what an idle queue with a publisher and a consumer on a lease each keeps in memory.
func BenchmarkIdleChannel(b *testing.B) {
	port := embedded.Start()
	defer port.Stop()
	before := heap()
	for i := range b.N {
		queue := fmt.Sprint(i)
		l, m := port.Lease("writer"), port.Lease("reader")
		l.Do(broker.DeclareQueue{Name: queue}, func(broker.Result) {})
		l.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: 1000}, func(broker.Event) {})
		m.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: 100, MaxBatch: 100}, func(broker.Event) {})
	}
	port.Sync(func() {})
	b.ReportMetric(float64(heap()-before)/float64(b.N), "B/channel")
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
