package sim

import "time"

// event is a function that is due at a time. Those of equal time run in the order in which they were made.
type event struct {
	at  time.Duration
	seq uint64
	f   func()
	pos int    // in the heap; -1: not in it
	gen uint32 // events are used again: a timer knows which use is its own
}

// heap orders events. The zero value is empty.
type heap struct {
	events []*event
	free   []*event
	seq    uint64
}

func (h *heap) first() *event {
	if len(h.events) == 0 {
		return nil
	}
	return h.events[0]
}

func (h *heap) add(at time.Duration, f func()) *event {
	var e *event
	if n := len(h.free); n > 0 {
		e, h.free = h.free[n-1], h.free[:n-1]
	} else {
		e = &event{}
	}
	h.seq++
	e.at, e.seq, e.f, e.pos = at, h.seq, f, len(h.events)
	h.events = append(h.events, e)
	h.up(e.pos)
	return e
}

func (h *heap) remove(e *event) {
	i, n := e.pos, len(h.events)-1
	h.swap(i, n)
	h.events = h.events[:n]
	if i < n {
		h.down(i)
		h.up(i)
	}
	h.release(e)
}

func (h *heap) release(e *event) {
	e.pos, e.f = -1, nil
	e.gen++
	h.free = append(h.free, e)
}

// clear takes all out; sequences begin anew, for they are part of the trace.
func (h *heap) clear() {
	for _, e := range h.events {
		h.release(e)
	}
	h.events, h.seq = h.events[:0], 0
}

func (h *heap) less(i, j int) bool {
	a, b := h.events[i], h.events[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *heap) swap(i, j int) {
	h.events[i], h.events[j] = h.events[j], h.events[i]
	h.events[i].pos, h.events[j].pos = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.events) {
			return
		}
		if child+1 < len(h.events) && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
