package rabbitmq

import (
	"fmt"
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	readSize  = 2 * frameMax
	arenaSize = 32 << 10
	ownBody   = arenaSize / 4 // a body from this size on has memory of its own
	maxRooms  = 8             // rooms for batches that a connection keeps: more than so many sessions seldom have something in one read
)

// reading is the half of the wire that reads. All of it belongs to amqp091's reader goroutine, which calls Read.
type reading struct {
	buffer     []byte
	start, end int // what of it is not taken apart yet
	pass       []byte
	passed     int // how much of pass amqp091 has
	touched    []endpoint
	arena      []byte            // where bodies go: shared, so that an idle session holds none
	rooms      [][]broker.Record // where batches are gathered, see lend

	silence, rearm time.Duration // how long a peer may be silent, how exactly that is watched
	armed          time.Time     // when the deadline was set last
}

func (r *reading) init() { r.buffer = make([]byte, readSize) }

// Read gives amqp091 what is not for a session. It waits for the socket.
func (w *wire) Read(p []byte) (int, error) {
	for w.passed == len(w.pass) {
		if err := w.ended(); err != nil {
			return 0, err
		}
		w.pass, w.passed = w.pass[:0], 0
		if err := w.receive(); err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n := copy(p, w.pass[w.passed:])
	w.passed += n
	return n, nil
}

// receive reads the socket once and deals out the frames that are whole now.
func (w *wire) receive() error {
	w.compact()
	w.arm()
	n, err := w.nc.Read(w.buffer[w.end:])
	w.end += n
	if n > 0 {
		if bad := w.dispatch(); bad != nil {
			return bad
		}
	}
	if err != nil && timedOut(err) {
		return fmt.Errorf("heartbeat missed, nothing came for %v: %w", w.silence, err)
	}
	return err
}

func (r *reading) compact() {
	if r.start > 0 {
		copy(r.buffer, r.buffer[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
	}
}

// watch sets how long the peer may be silent: one and a half heartbeats. Called once, after the handshake, by the goroutine that dials.
func (w *wire) watch(heartbeat time.Duration) {
	w.mu.Lock()
	w.silence, w.rearm = heartbeat*3/2, heartbeat/20
	w.mu.Unlock()
	_ = w.nc.SetReadDeadline(time.Now().Add(w.silence + w.rearm))
}

// arm moves the deadline of the socket, but not for every read.
func (w *wire) arm() {
	w.mu.Lock()
	silence := w.silence
	w.mu.Unlock()
	if silence == 0 {
		return
	}
	if now := time.Now(); now.Sub(w.armed) >= w.rearm {
		w.armed = now
		_ = w.nc.SetReadDeadline(now.Add(silence + w.rearm))
	}
}

// dispatch takes the buffer apart into frames.
func (w *wire) dispatch() error {
	var bad error
	for bad == nil {
		f, size, err := nextFrame(w.buffer[w.start:w.end])
		if err != nil {
			bad = err
			break
		}
		if size == 0 {
			break
		}
		if !w.toSession(f) && !w.isStray(f) {
			w.onConnection(f)
			w.pass = append(w.pass, w.buffer[w.start:w.start+size]...)
		}
		w.start += size
	}
	for i, e := range w.touched {
		e.base().touched = false
		e.gathered()
		w.touched[i] = nil
	}
	w.touched = w.touched[:0]
	return bad
}

func (w *wire) toSession(f frame) bool {
	if f.channel == 0 || f.channel > maxChannels {
		return false
	}
	a := w.sessions[f.channel].Load()
	if a == nil {
		return false
	}
	if s := a.base(); !s.touched {
		s.touched = true
		w.touched = append(w.touched, a.endpoint)
	}
	return a.frame(f)
}

// isStray says that a frame is of the data path and its session has left: the broker has closed the channel, and what writes for it had this under way. amqp091, which has forgotten the channel, would end the
// whole connection for it.
func (w *wire) isStray(f frame) bool {
	if f.channel == 0 || f.channel > maxChannels || w.sessions[f.channel].Load() != nil {
		return false
	}
	if f.kind != frameMethod {
		return f.kind == frameHeader || f.kind == frameBody
	}
	switch f.method() {
	case basicDeliver, basicReturn, basicAck, basicNack, basicCancel:
		return true
	}
	return false
}

// onConnection looks at what goes to amqp091, too.
func (w *wire) onConnection(f frame) {
	if f.channel != 0 {
		return
	}
	switch f.method() {
	case connectionBlocked:
		w.setBlocked(true)
	case connectionUnblocked:
		w.setBlocked(false)
	case connectionClose:
		w.foretell(decodeClose(f.payload))
	}
}

// keep copies a body to memory that is the receiver's.
func (r *reading) keep(body []byte) []byte {
	if len(body) >= ownBody {
		return append(make([]byte, 0, len(body)), body...)
	}
	if cap(r.arena)-len(r.arena) < len(body) {
		r.arena = make([]byte, 0, arenaSize)
	}
	at := len(r.arena)
	r.arena = append(r.arena, body...)
	return r.arena[at:len(r.arena):len(r.arena)]
}

// lend gives room to gather a batch in: mostly one read brings a few records, often hundreds, and nobody knows beforehand.
func (r *reading) lend() (room []broker.Record) {
	if n := len(r.rooms); n > 0 {
		room, r.rooms = r.rooms[n-1], r.rooms[:n-1]
	}
	return room
}

// takeBack takes the room back and gives what was gathered in memory of its own, which is no longer than it must be.
func (r *reading) takeBack(room []broker.Record) []broker.Record {
	batch := slices.Clone(room)
	clear(room)
	if len(r.rooms) < maxRooms {
		r.rooms = append(r.rooms, room[:0])
	}
	return batch
}
