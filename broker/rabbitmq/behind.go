package rabbitmq

import (
	"slices"
	"time"
)

// This file is the keeper's account of sessions that are in no hurry: each of many channels that open at once reads a stream's history, which costs the broker more than all else of it, and an AMQP channel
// while it lasts. They come behind all others, a few at a time.

const (
	maxRear   = 32                     // at a time
	rearQuiet = 100 * time.Millisecond // nothing else was opened for so long
	rearMost  = 10 * time.Second       // then they wait for quiet no longer
	rearTime  = 500 * time.Millisecond // then one has its place no longer, though it goes on
)

// rear is the sessions that come behind others. The keeper's lock is held.
type rear struct {
	waiting []waiter
	placed  []waiter  // opened, or about to be
	others  int       // how many of the others are being opened
	busy    time.Time // when one of them last was
}

// admit lets sessions of the rear take their turn.
func (k *keeper) admit(now time.Time) {
	r := &k.rear
	r.waiting = slices.DeleteFunc(r.waiting, func(w waiter) bool { return !w.base().isWaiting() })
	r.placed = slices.DeleteFunc(r.placed, func(w waiter) bool { return w.base().isOver() || !now.Before(w.until) })
	if r.others > 0 || slices.ContainsFunc(k.waiting, func(w waiter) bool { return !w.base().behind }) {
		r.busy = now
	}
	n := 0
	for n < len(r.waiting) && len(r.placed) < maxRear && !now.Before(r.turn(n)) {
		e := r.waiting[n].endpoint
		n++
		r.placed = append(r.placed, waiter{e, now.Add(rearTime)})
		k.waiting = append(k.waiting, waiter{e, now.Add(waitLimit)})
	}
	r.waiting = slices.Delete(r.waiting, 0, n)
}

// turn says from when on the nth that waits may be placed, if there is a place.
func (r *rear) turn(n int) time.Time {
	quiet, most := r.busy.Add(rearQuiet), r.waiting[n].until
	if most.Before(quiet) {
		return most
	}
	return quiet
}

// next says when to look again; it is looked whenever a session leaves, too.
func (r *rear) next() time.Time {
	switch {
	case len(r.placed) >= maxRear:
		return r.placed[0].until
	case r.others > 0: // whoever is opened last pokes
		return r.waiting[0].until
	}
	return r.turn(0)
}
