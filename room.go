package weir

import (
	"context"
	"slices"
	"sync"
)

// room is how much more may be under way: records, and bytes of their bodies. Who waits for room gets it in the order in which they came, and when a tenth of all is free: so a goroutine that
// sends one record after the other is not woken for each. It is safe for concurrent use.
type room struct {
	size    space // all of it
	mu      sync.Mutex
	free    space
	waiting []*place
}

// space is records and bytes of their bodies.
type space struct{ records, bytes int64 }

func newRoom(size space) room { return room{size: size, free: size} }

// place is somebody who waits.
type place struct {
	space
	taken chan struct{} // closed when he has the room
}

// fits takes the room if it is there. The lock is held.
func (r *room) fits(s space) bool {
	if s.records > r.free.records || s.bytes > r.free.bytes {
		return false
	}
	r.free.records -= s.records
	r.free.bytes -= s.bytes
	return true
}

// acquire waits for room. It gives false, and takes none, when the context or the other life ends first.
func (r *room) acquire(ctx, life context.Context, s space) bool {
	if ctx.Err() != nil {
		return false
	}
	r.mu.Lock()
	if len(r.waiting) == 0 && r.fits(s) {
		r.mu.Unlock()
		return true
	}
	p := &place{s, make(chan struct{})}
	r.waiting = append(r.waiting, p)
	r.mu.Unlock()
	select {
	case <-p.taken:
		return true
	case <-ctx.Done():
	case <-life.Done():
	}
	return r.leave(p)
}

// leave ends somebody's waiting. It gives true when he has the room already.
func (r *room) leave(p *place) (taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, p)
	if i < 0 {
		return true
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.admit() // he may have been in the way of those behind him
	return false
}

// release gives room back.
func (r *room) release(s space) {
	r.mu.Lock()
	r.free.records += s.records
	r.free.bytes += s.bytes
	r.admit()
	r.mu.Unlock()
}

// admit gives room to those who wait, in their order, as far as there is some. The lock is held.
func (r *room) admit() {
	if r.free.records < r.size.records/10 || r.free.bytes < r.size.bytes/10 {
		return
	}
	k := 0
	for k < len(r.waiting) && r.fits(r.waiting[k].space) {
		close(r.waiting[k].taken)
		k++
	}
	if k > 0 {
		r.waiting = slices.Delete(r.waiting, 0, k)
	}
}
