package rabbitmq

import (
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// Retention by age works in whole seconds and segments, and looks when a segment is begun.
func TestStreamBoundedByAge(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := strings.ReplaceAll(t.Name(), "/", ".")
		do(t, p, broker.DeclareQueue{Name: name, QueueOptions: broker.QueueOptions{Type: broker.Stream, MaxAge: 1500 * time.Millisecond, SegmentBytes: 10_000}})
		t.Cleanup(func() { do(t, p, broker.DeleteQueue{Name: name}) })
		publisher, events := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		await[*broker.Opened](t, events)
		begin := time.Now()
		for n := uint64(1); n%20 > 0 || !startsLate(t, p, name); n++ {
			if time.Since(begin) > patience {
				t.Fatalf("nothing is dropped of %d records", n)
			}
			publisher.Publish(broker.Batch{First: n, Records: benchmarkRecords(1, 4000)})
			await[*broker.Confirmed](t, events)
		}
		if after := time.Since(begin); after < time.Second {
			t.Errorf("the first record was dropped after %v", after)
		}
		if out := ctl(t, node, "list_queues", "name", "arguments"); !strings.Contains(out, `"x-max-age","1s"`) {
			t.Errorf("arguments: %s", out)
		}
	})
}

// startsLate says that the stream's first record is not there any more. A session that ends knows nothing: 3.10 closes the connection of who opens at a
// segment that is being dropped.
func startsLate(t *testing.T, p *Port, stream string) bool {
	consumer, s := openConsumer(t, p, broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{}})
	defer consumer.Abort()
	for {
		switch e := s.next(t).(type) {
		case *broker.Delivered:
			return e.Records[0].Offset > 0
		case *broker.Ended:
			return false
		}
	}
}
