package rabbitstream

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

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
			e := encoder{appID: app}
			records := benchmarkRecords(100, 100)
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = out[:0]
				for i := range records {
					out = e.append(out, uint64(i), &records[i])
				}
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

// BenchmarkBroker is confirmed publishing with 10,000 in flight, and consuming with a prefetch of 10,000, on a node.
func BenchmarkBroker(b *testing.B) {
	for _, version := range rabbit.Versions() {
		for _, entries := range []int{0, 100} {
			node := rabbittest.Shared(b, version)
			port := newPort(b, node, nil)
			b.Run(fmt.Sprintf("%s/%d/publish", version, entries), func(b *testing.B) {
				name := declare(b, port)
				benchmarkPublish(b, port, broker.PublisherConfig{RoutingKey: name, Window: 10_000, SubEntries: entries}, b.N)
			})
			b.Run(fmt.Sprintf("%s/%d/consume", version, entries), func(b *testing.B) {
				name := declare(b, port)
				benchmarkPublish(b, port, broker.PublisherConfig{RoutingKey: name, Window: 10_000, SubEntries: entries}, b.N)
				b.ResetTimer()
				benchmarkConsume(b, port, name, b.N)
			})
		}
	}
}

func benchmarkPublish(b *testing.B, port *Port, config broker.PublisherConfig, n int) {
	const piece = 250
	p, s := openPublisher(b, port, config)
	await[*broker.Opened](b, s)
	records := benchmarkRecords(piece, 100)
	next, unconfirmed, left := uint64(1), 0, n
	for confirmed := 0; confirmed < n; {
		for left > 0 && unconfirmed+piece <= config.Window {
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

func benchmarkConsume(b *testing.B, port *Port, stream string, n int) {
	c, s := openConsumer(b, port, broker.ConsumerConfig{Queue: stream, Prefetch: 10_000, MaxBatch: 512, Stream: &broker.StreamOffset{}, Name: "bench"})
	await[*broker.Opened](b, s)
	events := 0
	for got := 0; got < n; events++ {
		d := await[*broker.Delivered](b, s)
		got += len(d.Records)
		c.Ack(d.Last(), true)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(n)/float64(events), "records/event")
}

// BenchmarkClient is the same by the client alone, as its users write it, but for the sockets' buffers: with its own it stalls.
func BenchmarkClient(b *testing.B) {
	for _, version := range rabbit.Versions() {
		for _, entries := range []int{0, 100} {
			node := rabbittest.Shared(b, version)
			port := newPort(b, node, nil)
			env := environment(b, node)
			b.Run(fmt.Sprintf("%s/%d/publish", version, entries), func(b *testing.B) {
				clientPublishes(b, env, declare(b, port), entries)
			})
			b.Run(fmt.Sprintf("%s/%d/consume", version, entries), func(b *testing.B) {
				name := declare(b, port)
				clientPublishes(b, env, name, entries)
				b.ResetTimer()
				clientConsumes(b, env, name)
			})
		}
	}
}

// socketBuffer is the sockets' of the client. Its default of 8 KiB stalls for tens of milliseconds on loopback.
const socketBuffer = 1 << 20

func environment(b testing.TB, node *rabbit.Node) *stream.Environment {
	host, port, err := net.SplitHostPort(node.StreamAddress())
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	env, err := stream.NewEnvironment(stream.NewEnvironmentOptions().SetHost(host).SetPort(n).SetWriteBuffer(socketBuffer).SetReadBuffer(socketBuffer).
		SetAddressResolver(stream.AddressResolver{Host: host, Port: n}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = env.Close() })
	return env
}

func clientPublishes(b *testing.B, env *stream.Environment, name string, entries int) {
	o := stream.NewProducerOptions()
	if entries > 1 {
		o.SetSubEntrySize(entries)
	}
	producer, err := env.NewProducer(name, o)
	if err != nil {
		b.Fatal(err)
	}
	defer producer.Close()
	confirms := producer.NotifyPublishConfirmation()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; n < b.N; {
			n += len(<-confirms)
		}
	}()
	body := make([]byte, 100)
	for range b.N {
		if err := producer.Send(amqp.NewMessage(body)); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func clientConsumes(b *testing.B, env *stream.Environment, name string) {
	done := make(chan struct{})
	n := 0
	consumer, err := env.NewConsumer(name, func(stream.ConsumerContext, *amqp.Message) {
		if n++; n == b.N {
			close(done)
		}
	}, stream.NewConsumerOptions().SetOffset(stream.OffsetSpecification{}.First()))
	if err != nil {
		b.Fatal(err)
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	_ = consumer.Close()
}
