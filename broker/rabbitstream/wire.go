package rabbitstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// wire is what goes over a link's connection. One goroutine reads, and hands frames to sessions and answers to who has asked; one writes what has gathered, with one
// system call where it can. So no session waits for the socket, and what is not answered in time can be given up.
type wire struct {
	wake   chan struct{}
	pieces atomic.Uint64 // how many have come, of frames that are no heartbeats

	mu       sync.Mutex
	out      [][]byte // frames, whole ones
	spare    [][]byte // buffers to write frames into
	answers  map[uint32]chan<- *fields
	sessions [maxSessions]*session
	over     bool
	why      error // over, and not by hangUp
}

const (
	// maxAnswer and maxChunk are the most bytes of a frame that is taken.
	maxAnswer, maxChunk = 16 << 20, 1 << 30
	// maxSpare is how many buffers are kept, and maxKept how large they may be.
	maxSpare, maxKept = 8, 2 * maxFrame
)

func (w *wire) init() {
	w.wake = make(chan struct{}, 1)
	w.answers = map[uint32]chan<- *fields{}
}

var errNoAnswer = errors.New("the broker does not answer")

// enlist has the session told what comes for its number.
func (w *wire) enlist(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[s.number] = s
}

// forget has it told nothing any more.
func (w *wire) forget(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[s.number] = nil
}

// paper is a buffer for a frame that say gets.
func (w *wire) paper() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.spare)
	if n == 0 {
		return make([]byte, 0, pieceSize+pieceSize/8)
	}
	b := w.spare[n-1]
	w.spare = w.spare[:n-1]
	return b[:0]
}

// say has a frame written, which is the wire's from now on.
func (w *wire) say(frame []byte) {
	w.mu.Lock()
	if !w.over {
		w.out = append(w.out, frame)
	}
	w.mu.Unlock()
	w.poke()
}

func (w *wire) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// ask sends a command with what arguments append, and waits for its answer: for the limit, and again where something has come since, behind which it may wait, or where patient, asked then, says so
// (nil: no); and no longer than the context.
func (l *link) ask(ctx context.Context, limit time.Duration, patient func() bool, key uint16, arguments func(frame) frame) (*fields, error) {
	answered := make(chan *fields, 1)
	id, err := l.expect(answered)
	if err != nil {
		return nil, err
	}
	l.say(arguments(newFrame(key).u32(id)).sealed())
	timer := time.NewTimer(limit)
	defer timer.Stop()
	before := l.pieces.Load()
	p := l.keeper.port
	closing := p.ctx.Done()
	for {
		select {
		case f := <-answered:
			if f == nil {
				return nil, l.lostBy()
			}
			return f, nil
		case <-closing:
			closing = nil
			timer.Reset(min(limit, closeLimit))
			continue
		case <-ctx.Done():
		case <-timer.C:
			now := l.pieces.Load()
			if p.ctx.Err() == nil && (now != before || patient != nil && patient()) {
				before = now
				timer.Reset(limit)
				continue
			}
		}
		l.mu.Lock()
		delete(l.answers, id)
		l.mu.Unlock()
		return nil, errNoAnswer
	}
}

// expect has the next answer told.
func (l *link) expect(answered chan<- *fields) (id uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, l.why
	}
	l.asked++
	l.answers[l.asked] = answered
	return l.asked, nil
}

func (w *wire) lostBy() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

// write is the writing goroutine. It ends behind the last frame when the link hangs up, and has the connection closed.
func (l *link) write() {
	defer l.Close()
	beat := time.NewTicker(l.heartbeat / 2)
	defer beat.Stop()
	var turn [][]byte
	var going net.Buffers
	for {
		select {
		case <-l.wake:
		case <-beat.C:
			l.say(newFrame(heartbeat).sealed())
		}
		var over bool
		turn, over = l.take(turn)
		going = append(going[:0], turn...) // WriteTo consumes it
		if _, err := going.WriteTo(l.Conn); err != nil {
			l.fail(err)
			return
		}
		if over {
			return
		}
	}
}

// take gives what is to be written, for what has been.
func (w *wire) take(written [][]byte) (turn [][]byte, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range written {
		if len(w.spare) < maxSpare && cap(b) >= pieceSize && cap(b) <= maxKept {
			w.spare = append(w.spare, b)
		}
		written[i] = nil
	}
	turn, w.out = w.out, written[:0]
	return turn, w.over
}

// hangUp says goodbye behind all that was said.
func (l *link) hangUp() {
	l.say(newFrame(closeConnection).u32(0).u16(codeOK).text("OK").sealed())
	_ = l.SetWriteDeadline(time.Now().Add(closeLimit))
	l.mu.Lock()
	l.over = true
	if l.why == nil {
		l.why = net.ErrClosed
	}
	l.mu.Unlock()
	l.poke()
}

// cut ends the connection now.
func (l *link) cut(cause error) {
	l.mu.Lock()
	if l.why == nil {
		l.why = cause
	}
	l.over = true
	answers := l.answers
	l.answers = nil
	l.mu.Unlock()
	l.Close()
	l.poke()
	for _, answered := range answers {
		close(answered)
	}
}

// read is the reading goroutine.
func (l *link) read() {
	for {
		key, f, err := l.next()
		if err == nil {
			err = l.heard(key, f)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: nothing has come for %v", errSilent, l.silence)
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// next is the next frame, with all its bytes.
func (l *link) next() (key uint16, f *fields, err error) {
	key, size, err := readHead(l.conn.read)
	if err != nil {
		return 0, nil, err
	}
	limit := int64(maxAnswer)
	if key == deliver {
		limit = maxChunk
	}
	if size < 0 || size > limit {
		return 0, nil, errFrame
	}
	b := make([]byte, size)
	for at := 0; at < len(b); l.pieces.Add(1) { // a heartbeat has nothing
		n, err := l.conn.read.Read(b[at:])
		if at += n; err != nil {
			return 0, nil, err
		}
	}
	return key, &fields{b: b}, nil
}

func (l *link) heard(key uint16, f *fields) error {
	switch key {
	case deliver, publishConfirm, publishError:
		if s := l.session(f.u8()); s != nil {
			s.hear(key, f)
		}
	case metadataUpdate:
		f.u16()
		l.gone(f.text())
	case closeConnection:
		id := f.u32()
		_ = l.SetWriteDeadline(time.Now().Add(closeLimit))
		_, _ = l.Conn.Write(newFrame(closeConnection | answer).u32(id).u16(codeOK).sealed()) // beside the writer, who comes to nothing any more
		return fmt.Errorf("the broker closes the connection: code %d, %s", f.u16(), f.text())
	case heartbeat, credit | answer: // credit is refused where the stream has just gone, which is told, too
	default:
		if key&answer != 0 {
			l.answered(f)
		}
	}
	return nil
}

// session is nil where it has said goodbye.
func (w *wire) session(number uint8) *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[number]
}

func (w *wire) answered(f *fields) {
	id := f.u32()
	w.mu.Lock()
	answered := w.answers[id]
	delete(w.answers, id)
	w.mu.Unlock()
	if answered != nil {
		answered <- f
	}
}

// gone tells the stream's sessions that the broker has let go of them.
func (w *wire) gone(stream string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s != nil && s.stream == stream {
			s.letGo()
		}
	}
}
