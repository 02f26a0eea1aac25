package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func ctl(t testing.TB, node *rabbit.Node, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := node.Ctl(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// queueOn declares a queue that is deleted with the test.
func queueOn(t testing.TB, p *Port, kind broker.QueueType) string {
	t.Helper()
	name := strings.ReplaceAll(t.Name(), "/", ".")
	do(t, p, broker.DeclareQueue{Name: name, QueueOptions: broker.QueueOptions{Type: kind}})
	t.Cleanup(func() { do(t, p, broker.DeleteQueue{Name: name}) })
	return name
}

func one(sequence uint64, body string) broker.Batch {
	return broker.Batch{First: sequence, Records: []broker.Record{{Body: []byte(body)}}}
}

func TestCredentialsRefused(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		file := filepath.Join(t.TempDir(), "credentials")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("guest\nhunter2\n")
		p := newPort(t, node, func(c *Config) { c.Credentials, c.CredentialsFile = Credentials{}, file })
		_, s := openPublisher(t, p, broker.PublisherConfig{})
		begin := time.Now()
		for _, err := range []error{s.endedBy(t, broker.ErrPermission), ask(t, p, broker.Probe{}).Err} {
			if !errors.Is(err, broker.ErrPermission) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		}
		if after := time.Since(begin); after > waitLimit {
			t.Errorf("told after %v", after)
		}
		write("guest\nguest\n") // which is read again at the next dial
		for {
			_, s := openPublisher(t, p, broker.PublisherConfig{})
			if _, ok := s.next(t).(*broker.Opened); ok {
				break
			}
		}
	})
}

func TestVirtualHostMissing(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, func(c *Config) { c.VHost = "missing" })
		_, s := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
		s.endedBy(t, broker.ErrRefused)
	})
}

// 403 to basic.consume is a permission, where nobody consumes the queue.
func TestPermissionDenied(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		queue := queueOn(t, newPort(t, node, nil), broker.Classic)
		ctl(t, node, "add_user", "nobody", "nobody")
		ctl(t, node, "set_permissions", "nobody", "^$", "^$", "^$")
		p := newPort(t, node, func(c *Config) { c.Credentials = Credentials{"nobody", NewSecret("nobody")} })
		_, consumer := openConsumer(t, p, broker.ConsumerConfig{Queue: queue})
		consumer.endedBy(t, broker.ErrPermission)
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
		await[*broker.Opened](t, s)
		publisher.Publish(one(1, "body"))
		s.endedBy(t, broker.ErrPermission)
		if err := ask(t, p, broker.DeclareQueue{Name: queue + ".other"}).Err; !errors.Is(err, broker.ErrPermission) {
			t.Errorf("declare: %v", err)
		}
		ctl(t, node, "delete_user", "nobody")
	})
}

// The broker closes the channel of a record that is too large, and no other.
func TestRecordTooLarge(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		limit := 16 << 20
		if node.Version() == rabbit.V3_10 {
			limit = 128 << 20
		}
		p := newPort(t, node, nil)
		queue := queueOn(t, p, broker.Classic)
		other, events := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
		await[*broker.Opened](t, events)
		large, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
		await[*broker.Opened](t, s)
		large.Publish(broker.Batch{First: 1, Records: benchmarkRecords(1, limit+1)})
		s.endedBy(t, broker.ErrRefused)
		other.Publish(one(1, "body"))
		await[*broker.Confirmed](t, events)
	})
}

func TestHeaderTravels(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		queue := queueOn(t, p, broker.Quorum)
		conn, err := amqp.Dial(node.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue, AppID: "app", ContentEncoding: "utf-8"})
		await[*broker.Opened](t, s)
		publisher.Publish(broker.Batch{First: 42, Records: []broker.Record{{Body: []byte("plain")}, {
			Body: bytes.Repeat([]byte("large"), 100_000), Properties: &broker.Properties{Headers: []broker.Header{{Key: "k", Value: "v"}}},
		}}})
		await[*broker.Confirmed](t, s)
		for i, size := range []int{5, 500_000} {
			var d amqp.Delivery
			for ok := false; !ok; {
				if d, ok, err = ch.Get(queue, true); err != nil {
					t.Fatal(err)
				}
			}
			if len(d.Body) != size || d.AppId != "app" || d.MessageId != fmt.Sprint(42+i) || d.ContentEncoding != "utf-8" || d.DeliveryMode != amqp.Persistent {
				t.Errorf("record %d: %d bytes, %+v", i, len(d.Body), d)
			}
			if i == 1 && d.Headers["k"] != "v" {
				t.Errorf("headers %v", d.Headers)
			}
		}
	})
}

// What is seen at the broker: the port's name and purpose, the owner.
func TestNamesAtBroker(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, func(c *Config) { c.Name = "names-test" })
		queue := queueOn(t, p, broker.Classic)
		_, s := openConsumer(t, p, broker.ConsumerConfig{Queue: queue})
		await[*broker.Opened](t, s)
		if out := ctl(t, node, "list_connections", "client_properties"); !strings.Contains(out, "names-test (consume)") {
			t.Errorf("connections: %s", out)
		}
		if out := ctl(t, node, "list_consumers", "consumer_tag"); !strings.Contains(out, t.Name()) {
			t.Errorf("consumers: %s", out)
		}
	})
}

// More sessions than a connection has channels, and no connection left when they are gone but one.
func TestManySessions(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		const n = 2100
		p := newPort(t, node, nil)
		lease := p.Lease(t.Name())
		sinks := make([]*sink, n)
		var waits int
		for i := range sinks {
			sinks[i] = newSink()
			lease.OpenPublisher(broker.PublisherConfig{Window: 1}, sinks[i].sink)
		}
		for _, s := range sinks {
			if _, ok := s.next(t).(*broker.Opened); !ok {
				waits++
			}
		}
		p.publishing.mu.Lock()
		links := len(p.publishing.links)
		p.publishing.mu.Unlock()
		if waits > 0 || links != 2 {
			t.Errorf("%d of %d were not opened; %d connections", waits, n, links)
		}
		lease.Abort()
		for channels := 1; channels > 0; {
			p.publishing.mu.Lock()
			channels = 0
			for _, l := range p.publishing.links {
				channels += l.channels
			}
			p.publishing.mu.Unlock()
			do(t, p, broker.Probe{})
		}
	})
}

// A broker that is killed under a publisher and a consumer. What it keeps of a queue that is milliseconds old is its own affair: 3.10 may not even
// keep the queue.
func TestKilledBroker(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run(version, func(t *testing.T) {
			node := rabbittest.Fresh(t, rabbit.Options{Version: version})
			p := newPort(t, node, nil)
			queue := queueOn(t, p, broker.Classic)
			publisher, ps := openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
			await[*broker.Opened](t, ps)
			publisher.Publish(one(1, "before"))
			await[*broker.Confirmed](t, ps)
			_, cs := openConsumer(t, p, broker.ConsumerConfig{Queue: queue})
			await[*broker.Opened](t, cs)
			await[*broker.Delivered](t, cs)

			node.Kill()
			ps.endedBy(t, broker.ErrUnavailable)
			cs.endedBy(t, broker.ErrUnavailable)
			_, during := openConsumer(t, p, broker.ConsumerConfig{Queue: queue})
			during.endedBy(t, broker.ErrUnavailable)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := node.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			do(t, p, broker.DeclareQueue{Name: queue})
			publisher, ps = openPublisher(t, p, broker.PublisherConfig{RoutingKey: queue})
			await[*broker.Opened](t, ps)
			publisher.Publish(one(2, "after"))
			await[*broker.Confirmed](t, ps)
			_, after := openConsumer(t, p, broker.ConsumerConfig{Queue: queue})
			await[*broker.Opened](t, after)
			for got := ""; got != "after"; {
				d := await[*broker.Delivered](t, after)
				got = string(d.Records[len(d.Records)-1].Body)
			}
			t.Logf("a record comes through %v after the broker", time.Since(begin))
		})
	}
}

// A frozen broker is noticed by the missing heartbeats, and the port can be used and closed meanwhile.
func TestFrozenBroker(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run(version, func(t *testing.T) {
			node := rabbittest.Fresh(t, rabbit.Options{Version: version})
			p := newPort(t, node, func(c *Config) { c.Heartbeat = 2 * time.Second })
			var sinks []*sink
			for range 10 {
				_, s := openPublisher(t, p, broker.PublisherConfig{})
				await[*broker.Opened](t, s)
				sinks = append(sinks, s)
			}
			if err := node.Freeze(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			for _, s := range sinks {
				s.endedBy(t, broker.ErrUnavailable)
			}
			if after := time.Since(begin); after > 4*time.Second {
				t.Errorf("noticed after %v", after)
			}
			_, s := openPublisher(t, p, broker.PublisherConfig{})
			lease := p.Lease("requests")
			lease.Do(broker.Probe{}, func(broker.Result) {})
			begin = time.Now()
			p.Close()
			if after := time.Since(begin); after > 3*time.Second {
				t.Errorf("closed after %v", after)
			}
			s.endedBy(t, broker.ErrClosed)
			if err := node.Thaw(); err != nil {
				t.Fatal(err)
			}
			p = newPort(t, node, nil)
			do(t, p, broker.Probe{})
		})
	}
}

// Nothing is left of a port, whatever was under way when it was closed.
func TestCloseLeavesNothing(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		keeper := newPort(t, node, nil)
		queue := queueOn(t, keeper, broker.Classic)
		before := descriptors(t)
		for round := range 10 {
			p := newPort(t, node, nil)
			lease := p.Lease("round")
			var sinks []*sink
			for range 20 {
				ps, cs := newSink(), newSink()
				publisher := lease.OpenPublisher(broker.PublisherConfig{RoutingKey: queue, Window: 10}, ps.sink)
				consumer := lease.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: 10, MaxBatch: 10}, cs.sink)
				if round > 0 {
					await[*broker.Opened](t, ps)
					publisher.Publish(one(1, "body"))
				}
				if round > 5 {
					await[*broker.Opened](t, cs)
					consumer.Close()
				}
				sinks = append(sinks, ps, cs)
			}
			lease.Do(broker.InspectQueue{Name: queue}, func(broker.Result) {})
			if round%3 == 2 {
				lease.Abort()
			}
			p.Close()
			if round%3 != 2 {
				for _, s := range sinks {
					s.ended(t)
				}
			}
			s := newSink()
			p.Lease("late").OpenPublisher(broker.PublisherConfig{Window: 1}, s.sink)
			s.endedBy(t, broker.ErrClosed)
			if err := ask(t, p, broker.Probe{}).Err; !errors.Is(err, broker.ErrClosed) {
				t.Errorf("request: %v", err)
			}
		}
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
