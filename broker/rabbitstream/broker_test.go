package rabbitstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func ctl(t testing.TB, node *rabbit.Node, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := node.Ctl(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hasty sees silence soon.
func hasty(c *Config) { c.Heartbeat, c.DialTimeout = time.Second, time.Second }

// Sessions that have nothing to say, one whose writes are stuck, and one that is being opened, all end when the broker falls silent.
func TestSilentBroker(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, hasty)
		p.answer = time.Second
		name := declare(t, p)
		publisher, stuck := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		_, idle := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
		for _, s := range []*sink{stuck, idle, reads} {
			await[*broker.Opened](t, s)
		}
		if err := node.Freeze(); err != nil {
			t.Fatal(err)
		}
		thaw := func() {
			if err := node.Thaw(); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(thaw) // before the stream is deleted
		begin := time.Now()
		for n := range uint64(30) {
			publisher.Publish(batch(n+1, strings.Repeat("x", 1_000_000)))
		}
		_, late := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		for _, s := range []*sink{stuck, idle, reads, late} {
			s.endedBy(t, broker.ErrUnavailable)
		}
		if after := time.Since(begin); after > 8*time.Second {
			t.Errorf("the last one ended after %v", after)
		}
		thaw()
		_, again := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		await[*broker.Opened](t, again)
	})
}

// While its alarm is on the broker does not read publishers, which looks as if it were silent: but nothing ends. That it was taken for silence is seen by the
// scouts that are sent then: nothing else connects.
func TestAlarm(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		connections := make(chan struct{}, 1000)
		address := startFake(t, func(_ int, client net.Conn) {
			connections <- struct{}{}
			relay(client, node.StreamAddress())
		})
		p := newPort(t, node, func(c *Config) {
			hasty(c)
			c.Addresses = []string{address}
		})
		p.answer = time.Second
		name := declare(t, p)
		publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
		await[*broker.Opened](t, writes)
		await[*broker.Opened](t, reads)
		publisher.Publish(batch(1, "before"))
		writes.confirmed(t, 1)
		await[*broker.Delivered](t, reads)
		ctl(t, node, "set_disk_free_limit", "1000000GB")
		off := func() { ctl(t, node, "set_disk_free_limit", "50MB") }
		t.Cleanup(off)
		const last = 30
		for n := uint64(2); n <= last; n++ {
			publisher.Publish(batch(n, strings.Repeat("x", 1_000_000)))
		}
		for len(connections) > 0 {
			<-connections
		}
		for scouts := range 4 {
			select {
			case <-connections:
			case <-time.After(patience):
				t.Fatalf("%d scouts were sent within %v", scouts, patience)
			}
		}
		off()
		writes.confirmed(t, last)
		publisher.Close()
		writes.endedBy(t, nil)
	})
}

func TestRefused(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		ctl(t, node, "add_user", "reader", "password")
		ctl(t, node, "set_permissions", "reader", "", "", ".*")
		ctl(t, node, "add_user", "writer", "password")
		ctl(t, node, "set_permissions", "writer", "", ".*", "")
		t.Cleanup(func() {
			ctl(t, node, "delete_user", "reader")
			ctl(t, node, "delete_user", "writer")
		})
		as := func(user, password string) func(*Config) {
			return func(c *Config) {
				c.Credentials = rabbitmq.Credentials{User: user, Password: rabbitmq.NewSecret(password)}
			}
		}
		for what, test := range map[string]struct {
			change     func(*Config)
			read, want error
		}{
			"a wrong password":           {as("guest", "wrong"), broker.ErrPermission, broker.ErrPermission},
			"no user":                    {as("nobody", "password"), broker.ErrPermission, broker.ErrPermission},
			"a user who may only read":   {as("reader", "password"), nil, broker.ErrPermission},
			"a user who may only write":  {as("writer", "password"), broker.ErrPermission, nil},
			"no virtual host":            {func(c *Config) { c.VHost = "missing" }, broker.ErrRefused, broker.ErrRefused},
			"nobody listens":             {func(c *Config) { c.Addresses = []string{"127.0.0.1:1"} }, broker.ErrUnavailable, broker.ErrUnavailable},
			"the second address is good": {func(c *Config) { c.Addresses = append([]string{"127.0.0.1:1"}, c.Addresses...) }, nil, nil},
		} {
			t.Run(what, func(t *testing.T) {
				p := newPort(t, node, test.change)
				_, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
				_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
				for s, want := range map[*sink]error{writes: test.want, reads: test.read} {
					if want == nil {
						await[*broker.Opened](t, s)
						continue
					}
					if err := s.endedBy(t, want); strings.Contains(err.Error(), "wrong") {
						t.Errorf("the error shows the password: %v", err)
					}
				}
			})
		}
	})
}

// The client makes a URL of them, without encoding.
func TestSpecialCharacters(t *testing.T) {
	const user, password, vhost = "us@r/%41+ :é", "p@ss/w%rd+ :é#?&", "v/%2F+ host"
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		ctl(t, node, "add_user", user, password)
		ctl(t, node, "add_vhost", vhost)
		ctl(t, node, "set_permissions", "-p", vhost, user, ".*", ".*", ".*")
		t.Cleanup(func() {
			ctl(t, node, "delete_user", user)
			ctl(t, node, "delete_vhost", vhost)
		})
		config := rabbitmq.Config{Addresses: []string{node.Address()}, VHost: vhost, Credentials: rabbitmq.Credentials{User: user, Password: rabbitmq.NewSecret(password)}}
		amqp, err := rabbitmq.New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer amqp.Close()
		config.Addresses = []string{node.StreamAddress()}
		p, err := New(Config{Config: config}, amqp)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		do(t, p, broker.DeclareQueue{Name: "s", QueueOptions: broker.QueueOptions{Type: broker.Stream}})
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
		await[*broker.Opened](t, s)
		publisher.Publish(batch(1, "body"))
		s.confirmed(t, 1)
	})
}

// A panic in the client's goroutine would end the process.
func TestSinkPanics(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		await[*broker.Opened](t, writes)
		s := newSink()
		lease := p.Lease(t.Name())
		defer lease.Abort()
		opened := make(chan struct{})
		panicked := false
		lease.OpenConsumer(broker.ConsumerConfig{Queue: name, Stream: fromNext, Prefetch: 10, MaxBatch: 10}, func(e broker.Event) {
			s.sink(e)
			select {
			case <-opened:
				if !panicked {
					panicked = true
					panic("by the test")
				}
			default:
				close(opened)
			}
		})
		await[*broker.Opened](t, s)
		publisher.Publish(batch(1, "body"))
		if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "by the test") {
			t.Errorf("ended: %v", err)
		}
		_, again := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}})
		await[*broker.Opened](t, again)
		await[*broker.Delivered](t, again)
	})
}

// Again and again, under sessions that share their connections with others, and with records under way.
func TestDeletedStream(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		stays := declare(t, p)
		keeps, kept := openPublisher(t, p, broker.PublisherConfig{RoutingKey: stays})
		await[*broker.Opened](t, kept)
		for round := range 10 {
			name := stays + ".deleted"
			do(t, p, broker.DeclareQueue{Name: name, QueueOptions: broker.QueueOptions{Type: broker.Stream}})
			begin := time.Now()
			publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, Name: "name"})
			_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
			await[*broker.Opened](t, writes)
			await[*broker.Opened](t, reads)
			opened := time.Since(begin)
			for n := range uint64(20) {
				publisher.Publish(batch(n+1, "record"))
			}
			do(t, p, broker.DeleteQueue{Name: name})
			writes.endedBy(t, broker.ErrNotFound)
			reads.endedBy(t, broker.ErrNotFound)
			if all := time.Since(begin); opened > 3*time.Second || all > 6*time.Second {
				t.Errorf("round %d: opened after %v, ended after %v", round, opened, all)
			}
		}
		keeps.Publish(batch(1, "still there"))
		kept.confirmed(t, 1)
	})
}

// What does not fit into a frame ends its session; what just fits does not.
func TestLargeRecords(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, func(c *Config) { c.Advertised = true }) // which is the same here
		name := declare(t, p)
		const fits = maxFrame - publishHead - 12 - 8 // the sequence and the size, and the section's head
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		await[*broker.Opened](t, s)
		large := bytes.Repeat([]byte("0123456789abcdef"), fits/16+1)
		records := []broker.Record{{Body: []byte("small")}, {Body: large[:fits]}, {Body: large[:fits]}, {Body: []byte("behind")}}
		publisher.Publish(broker.Batch{First: 1, Records: records})
		s.confirmed(t, 4)
		publisher.Publish(broker.Batch{First: 5, Records: []broker.Record{{Body: large[:fits+1]}}})
		s.endedBy(t, broker.ErrRefused)
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}})
		await[*broker.Opened](t, reads)
		for i := 0; i < len(records); {
			for _, r := range await[*broker.Delivered](t, reads).Records {
				if !bytes.Equal(r.Body, records[i].Body) {
					t.Fatalf("record %d has %d bytes", i, len(r.Body))
				}
				i++
			}
		}
	})
}

// Many sessions share two connections of each role; a name that is in use makes a third.
func TestSharedConnections(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		lease := p.Lease("many")
		count := func() int {
			return strings.Count(ctl(t, node, "list_stream_connections", "conn_name"), " -> ")
		}
		var all []*sink
		for i := range 50 {
			writes, reads := newSink(), newSink()
			lease.OpenPublisher(broker.PublisherConfig{RoutingKey: name, Window: 10, Name: fmt.Sprint("name ", i)}, writes.sink)
			lease.OpenConsumer(broker.ConsumerConfig{Queue: name, Stream: fromNext, Prefetch: 10, MaxBatch: 10}, reads.sink)
			all = append(all, writes, reads)
		}
		for _, s := range all {
			await[*broker.Opened](t, s)
		}
		if n := count(); n > 4 {
			t.Errorf("%d connections", n)
		}
		_, twin := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, Name: "name 0"})
		await[*broker.Opened](t, twin)
		if n := count(); n > 6 {
			t.Errorf("%d connections with a name that is in use", n)
		}
		lease.Abort()
		for begin := time.Now(); count() > 2; {
			if time.Since(begin) > patience {
				t.Fatalf("%d connections after all but one session", count())
			}
		}
	})
}

// Sub-entries change nothing but the throughput.
func TestSubEntries(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		const n = 3000
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, SubEntries: 10, Window: n})
		await[*broker.Opened](t, s)
		for i := uint64(0); i < n; i += 15 {
			b := broker.Batch{First: 1 + i}
			for k := range uint64(15) {
				b.Records = append(b.Records, broker.Record{Body: fmt.Append(nil, i+k)})
			}
			publisher.Publish(b)
		}
		for got := 0; got < n; {
			e := await[*broker.Confirmed](t, s)
			got += int(e.Last - e.First + 1)
		}
		const from = 17
		c, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{From: broker.FromOffset, Offset: from}})
		await[*broker.Opened](t, reads)
		for next := uint64(from); next < n; {
			d := await[*broker.Delivered](t, reads)
			for _, r := range d.Records {
				if r.Offset != next || string(r.Body) != fmt.Sprint(next) {
					t.Fatalf("offset %d is %q, want %d", r.Offset, r.Body, next)
				}
				next++
			}
			c.Ack(d.Last(), true)
		}
	})
}

// The end of a chunk of sub-entries is not known, and nothing else wakes the worker: yet all is handed over.
func TestSubEntriesAreNotHeldBack(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, func(c *Config) { c.Heartbeat = time.Hour })
		name := declare(t, p)
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name, SubEntries: 10})
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext, Prefetch: 1000})
		await[*broker.Opened](t, s)
		await[*broker.Opened](t, reads)
		for n := uint64(0); n < 450; n += 15 {
			publisher.Publish(batch(n+1, strings.Split("abcdefghijklmno", "")...))
			for got := 0; got < 15; {
				got += len(await[*broker.Delivered](t, reads).Records)
			}
		}
	})
}

// What was published over AMQP has its properties.
func TestPropertiesOverAMQP(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		s := newSink()
		lease := p.requests.Lease(t.Name())
		defer lease.Abort()
		publisher := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: name, Window: 10, AppID: "app/1", ContentEncoding: "avro"}, s.sink)
		await[*broker.Opened](t, s)
		header := broker.Header{Key: "traceparent", Value: "00-1-2-01"}
		publisher.Publish(broker.Batch{First: 41, Records: []broker.Record{{Body: []byte("body"), Properties: &broker.Properties{Headers: []broker.Header{header}}}}})
		s.confirmed(t, 41)
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}, Properties: true})
		await[*broker.Opened](t, reads)
		r := await[*broker.Delivered](t, reads).Records[0]
		if got := r.Properties; got == nil || got.AppID != "app/1" || got.MessageID != "41" || got.ContentEncoding != "avro" || len(got.Headers) != 1 || got.Headers[0] != header {
			t.Errorf("%q has %+v", r.Body, got)
		}
	})
}

// A port that is closed ends everything, and soon.
func TestClose(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, newPort(t, node, nil))
		publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
		await[*broker.Opened](t, writes)
		await[*broker.Opened](t, reads)
		publisher.Publish(batch(1, "body"))
		_, opens := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		begin := time.Now()
		p.Close()
		if after := time.Since(begin); after > 3*time.Second {
			t.Errorf("Close took %v", after)
		}
		writes.endedBy(t, broker.ErrClosed)
		reads.endedBy(t, broker.ErrClosed)
		opens.endedBy(t, broker.ErrClosed)
		_, after := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		after.endedBy(t, broker.ErrClosed)
		p.Close()
	})
}

// A queue is consumed over AMQP, with all that is known there: exclusively, and with what was unsettled coming again.
func TestQueueIsConsumed(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p) + ".queue"
		do(t, p, broker.DeclareQueue{Name: name, QueueOptions: broker.QueueOptions{Type: broker.Classic}})
		first, s := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Exclusive: true})
		if next := await[*broker.Opened](t, s).Next; next != 0 {
			t.Errorf("a queue's consumer begins at offset %d", next)
		}
		_, second := openConsumer(t, p, broker.ConsumerConfig{Queue: name})
		second.endedBy(t, broker.ErrRefused)
		w := newSink()
		writing := p.requests.Lease(t.Name())
		defer writing.Abort()
		publisher := writing.OpenPublisher(broker.PublisherConfig{RoutingKey: name, Window: 10}, w.sink)
		await[*broker.Opened](t, w)
		publisher.Publish(batch(1, "body"))
		if got := await[*broker.Delivered](t, s).Records[0].Body; string(got) != "body" {
			t.Errorf("delivered %q", got)
		}
		first.Inspect()
		if i := await[*broker.Inspected](t, s); i.Ready != 0 || i.Consumers != 1 {
			t.Errorf("inspected: %+v", i)
		}
		do(t, p, broker.DeleteQueue{Name: name})
		s.endedBy(t, broker.ErrNotFound)
		_, none := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}})
		none.endedBy(t, broker.ErrNotFound)
		aborted := p.Lease(t.Name())
		aborted.Abort()
		third := newSink()
		aborted.OpenConsumer(broker.ConsumerConfig{Queue: name, Prefetch: 1, MaxBatch: 1}, third.sink)
		third.endedBy(t, broker.ErrClosed)
	})
}

func TestProbe(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		for name, c := range map[string]struct {
			change func(*Config)
			want   error
		}{
			"answered":          {nil, nil},
			"wrong password":    {func(c *Config) { c.Credentials.Password = rabbitmq.NewSecret("never-show-this") }, broker.ErrPermission},
			"not that protocol": {func(c *Config) { c.Addresses = []string{node.Address()} }, broker.ErrUnavailable},
			"nobody":            {func(c *Config) { c.Addresses = []string{"127.0.0.1:1"} }, broker.ErrUnavailable},
		} {
			err := newPort(t, node, c.change).Probe(t.Context())
			if !errors.Is(err, c.want) || err != nil && (strings.Contains(err.Error(), "never-show-this") || !strings.Contains(err.Error(), "127.0.0.1:")) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
