package rabbitmq

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// endpoint is a session as its connection sees it.
type endpoint interface {
	base() *session
	Abort()
	// frame takes a frame of the session's channel; false leaves it to amqp091. The reader calls it.
	frame(f frame) bool
	// gathered tells what the frames of one read of the socket brought. The reader calls it.
	gathered()
	// held tells what has become of the broker's alarm. Any goroutine but a method of the port's calls it.
	held()
	// idle says that encode has nothing to do, drop that it never will again. The session's lock is held.
	idle() bool
	drop()
	// setup carries out the calls of amqp091 that make the session ready, or says why it cannot be.
	setup() error
	// encode appends what the session has to say, about budget bytes of it, and says whether more is left. The flusher calls it.
	encode(out []byte, budget int) (_ []byte, more bool)
}

const (
	maxChannels  = 2047
	flushSize    = 256 << 10 // of one system call
	quantum      = 64 << 10  // of one session in a flush while others wait
	maxControl   = 1 << 20   // what amqp091 may have written and the socket not taken
	farewellTime = 500 * time.Millisecond
)

// wire is the io.ReadWriteCloser that amqp091-go takes for the socket; this half of it writes, read.go reads.
//
// Two goroutines serve it: the flusher, which alone writes to the socket, and amqp091's reader, which alone reads from it. amqp091's own frames are
// appended to control; a session that has something to say stands in ready once. The flusher takes both, control first, and
// writes with one system call. Nobody else waits for the socket: an amqp091 that did would hold its locks meanwhile.
//
// That control goes first is what keeps a closed channel clean: a session is over before its channel.close or close-ok is written to
// control, and a session that is over encodes nothing.
//
// mu guards what both sides change; no other lock is taken under it. The wire has no deadline methods on purpose: amqp091 would
// use them for every frame.
type wire struct {
	nc     net.Conn
	raw    io.Closer     // the socket below nc
	onLost func(error)   // the connection is of no use any more
	onHold func(on bool) // connection.blocked and unblocked
	hold   *atomic.Bool  // the broker's alarm is on: publish nothing
	done   chan struct{} // the flusher has ended and the socket is closed

	sessions [maxChannels + 1]atomic.Pointer[attached]

	acks, streamAcks later

	mu         sync.Mutex
	wake       sync.Cond
	control    []byte
	whole      int // how much of control is whole frames
	greeted    bool
	opening    *channelOpening // whose channel.open comes next
	ready      []endpoint
	because    error // why amqp091 will end it
	err        error // why it ended
	farewell   bool  // write what is in control before the socket is closed
	blocked    bool  // by the broker: it does not read
	writeLimit time.Duration

	reading
}

// channelOpening waits for its channel.open (20,10) to be written, which tells its number: amqp091 does not.
type channelOpening struct {
	channel uint16
	written func()
}

// attached is what a channel's frames go to.
type attached struct{ endpoint }

func newWire(nc net.Conn, raw io.Closer, hold *atomic.Bool) *wire {
	w := &wire{nc: nc, raw: raw, hold: hold, done: make(chan struct{})}
	w.wake.L = &w.mu
	w.acks, w.streamAcks = later{wire: w, delay: ackDelay}, later{wire: w, delay: streamAckDelay}
	w.reading.init()
	go w.flush()
	return w
}

var errControl = errors.New("the socket takes nothing, and the control frames that wait for it have become too many")

// Write takes amqp091's bytes. It never blocks.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.err != nil {
		defer w.mu.Unlock()
		return 0, w.err
	}
	if len(w.control) > maxControl {
		w.mu.Unlock()
		w.fail(errControl)
		return 0, errControl
	}
	w.control = append(w.control, p...)
	w.scan()
	w.wake.Signal()
	w.mu.Unlock()
	return len(p), nil
}

// scan looks at the frames that have become whole. The lock is held.
func (w *wire) scan() {
	if !w.greeted && len(w.control) >= 8 { // AMQP 0 0 9 1
		w.greeted, w.whole = true, 8
	}
	for w.greeted {
		f, size, err := nextFrame(w.control[w.whole:])
		if err != nil || size == 0 {
			return
		}
		switch f.method() {
		case connectionStartOK:
			patched := withFailureClose(w.control[w.whole : w.whole+size])
			w.control = append(w.control[:w.whole], patched...)
			size = len(patched)
		case channelOpen:
			if o := w.opening; o != nil {
				w.opening = nil
				o.channel = f.channel
				o.written()
			}
		}
		w.whole += size
	}
}

// setWriteDeadline sets the deadline of the write that is under way or comes next: none while the broker's alarm keeps it from reading. During the
// handshake the dial's own deadline stands. The lock is held.
func (w *wire) setWriteDeadline() {
	switch {
	case w.err != nil:
		_ = w.nc.SetWriteDeadline(time.Now().Add(farewellTime))
	case w.writeLimit == 0:
	case w.blocked:
		_ = w.nc.SetWriteDeadline(time.Time{})
	default:
		_ = w.nc.SetWriteDeadline(time.Now().Add(w.writeLimit))
	}
}

// setBlocked notes connection.blocked and connection.unblocked.
func (w *wire) setBlocked(on bool) {
	w.mu.Lock()
	w.blocked = on
	w.setWriteDeadline()
	w.mu.Unlock()
	w.onHold(on)
}

func (w *wire) isBlocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blocked
}

// holdChanged follows a change of hold: the flusher looks again, the publishers are told.
func (w *wire) holdChanged() {
	w.mu.Lock()
	w.wake.Signal()
	w.mu.Unlock()
	w.each(func(e endpoint) { e.held() })
}

// established follows the handshake: from now on deadlines are the wire's own.
func (w *wire) established(heartbeat time.Duration) {
	w.mu.Lock()
	w.writeLimit = 2 * heartbeat
	w.mu.Unlock()
	_ = w.nc.SetDeadline(time.Time{})
	w.watch(heartbeat)
}

// fail ends the wire at once and tells every session why. Only the first call has an effect.
func (w *wire) fail(err error) {
	if w.stop(err, false) {
		_ = w.raw.Close()
		w.onLost(err)
	}
}

// Close is amqp091's end, which comes after a connection.close of either side: what it has written still goes out.
func (w *wire) Close() error {
	w.mu.Lock()
	err := orElse(w.because, net.ErrClosed)
	w.mu.Unlock()
	if w.stop(err, true) {
		w.onLost(err)
	}
	return nil
}

// foretell says why amqp091 will end the wire.
func (w *wire) foretell(err error) {
	w.mu.Lock()
	w.because = err
	w.mu.Unlock()
}

func (w *wire) stop(err error, farewell bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return false
	}
	w.err, w.farewell = err, farewell
	w.ready, w.opening = nil, nil
	w.setWriteDeadline()
	w.wake.Signal()
	return true
}

func (w *wire) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// attach lets the session have its channel's frames.
func (w *wire) attach(e endpoint) {
	w.sessions[e.base().channel].Store(&attached{e})
}

// detach ends that, unless another session has the channel by now.
func (w *wire) detach(e endpoint) {
	slot := &w.sessions[e.base().channel]
	if a := slot.Load(); a != nil && a.endpoint == e {
		slot.CompareAndSwap(a, nil)
	}
}

// each calls f for every session that is attached.
func (w *wire) each(f func(endpoint)) {
	for i := range w.sessions {
		if a := w.sessions[i].Load(); a != nil {
			f(a.endpoint)
		}
	}
}

// expect says whose channel.open comes next.
func (w *wire) expect(o *channelOpening) {
	w.mu.Lock()
	w.opening = o
	w.mu.Unlock()
}
