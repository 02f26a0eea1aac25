package rabbitmq

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// sink gathers a session's events for a test.
type sink struct {
	mu     sync.Mutex
	events []broker.Event
	wake   chan struct{}
}

func newSink() *sink { return &sink{wake: make(chan struct{}, 1)} }

func (s *sink) sink(e broker.Event) {
	s.mu.Lock()
	if p, ok := e.(*broker.Pending); ok {
		s.events = append(s.events, p.Take()...)
	} else {
		s.events = append(s.events, e)
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next waits for the next event.
func (s *sink) next(t testing.TB) broker.Event {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = s.events[1:]
			s.mu.Unlock()
			return e
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-late.C:
			t.Fatalf("no event within %v", patience)
		}
	}
}

// await waits for the next event, which must be of that type.
func await[E broker.Event](t testing.TB, s *sink) E {
	t.Helper()
	e := s.next(t)
	want, ok := e.(E)
	if !ok {
		if ended, is := e.(*broker.Ended); is {
			t.Fatalf("ended: %v, want %T", ended.Err, want)
		}
		t.Fatalf("event %T %+v, want %T", e, e, want)
	}
	return want
}

// ended waits for Ended, whatever comes before, and gives its error.
func (s *sink) ended(t testing.TB) error {
	t.Helper()
	for {
		if e, ok := s.next(t).(*broker.Ended); ok {
			return e.Err
		}
	}
}

// endedBy is ended, and checks the error.
func (s *sink) endedBy(t testing.TB, want error) error {
	t.Helper()
	err := s.ended(t)
	if !errors.Is(err, want) {
		t.Fatalf("ended: %v, want %v", err, want)
	}
	return err
}

// do carries out a request that must succeed.
func do(t testing.TB, port *Port, request broker.Request) broker.Result {
	t.Helper()
	result := ask(t, port, request)
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return result
}

func ask(t testing.TB, port *Port, request broker.Request) broker.Result {
	t.Helper()
	lease := port.Lease(t.Name())
	defer lease.Abort()
	answer := make(chan broker.Result, 1)
	lease.Do(request, func(r broker.Result) { answer <- r })
	select {
	case r := <-answer:
		return r
	case <-time.After(patience):
		t.Fatalf("%s: no answer within %v", request, patience)
		return broker.Result{}
	}
}

// scripted is a socket that takes everything and gives what a test puts into it, piece by piece.
type scripted struct {
	net.Conn // nil: what is not below must not be called
	pieces   chan []byte
	closed   chan struct{}
	once     sync.Once
	written  func([]byte)
}

func (s *scripted) Write(p []byte) (int, error) {
	if s.written != nil {
		s.written(p)
	}
	return len(p), nil
}

func (s *scripted) Read(p []byte) (int, error) {
	select {
	case piece := <-s.pieces:
		return copy(p, piece), nil
	case <-s.closed:
		return 0, io.EOF
	}
}

func (s *scripted) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// scriptedWire is a wire on such a socket.
func scriptedWire(t testing.TB, written func([]byte)) *wire {
	nc := &scripted{pieces: make(chan []byte), closed: make(chan struct{}), written: written}
	w := newWire(nc, nc, new(atomic.Bool))
	w.onLost = func(cause error) { w.each(func(e endpoint) { e.base().end(lost("test", cause)) }) }
	w.onHold = func(bool) {}
	t.Cleanup(func() {
		w.fail(net.ErrClosed)
		<-w.done
	})
	return w
}

// received puts bytes into the wire's buffer as if they had been read.
func (w *wire) received(b []byte) {
	w.compact()
	w.end += copy(w.buffer[w.end:], b)
}

// attachConsumer attaches an open consumer as channel 1.
func attachConsumer(w *wire, config broker.ConsumerConfig, sink broker.Sink) *consumer {
	c := newConsumer(config, "test")
	attachOpen(w, c, sink, config.MaxBatch)
	return c
}

// attachPublisher attaches an open publisher as channel 1.
func attachPublisher(w *wire, config broker.PublisherConfig, sink broker.Sink) *publisher {
	p := newPublisher(config)
	attachOpen(w, p, sink, 0)
	return p
}

func attachOpen(w *wire, e endpoint, sink broker.Sink, maxBatch int) {
	s := e.base()
	s.Init(sink, maxBatch)
	s.keeper = newKeeper(context.Background(), new(sync.WaitGroup), &Config{}, "test")
	s.lease = &lease{sessions: map[*session]struct{}{}}
	s.settled = make(chan struct{})
	close(s.settled)
	s.link = &link{wire: w}
	s.channel, s.state = 1, open
	w.attach(e)
}

// Frames as a broker writes them.

func appendMethod(b []byte, channel uint16, method uint32, arguments ...byte) []byte {
	b, at := openFrame(b, frameMethod, channel)
	return closeFrame(append(be.AppendUint32(b, method), arguments...), at)
}

func appendDelivery(b []byte, channel uint16, tag uint64, redelivered bool, body []byte, p *broker.Properties) []byte {
	return appendDeliveryTo("consumer tag", b, channel, tag, redelivered, body, p)
}

func appendDeliveryTo(consumer string, b []byte, channel uint16, tag uint64, redelivered bool, body []byte, p *broker.Properties) []byte {
	m := appendShortstr(nil, consumer)
	m = append(be.AppendUint64(m, tag), bit(redelivered))
	m = appendShortstr(appendShortstr(m, "exchange"), "routing key")
	return appendContent(appendMethod(b, channel, basicDeliver, m...), channel, body, p)
}

func appendReturn(b []byte, channel uint16, body []byte, p *broker.Properties) []byte {
	m := appendShortstr(be.AppendUint16(nil, 312), "NO_ROUTE")
	m = appendShortstr(appendShortstr(m, "exchange"), "routing key")
	return appendContent(appendMethod(b, channel, basicReturn, m...), channel, body, p)
}

func appendContent(b []byte, channel uint16, body []byte, p *broker.Properties) []byte {
	e := encoder{channel: channel, chunk: 1000}
	return e.appendBody(appendHeader(b, channel, len(body), p), body)
}

func appendConfirm(b []byte, channel uint16, method uint32, tag uint64, multiple bool) []byte {
	return appendMethod(b, channel, method, append(be.AppendUint64(nil, tag), bit(multiple))...)
}

func appendClose(b []byte, channel uint16, method uint32, why *closeReason) []byte {
	m := appendShortstr(be.AppendUint16(nil, why.code), why.text)
	return appendMethod(b, channel, method, be.AppendUint32(m, why.method)...)
}
