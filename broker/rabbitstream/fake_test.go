package rabbitstream

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/broker/rabbitmq"
)

// startFake serves each connection, and says which it is.
func startFake(t *testing.T, serve func(n int, nc net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	var mu sync.Mutex
	var all []net.Conn
	tasks.Go(func() {
		for n := 0; ; n++ {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, nc)
			mu.Unlock()
			tasks.Go(func() { serve(n, nc) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, nc := range all {
			nc.Close()
		}
		mu.Unlock()
		tasks.Wait()
	})
	return listener.Addr().String()
}

// answerUpTo answers as a broker does that leads the stream itself, but not what comes from this command on.
func answerUpTo(nc net.Conn, last uint16) {
	answerAs(nc, last, nc.LocalAddr().String(), silent)
}

// answerAs answers with that leader, and what it does not know by more; without a leader, also the question for the stream.
func answerAs(nc net.Conn, last uint16, leader string, more func(key uint16, f *fields) []byte) {
	host, port, _ := net.SplitHostPort(nc.LocalAddr().String())
	for {
		key, f, err := readFrame(nc)
		if err != nil {
			return
		}
		if key == last {
			continue
		}
		reply := func() frame { return newFrame(key | answer).u32(f.u32()).u16(codeOK) }
		var out frame
		switch key {
		case peerProperties:
			out = reply().u32(0)
		case saslHandshake:
			out = reply().u32(1).text("PLAIN")
		case saslAuthenticate:
			out = append(reply().sealed(), newFrame(tune).u32(maxFrame).u32(60).sealed()...)
			_, _ = nc.Write(out)
			continue
		case openVHost:
			out = reply().u32(2).text("advertised_host").text(host).text("advertised_port").text(port)
		case metadata:
			if leader == "" {
				_, _ = nc.Write(more(key, f))
				continue
			}
			leadingHost, leadingPort, _ := net.SplitHostPort(leader)
			n, _ := net.LookupPort("tcp", leadingPort)
			out = newFrame(key | answer).u32(f.u32()).u32(1).u16(0).text(leadingHost).u32(uint32(n)).u32(1).text("s").u16(codeOK).u16(0).u32(0)
		default:
			_, _ = nc.Write(more(key, f))
			continue
		}
		_, _ = nc.Write(out.sealed())
	}
}

// silent answers nothing.
func silent(uint16, *fields) []byte { return nil }

func fakePort(t *testing.T, address string) *Port {
	t.Helper()
	requests := embedded.Start()
	t.Cleanup(requests.Stop)
	p, err := New(Config{Config: rabbitmq.Config{Addresses: []string{address}, DialTimeout: 200 * time.Millisecond}}, requests)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Wherever a broker falls silent, the opening ends in time.
func TestSilentHandshake(t *testing.T) {
	for name, last := range map[string]uint16{"greeting": peerProperties, "SASL": saslHandshake, "login": saslAuthenticate, "opening": openVHost, "metadata": metadata} {
		t.Run(name, func(t *testing.T) {
			p := fakePort(t, startFake(t, func(_ int, nc net.Conn) { answerUpTo(nc, last) }))
			begin := time.Now()
			var all []*sink
			for range maxOpenings + 5 {
				_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
				all = append(all, s)
			}
			for _, s := range all {
				s.endedBy(t, broker.ErrUnavailable)
			}
			if after := time.Since(begin); after > 4*time.Second {
				t.Errorf("told after %v", after)
			}
		})
	}
}

// By the address given, a stream that another node leads cannot be reached.
func TestLeaderElsewhere(t *testing.T) {
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) { answerAs(nc, 0, "elsewhere:5552", silent) }))
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "Config.Advertised") {
		t.Errorf("ended: %v", err)
	}
}

// Sessions that find nobody wait until somebody listens, and one knocks for all of them.
func TestOpensWhenBrokerComes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	p := fakePort(t, address)
	for range 20 {
		openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	}
	for waiting := 0; waiting < 20; runtime.Gosched() {
		p.door.mu.Lock()
		waiting = p.door.waiting
		p.door.mu.Unlock()
	}
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	knock, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	knock.Close()
	// Whoever comes behind the knock speaks.
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if key, _, err := readFrame(nc); key != peerProperties || err != nil {
		t.Errorf("behind one knock for 20 sessions comes %d, %v", key, err)
	}
}

// Where nobody comes, sessions are told within the time that they have to open, and nobody knocks any more.
func TestNobodyListens(t *testing.T) {
	p := fakePort(t, "127.0.0.1:1")
	begin := time.Now()
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	if err := s.endedBy(t, broker.ErrUnavailable); !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	if took := time.Since(begin); took < waitLimit || took > waitLimit+time.Second {
		t.Errorf("told after %v", took)
	}
	p.door.mu.Lock()
	opens := p.door.opens
	p.door.mu.Unlock()
	if opens == nil {
		return
	}
	select {
	case <-opens:
	case <-time.After(2 * time.Second):
		t.Error("somebody knocks, and nobody waits")
	}
}

// coded answers the question for the stream by a code.
func coded(code uint16) func(uint16, *fields) []byte {
	return func(key uint16, f *fields) []byte {
		return newFrame(key | answer).u32(f.u32()).u32(0).u32(1).text("s").u16(code).u16(0).u32(0).sealed()
	}
}

// A stream that is not ready yet, as after a start of the broker, is looked for again by the same session.
func TestStreamThatIsNotReadyIsWaitedFor(t *testing.T) {
	const notReady = 5
	p := fakePort(t, startFake(t, func(n int, nc net.Conn) {
		code := uint16(codeUnavailable)
		if n == notReady {
			code = codeNoStream
		}
		answerAs(nc, 0, "", coded(code))
	}))
	_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
	if err := s.endedBy(t, broker.ErrNotFound); err == nil {
		t.Error("it has been found")
	}
}

// Where many wait for their streams, the broker is asked no more often for that, and all are told within the time that they have to open.
func TestManyStreamsThatAreNotReady(t *testing.T) {
	const many = 200
	var looks atomic.Int32
	p := fakePort(t, startFake(t, func(_ int, nc net.Conn) {
		looks.Add(1)
		answerAs(nc, 0, "", coded(codeUnavailable))
	}))
	begin := time.Now()
	var all []*sink
	for range many {
		_, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: "s"})
		all = append(all, s)
	}
	for _, s := range all {
		s.endedBy(t, broker.ErrUnavailable)
	}
	if took := time.Since(begin); took > waitLimit+time.Second {
		t.Errorf("told after %v", took)
	}
	if n, most := looks.Load(), int32(many*(1+2*waitLimit/unreadyMost)*3/2); n > most {
		t.Errorf("the broker was asked %d times, by %d sessions in %v; want at most %d", n, many, waitLimit, most)
	}
}
