package rabbitmq

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

// amqp091 does not announce authentication_failure_close; weir does, in amqp091's own frame.
func TestStartOKAnnouncesFailureClose(t *testing.T) {
	got := make(chan map[string]bool, 1)
	b := startFake(t, func(c *fakeConn) {
		f, ok := c.begin()
		if !ok {
			return
		}
		r := reader{b: f.payload}
		r.take(4)
		found := map[string]bool{}
		for t := (reader{b: r.longstr()}); len(t.b) > 0 && !t.bad; {
			key, _, value := t.field()
			found[string(key)] = true
			for v := (reader{b: value}); string(key) == "capabilities" && len(v.b) > 0 && !v.bad; {
				name, _, on := v.field()
				found[string(name)] = on[0] == 1
			}
		}
		found["mechanism"] = string(r.shortstr()) == "PLAIN"
		found["response"] = string(r.longstr()) == "\x00u\x00p"
		found["locale"] = string(r.shortstr()) == "en_US" && !r.bad && len(r.b) == 0
		got <- found
	})
	p := b.port(func(c *Config) { c.Credentials = Credentials{"u", NewSecret("p")} })
	openPublisher(t, p, broker.PublisherConfig{})
	found := <-got
	for _, want := range []string{"connection_name", "authentication_failure_close", "connection.blocked", "consumer_cancel_notify", "basic.nack", "mechanism", "response", "locale"} {
		if !found[want] {
			t.Errorf("start-ok lacks %s", want)
		}
	}
}

// What the broker answers during the handshake is told at once; a socket that merely closes is no answer.
func TestHandshakeRefused(t *testing.T) {
	for name, test := range map[string]struct {
		serve func(*fakeConn)
		want  error
		told  bool
	}{
		"credentials": {func(c *fakeConn) {
			if _, ok := c.begin(); ok {
				c.write(appendClose(nil, 0, connectionClose, &closeReason{403, "ACCESS_REFUSED", 0}))
				c.await(connectionCloseOK)
			}
		}, broker.ErrPermission, true},
		"virtual host": {func(c *fakeConn) {
			if c.login() {
				c.write(appendClose(nil, 0, connectionClose, &closeReason{530, "NOT_ALLOWED", connectionOpen}))
				c.await(connectionCloseOK)
			}
		}, broker.ErrRefused, true},
		"closed at the login":   {func(c *fakeConn) { c.begin() }, broker.ErrUnavailable, false},
		"closed at the opening": {func(c *fakeConn) { c.login() }, broker.ErrUnavailable, false},
		"closed at once":        {func(*fakeConn) {}, broker.ErrUnavailable, false},
		"no AMQP":               {func(c *fakeConn) { c.write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, broker.ErrUnavailable, false},
		"no answer":             {func(c *fakeConn) { _, _ = io.Copy(io.Discard, c.nc) }, broker.ErrUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := startFake(t, test.serve)
			p := b.port(func(c *Config) { c.DialTimeout = 500 * time.Millisecond })
			_, err := p.publishing.dialer.round(t.Context())
			kind, told := dialKind(err)
			if kind != test.want || told != test.told || !errors.Is(err, test.want) {
				t.Errorf("%v: is %v, told %v", err, kind, told)
			}
			if !strings.Contains(err.Error(), b.listener.Addr().String()) {
				t.Errorf("%v does not name the address", err)
			}
		})
	}
}

// The second address is tried when the first fails, and is the first to be tried from then on.
func TestAddressesInTurn(t *testing.T) {
	var dials atomic.Int32
	bad := startFake(t, func(*fakeConn) { dials.Add(1) })
	good := startFake(t, func(c *fakeConn) {
		if c.open() {
			c.serve(func(frame) {})
		}
	})
	p := good.port(func(c *Config) { c.Addresses = append([]string{bad.listener.Addr().String()}, c.Addresses...) })
	for range 3 {
		_, s := openPublisher(t, p, broker.PublisherConfig{})
		await[*broker.Opened](t, s)
		p.publishing.mu.Lock()
		l := p.publishing.links[0]
		p.publishing.mu.Unlock()
		l.cut(errors.New("the test cuts"))
		s.endedBy(t, broker.ErrUnavailable)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("the bad address was dialled %d times", n)
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	p, err := New(Config{Addresses: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, publisher := openPublisher(t, p, broker.PublisherConfig{})
	_, consumer := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
	request := ask(t, p, broker.Probe{})
	for _, err := range []error{publisher.endedBy(t, broker.ErrUnavailable), consumer.endedBy(t, broker.ErrUnavailable), request.Err} {
		if !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), address) {
			t.Errorf("the reason is not told: %v", err)
		}
	}
}

// A session that waits is opened as soon as the broker listens.
func TestOpensWhenBrokerComes(t *testing.T) {
	refuse := new(atomic.Bool)
	refuse.Store(true)
	attempts := make(chan struct{}, 100)
	b := startFake(t, func(c *fakeConn) {
		if refuse.Load() {
			attempts <- struct{}{}
			return
		}
		if c.open() {
			c.serve(func(frame) {})
		}
	})
	_, s := openPublisher(t, b.port(nil), broker.PublisherConfig{})
	for range 3 {
		<-attempts
	}
	refuse.Store(false)
	await[*broker.Opened](t, s)
}

// Who waits because nobody listened need not wait any longer when the broker has answered to another.
func TestOneAnswerWakesAll(t *testing.T) {
	b := startFake(t, func(c *fakeConn) {
		if c.open() {
			c.serve(func(frame) {})
		}
	})
	p := b.port(nil)
	gone, hour := failure("connect", broker.ErrUnavailable, syscall.ECONNREFUSED), time.Now().Add(time.Hour)
	p.consuming.last, p.consuming.next = gone, hour
	p.topology.last, p.topology.next = gone, hour
	_, consumer := openConsumer(t, p, broker.ConsumerConfig{Queue: "q"})
	answer := make(chan broker.Result, 1)
	l := p.Lease(t.Name())
	defer l.Abort()
	l.Do(broker.Probe{}, func(r broker.Result) { answer <- r })
	for waits := false; !waits; runtime.Gosched() {
		p.topology.mu.Lock()
		waits = p.topology.attempt != nil
		p.topology.mu.Unlock()
	}
	_, publisher := openPublisher(t, p, broker.PublisherConfig{})
	await[*broker.Opened](t, publisher)
	await[*broker.Opened](t, consumer)
	if r := <-answer; r.Err != nil {
		t.Error(r.Err)
	}
}

func TestHeartbeatMissed(t *testing.T) {
	silent := make(chan time.Time, 1)
	b := startFake(t, func(c *fakeConn) {
		if c.open() {
			c.serve(func(f frame) {
				if f.method() == confirmSelect {
					select {
					case silent <- time.Now():
					default:
					}
				}
			})
		}
	})
	_, s := openPublisher(t, b.port(nil), broker.PublisherConfig{})
	await[*broker.Opened](t, s)
	err := s.endedBy(t, broker.ErrUnavailable)
	if after := time.Since(<-silent); after < 1400*time.Millisecond || after > 2500*time.Millisecond {
		t.Errorf("noticed after %v with a heartbeat of 1 s", after)
	}
	if !strings.Contains(err.Error(), "heartbeat missed") {
		t.Errorf("the reason is not told: %v", err)
	}
}

// A peer that reads nothing, though it sends heartbeats, is given up; not while its alarm is on.
func TestPeerReadsNothing(t *testing.T) {
	t.Run("without an alarm", func(t *testing.T) {
		ended := make(chan struct{})
		b := startFake(t, func(c *fakeConn) { c.readsNothing(false, ended) })
		s := publishGiant(t, b.port(nil))
		if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "took nothing") {
			t.Errorf("the reason is not told: %v", err)
		}
		close(ended)
	})
	t.Run("with its alarm on", func(t *testing.T) {
		b := startFake(t, func(c *fakeConn) { c.readsNothing(true, nil) })
		s := publishGiant(t, b.port(nil))
		if on := await[*broker.Blocked](t, s).On; !on {
			t.Error("Blocked says off")
		}
		if on := await[*broker.Blocked](t, s).On; on {
			t.Error("Blocked says on")
		}
		await[*broker.Confirmed](t, s)
	})
}

// publishGiant publishes more than the sockets hold.
func publishGiant(t *testing.T, p *Port) *sink {
	publisher, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "q"})
	await[*broker.Opened](t, s)
	publisher.Publish(broker.Batch{First: 1, Records: benchmarkRecords(1, 32<<20)})
	return s
}

// readsNothing serves until the first record; then it sends heartbeats and reads nothing for four of them, which is weir's patience and as much
// again, or until stop. Then it confirms.
func (c *fakeConn) readsNothing(blocked bool, stop <-chan struct{}) {
	if !c.open() {
		return
	}
	first := true
	c.serve(func(f frame) {
		if f.method() != basicPublish || !first {
			return
		}
		first = false
		if blocked {
			c.write(appendMethod(nil, 0, connectionBlocked, 0))
		}
		pace := time.NewTicker(500 * time.Millisecond)
		defer pace.Stop()
		for range 8 {
			c.write(heartbeatFrame)
			select {
			case <-pace.C:
			case <-stop:
				return
			}
		}
		if blocked {
			c.write(appendMethod(nil, 0, connectionUnblocked))
		}
		c.write(appendConfirm(nil, f.channel, basicAck, 1, false))
	})
}

func TestIsSelf(t *testing.T) {
	for port := 20000; ; port++ { // below the ephemeral range
		address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
		nc, err := net.DialTCP("tcp", address, address)
		if err != nil {
			continue
		}
		if !isSelf(nc) {
			t.Error("not noticed")
		}
		nc.Close()
		return
	}
}

// amqp091 reads what weir's encoders write, and weir's decoders read what amqp091 writes.
func TestAgainstAmqp091(t *testing.T) {
	published := make(chan decodedPublish, 1)
	confirms := make(chan [2]any, 4)
	b := startFake(t, func(c *fakeConn) {
		if !c.open() {
			return
		}
		var frames []byte
		keep := func(f frame) {
			var at int
			frames, at = openFrame(frames, f.kind, f.channel)
			frames = closeFrame(append(frames, f.payload...), at)
		}
		c.serve(func(f frame) {
			switch f.method() {
			case basicConsume:
				r := reader{b: f.payload}
				r.take(6)
				r.shortstr()
				tag := string(r.shortstr())
				e := appendDeliveryTo(tag, nil, 1, 1, true, make([]byte, 2500), &broker.Properties{ContentEncoding: "gzip", AppID: "app", MessageID: "7", Headers: []broker.Header{{Key: "k", Value: "v"}}})
				c.write(appendDeliveryTo(tag, e, 1, 2, false, nil, &broker.Properties{}))
			case basicAck:
				tag, multiple, _ := decodeConfirm(f.payload)
				confirms <- [2]any{tag, multiple}
			case basicPublish:
				keep(f)
			case 0:
				if keep(f); f.kind == frameBody {
					published <- decodePublish(t, frames)
				}
			}
		})
	})
	conn, err := amqp.Dial("amqp://guest:guest@" + b.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	err = ch.Publish("x", "k", true, false, amqp.Publishing{AppId: "app", MessageId: "3", ContentEncoding: "utf-8", Headers: amqp.Table{"h": "v"}, Body: []byte("body"), Timestamp: time.Unix(1, 0), UserId: "u"})
	if err != nil {
		t.Fatal(err)
	}
	got := <-published
	if got.Exchange != "x" || got.Key != "k" || !got.Mandatory || got.Body != "body" || got.AppID != "app" || got.MessageID != "3" || got.ContentEncoding != "utf-8" ||
		len(got.Headers) != 1 || got.Headers[0] != (broker.Header{Key: "h", Value: "v"}) {
		t.Errorf("weir reads %+v", got)
	}
	deliveries, err := ch.Consume("q", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, second := <-deliveries, <-deliveries
	if first.DeliveryTag != 1 || !first.Redelivered || len(first.Body) != 2500 || first.ContentEncoding != "gzip" || first.AppId != "app" || first.MessageId != "7" ||
		first.Headers["k"] != "v" || first.DeliveryMode != amqp.Persistent {
		t.Errorf("amqp091 reads %+v", first)
	}
	if second.DeliveryTag != 2 || second.Redelivered || len(second.Body) != 0 {
		t.Errorf("amqp091 reads %+v", second)
	}
	if err := second.Ack(true); err != nil {
		t.Fatal(err)
	}
	if got := <-confirms; got != [2]any{uint64(2), true} {
		t.Errorf("weir reads ack %v", got)
	}
}
