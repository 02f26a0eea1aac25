package rabbitmq

import (
	"fmt"
	"slices"
)

// This file is the wire's flusher: what sessions say becomes bytes, and bytes go to the socket.

// say puts the session in line for the flusher.
func (w *wire) say(e endpoint) {
	if !e.base().queued.CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	w.ready = append(w.ready, e)
	w.wake.Signal()
	w.mu.Unlock()
}

// flush is the flusher.
func (w *wire) flush() {
	defer close(w.done)
	defer func() { _ = w.raw.Close() }()
	var out []byte
	var turn, spare []endpoint
	for {
		var ok bool
		out, turn, ok = w.collect(out[:0], spare)
		if !ok {
			w.sayFarewell(out)
			return
		}
		out = w.encode(out, turn)
		clear(turn)
		spare = turn[:0]
		if err := w.send(out); err != nil {
			w.fail(err)
		}
		if cap(out) > 4*flushSize { // a giant record has been
			out = nil
		}
	}
}

// collect waits for something to say, takes the whole control frames and the sessions in line. False when the wire has ended.
func (w *wire) collect(out []byte, spare []endpoint) (_ []byte, turn []endpoint, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.whole == 0 && (len(w.ready) == 0 || w.hold.Load()) {
		w.wake.Wait()
	}
	out = append(out, w.control[:w.whole]...)
	w.control = append(w.control[:0], w.control[w.whole:]...)
	w.whole = 0
	if w.err != nil {
		return out, nil, false
	}
	if w.hold.Load() {
		return out, spare, true
	}
	turn, w.ready = w.ready, spare
	return out, turn, true
}

// encode lets each session in turn append what it has to say; those that are not done, or did not come to their turn, go back in line.
func (w *wire) encode(out []byte, turn []endpoint) []byte {
	var rest, left []endpoint
	for i, e := range turn {
		if len(out) >= flushSize {
			rest = turn[i:]
			break
		}
		e.base().queued.Store(false)
		budget := flushSize - len(out)
		if len(turn) > 1 {
			budget = min(budget, quantum)
		}
		var more bool
		if out, more = e.encode(out, budget); more && e.base().queued.CompareAndSwap(false, true) {
			left = append(left, e)
		}
	}
	if len(rest)+len(left) > 0 {
		w.mu.Lock()
		w.ready = slices.Concat(rest, left, w.ready)
		w.mu.Unlock()
	}
	return out
}

// send writes all of b, each piece with a deadline of its own: a slow peer may take long for a giant record.
func (w *wire) send(b []byte) error {
	for len(b) > 0 {
		w.mu.Lock()
		w.setWriteDeadline()
		w.mu.Unlock()
		n, err := w.nc.Write(b[:min(len(b), flushSize)])
		if err != nil {
			if timedOut(err) {
				err = fmt.Errorf("the socket took nothing for %v: %w", w.writeLimit, err)
			}
			return err
		}
		b = b[n:]
	}
	return nil
}

// sayFarewell writes the last control frames, such as connection.close-ok.
func (w *wire) sayFarewell(out []byte) {
	w.mu.Lock()
	polite := w.farewell
	w.mu.Unlock()
	if polite && len(out) > 0 {
		_, _ = w.nc.Write(out)
	}
}
