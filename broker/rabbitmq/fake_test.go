package rabbitmq

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Methods that only a broker sends, or that only it looks at.
const (
	connectionStart   = 10<<16 | 10
	connectionTune    = 10<<16 | 30
	connectionTuneOK  = 10<<16 | 31
	connectionOpen    = 10<<16 | 40
	connectionOpenOK  = 10<<16 | 41
	connectionCloseOK = 10<<16 | 51
	channelOpenOK     = 20<<16 | 11
	confirmSelect     = 85<<16 | 10
)

// fakeBroker speaks as much AMQP as a test wants it to, on a loopback port.
type fakeBroker struct {
	t        testing.TB
	listener net.Listener
	tasks    sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// startFake serves each connection by serve.
func startFake(t testing.TB, serve func(*fakeConn)) *fakeBroker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &fakeBroker{t: t, listener: listener}
	b.tasks.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, nc)
			b.mu.Unlock()
			b.tasks.Go(func() {
				defer nc.Close()
				serve(&fakeConn{nc: nc})
			})
		}
	})
	t.Cleanup(b.close)
	return b
}

func (b *fakeBroker) close() {
	b.listener.Close()
	b.mu.Lock()
	for _, nc := range b.conns {
		nc.Close()
	}
	b.mu.Unlock()
	b.tasks.Wait()
}

func (b *fakeBroker) port(change func(*Config)) *Port {
	config := Config{Addresses: []string{b.listener.Addr().String()}, Heartbeat: time.Second}
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(p.Close)
	return p
}

// fakeConn is one connection as the broker sees it.
type fakeConn struct {
	nc     net.Conn
	buffer []byte
	size   int // of the frame in front of the buffer, which was given out

	mu sync.Mutex // of writing
}

func (c *fakeConn) write(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.nc.Write(b)
}

// greeting reads AMQP0091.
func (c *fakeConn) greeting() bool {
	b := make([]byte, 8)
	_, err := io.ReadFull(c.nc, b)
	return err == nil && bytes.Equal(b, []byte("AMQP\x00\x00\x09\x01"))
}

// next reads the next frame; its payload is good until the one after it.
func (c *fakeConn) next() (frame, bool) {
	c.buffer = c.buffer[c.size:]
	for {
		f, size, err := nextFrame(c.buffer)
		if c.size = size; err != nil {
			return f, false
		}
		if size > 0 {
			return f, true
		}
		chunk := make([]byte, 64<<10)
		n, err := c.nc.Read(chunk)
		if c.buffer = append(c.buffer, chunk[:n]...); err != nil {
			return f, false
		}
	}
}

// await reads up to the method.
func (c *fakeConn) await(method uint32) (frame, bool) {
	for {
		f, ok := c.next()
		if !ok || f.method() == method {
			return f, ok
		}
	}
}

// begin is the handshake up to start-ok, whose frame it gives.
func (c *fakeConn) begin() (frame, bool) {
	if !c.greeting() {
		return frame{}, false
	}
	start := append([]byte{0, 9, 0, 0, 0, 0}, 0, 0, 0, 5)
	start = append(append(start, "PLAIN"...), 0, 0, 0, 5)
	c.write(appendMethod(nil, 0, connectionStart, append(start, "en_US"...)...))
	return c.await(connectionStartOK)
}

// login is begin and the tuning, up to connection.open.
func (c *fakeConn) login() bool {
	if _, ok := c.begin(); !ok {
		return false
	}
	c.write(appendMethod(nil, 0, connectionTune, 0x07, 0xFF, 0, 2, 0, 0, 0, 1)) // 2,047 channels, frames of 128 KiB, 1 s
	_, ok := c.await(connectionOpen)
	return ok
}

// open is the whole handshake.
func (c *fakeConn) open() bool {
	if !c.login() {
		return false
	}
	c.write(appendMethod(nil, 0, connectionOpenOK, 0))
	return true
}

// serve answers channels, confirms and subscriptions, and lets also see everything.
func (c *fakeConn) serve(also func(frame)) {
	for {
		f, ok := c.next()
		if !ok {
			return
		}
		also(f)
		switch f.method() {
		case channelOpen:
			c.write(appendMethod(nil, f.channel, channelOpenOK, 0, 0, 0, 0))
		case confirmSelect:
			c.write(appendMethod(nil, f.channel, confirmSelectOK))
		case basicQos:
			c.write(appendMethod(nil, f.channel, basicQosOK))
		case basicConsume:
			r := reader{b: f.payload}
			r.take(6)
			r.shortstr()
			c.write(appendMethod(nil, f.channel, basicConsumeOK, appendShortstr(nil, string(r.shortstr()))...))
		case channelClose:
			c.write(appendMethod(nil, f.channel, channelCloseOK))
		case connectionClose:
			c.write(appendMethod(nil, 0, connectionCloseOK))
			return
		}
	}
}

var heartbeatFrame = []byte{8, 0, 0, 0, 0, 0, 0, frameEnd}

// openPublisher opens one and does not wait.
func openPublisher(t testing.TB, p *Port, config broker.PublisherConfig) (broker.Publisher, *sink) {
	t.Helper()
	s := newSink()
	config.Window = max(config.Window, 1000)
	lease := p.Lease(t.Name())
	t.Cleanup(lease.Abort)
	return lease.OpenPublisher(config, s.sink), s
}

func openConsumer(t testing.TB, p *Port, config broker.ConsumerConfig) (broker.Consumer, *sink) {
	t.Helper()
	s := newSink()
	config.Prefetch, config.MaxBatch = max(config.Prefetch, 100), max(config.MaxBatch, 100)
	lease := p.Lease(t.Name())
	t.Cleanup(lease.Abort)
	return lease.OpenConsumer(config, s.sink), s
}
