package sim

import (
	"strings"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// leastUnconfirmed is how many faults strike each schedule at least while something is unconfirmed.
const leastUnconfirmed = 3

// fault is one that is about to be injected. Lasting says how long it goes on, costs how long a child can be down by it at most, from its beginning.
type fault struct {
	kind    FaultKind
	strike  func() bool // false: there is nothing that it could strike
	lasting time.Duration
	costs   time.Duration
	event   bool // strike arms it only, and the event that it waits for is the strike
}

// target is the actor that a fault is for; nil: the fault chooses.
type target struct {
	e    *endpoint
	part part
}

// draw draws the faults: some at any time, some that wait until something is unconfirmed, some that are aimed at an actor in a phase.
func (r *run) draw() {
	for range leastUnconfirmed {
		f := r.fault(r.anyKind(), nil)
		r.number(func() { r.pinned = append(r.pinned, f) })
	}
	r.pinnedWrite = 1 + r.w.rng.IntN(4)
	for range r.plan.faults {
		at := r.w.Jitter(r.plan.span)
		if r.w.oneOf(4) {
			at = r.w.Jitter(20 * time.Second)
		}
		switch {
		case r.plan.idle:
			f := r.cost(r.refusing(12*time.Second + r.w.Jitter(40*time.Second)))
			r.number(func() { r.at(at, f) })
		case r.w.rng.IntN(5) < 2:
			child := pick(r.w, children[:]...)
			kind, n := pick(r.w, PanicBefore, PanicWithin, PanicWithin, Freeze, Stall, Stall, Goexit, PanicStopping), 1+r.w.rng.IntN(60)
			r.number(func() {
				r.w.Fault(string(child), n, kind)
				r.outages += stallCosts
			})
		default:
			f := r.fault(r.anyKind(), nil)
			r.number(func() { r.at(at, f) })
		}
	}
	for i := range r.aims {
		a := r.aims[i]
		if !r.suits(a.cell) {
			a.hit = true
			continue
		}
		a.hit = true
		r.number(func() {
			a.hit = false
			r.prime(a.cell)
		})
	}
}

// number counts a fault of the schedule, and does it unless it is to be left out.
func (r *run) number(do func()) {
	r.result.Drawn++
	if r.leave.keeps(r.result.Drawn) {
		do()
	}
}

// carryOut lets a fault strike now.
func (r *run) carryOut(f fault) bool {
	unconfirmed := r.unconfirmed() > 0
	r.w.Logf("fault: %s, for %s", f.kind, f.lasting)
	if !f.strike() {
		return false
	}
	r.until = max(r.until, r.w.now+f.lasting)
	if !f.event {
		r.struck(f.kind, unconfirmed)
	}
	return true
}

// struck counts a fault that has struck.
func (r *run) struck(kind FaultKind, unconfirmed bool) {
	r.result.Faults[kind]++
	r.result.Injected++
	if unconfirmed {
		r.result.WhileUnconfirmed++
	}
}

// hit notes at what the fault found the actor.
func (r *run) hit(kind FaultKind, e *endpoint, p part) {
	if i, there := e.phase(p); there {
		r.result.Cells[kind][p][i]++
	}
}

// hitAll is hit for all actors that the fault can strike.
func (r *run) hitAll(kind FaultKind) {
	for _, e := range r.endpoints {
		for p, phases := range catalogue[kind].reach {
			if i, there := e.phase(part(p)); there && phases.has(i) {
				r.result.Cells[kind][p][i]++
			}
		}
	}
}

// hitEvent is a fault that strikes an event of a lease.
func (r *run) hitEvent(kind FaultKind, l *lease) {
	r.w.Logf("fault: %s of %s", kind, l.owner)
	r.struck(kind, r.unconfirmed() > 0)
	r.hit(kind, l.e, l.part)
	r.disordered = r.disordered || kind == nacked && l.part == statusProducer
	r.nacked = r.nacked || kind == nacked && l.part == dataProducer // which an incarnation that dies may not get to say
}

// hitMailbox is a fault that strikes a message.
func (r *run) hitMailbox(m *Mailbox, kind Kind) {
	e, p := r.ownerOf(m.pid.Id)
	r.struck(kind.faultKind(), r.unconfirmed() > 0)
	r.hitIncarnation(kind, m, e, p)
	if p == supervising {
		e.crashed = true
		if !e.writes {
			r.readerDied()
		} else {
			r.writerDied()
		}
	}
}

// hitIncarnation is hit for an actor's mailbox. It is stopped when it is cut off already, so what counts then is what it was at before.
func (r *run) hitIncarnation(kind Kind, m *Mailbox, e *endpoint, p part) {
	if p == supervising {
		r.hit(kind.faultKind(), e, p)
		return
	}
	l := r.port.leases[e.owner()+m.pid.Id[strings.LastIndexByte(m.pid.Id, '/')+1:]]
	switch {
	case l == nil:
	case !l.aborted:
		r.hit(kind.faultKind(), e, p)
	case l.known && kind == PanicStopping:
		r.result.Cells[panicStopping][p][l.was]++
	}
}

func (r *run) at(at time.Duration, f fault) {
	r.until = max(r.until, at+f.lasting)
	r.w.at(at, func() { r.carryOut(f) })
}

const (
	cutCosts   = 4 * time.Second // the back-off, and opening
	stallCosts = 24 * time.Second
	heartbeat  = 10 * time.Second
	renewal    = 100 * time.Second // an audit, or a minute of idleness, and the last one's end
)

// anyKind draws a kind of those that need no actor to be aimed at.
func (r *run) anyKind() FaultKind {
	for {
		kind := pick(r.w, publisherCut, publisherCut, consumerCut, consumerCut, childCut, allCut, publisherHole, consumerHole, consumerForgotten, brokerSilent, openingsHang, requestsHang, refused, refused,
			alarm, slow, confirmLost, confirmLost, confirmTwice, confirmOrder, nacked, deliveryLost, recordsTwice, queueDeleted, streamDeleted, exchangeDeleted, statusDeleted, lockDeleted,
			poisonRecords, poisonStatuses, clockWrong, slowReader, burst, processKilled, closedMidRun)
		switch {
		case kind == refused && r.w.oneOf(8):
			kind = pick(r.w, refusedLong, limitReached, limitReached, revoked)
		case kind == closedMidRun || kind == processKilled:
		case catalogue[kind].reach[topology] != none && kind >= queueDeleted && r.w.oneOf(2):
			continue // a deletion excuses much
		}
		if r.drawable(kind) {
			return kind
		}
	}
}

// drawable says whether the kind can strike anything in this schedule.
func (r *run) drawable(kind FaultKind) bool {
	p := &r.plan
	switch kind {
	case queueDeleted:
		return !p.stream && !p.fanOut // a member whose queue is gone misses records, which is no loss
	case exchangeDeleted:
		return !p.stream && !p.fanOut && p.writersCreate // readers do not notice
	case recordsTwice:
		return !p.stream
	case streamDeleted:
		return p.stream
	case lockDeleted:
		return p.stream && p.subEntries == 0
	case statusDeleted, poisonStatuses, clockWrong:
		return !p.noStatus
	}
	return true
}

// fault makes a fault of the kind.
func (r *run) fault(kind FaultKind, t *target) fault {
	f := r.make(kind, t)
	f.kind = kind
	return r.cost(f)
}

// cost takes in how long a child can be down by the fault.
func (r *run) cost(f fault) fault {
	r.outages += f.costs
	return f
}

func (r *run) make(kind FaultKind, t *target) fault {
	w, b := r.w, r.w.broker
	switch n := 1 + w.rng.IntN(3); kind {
	case panicBefore, panicWithin, freeze, stall, goexit, panicStopping:
		return r.mailbox(kind, t)
	case publisherCut:
		return r.onSession(kind, t, b.Publishers, b.CutPublisher, cutCosts)
	case consumerCut:
		return r.onSession(kind, t, b.Consumers, b.CutConsumer, cutCosts)
	case publisherHole:
		return r.onSession(kind, t, b.Publishers, b.FreezePublisher, heartbeat+cutCosts)
	case consumerHole:
		return r.onSession(kind, t, b.Consumers, b.FreezeConsumer, heartbeat+cutCosts)
	case consumerForgotten:
		return r.forgetting(t)
	case childCut:
		return r.cutChild(t)
	case allCut:
		return fault{strike: func() bool { r.hitAll(kind); b.Cut(); return true }, costs: cutCosts}
	case brokerSilent:
		return r.lasting(kind, w.Jitter(15*time.Second), heartbeat, b.Freeze, b.Thaw)
	case openingsHang:
		return fault{lasting: 5 * time.Second, costs: 5*time.Second*time.Duration(n) + cutCosts, strike: func() bool {
			r.hitAll(kind)
			b.HangOpens(n)
			b.Cut()
			return true
		}}
	case requestsHang:
		return fault{event: true, lasting: 10 * time.Second, costs: 10*time.Second*time.Duration(n) + cutCosts, strike: func() bool {
			r.port.hang += n
			if t == nil || t.part == topology { // something to ask for
				r.upset(t)
			}
			return true
		}}
	case refused:
		return r.refusing(w.Jitter(5 * time.Second))
	case refusedLong:
		return r.refusing(r.plan.graceWindow() + 2*time.Second + w.Jitter(15*time.Second))
	case limitReached, revoked:
		return r.refusingWith(kind, w.Jitter(5*time.Second))
	case alarm:
		return r.lasting(kind, w.Jitter(pick(w, time.Second, 40*time.Second)), 0, func() { r.alarms++; b.Block(true) }, func() {
			if r.alarms--; r.alarms == 0 {
				b.Block(false)
			}
		})
	case slow:
		d := w.Jitter(time.Second)
		return r.lasting(kind, w.Jitter(4*time.Second), 10*d, func() { b.Delay(d) }, func() { b.Delay(0) })
	case confirmLost, confirmTwice, confirmOrder, nacked, deliveryLost:
		return r.onEvent(kind, t, n)
	case recordsTwice:
		return fault{strike: func() bool {
			r.hitAll(kind)
			b.DuplicateDeliveries(4 * n)
			r.duplicates += 4 * n * r.plan.views()
			return true
		}}
	case queueDeleted, streamDeleted, exchangeDeleted, statusDeleted, lockDeleted:
		return r.deletion(kind, t)
	case poisonRecords, poisonStatuses:
		return r.poison(kind)
	case clockWrong:
		return r.wrongClock(t)
	case slowReader:
		return r.slowReader(t)
	case burst:
		return r.burst(t)
	case withdrawn:
		return r.withdrawal(t)
	case processKilled:
		return r.killing(t)
	case closedMidRun:
		return r.closing(t)
	}
	panic("no such fault")
}

// upset cuts something, so that something is opened or asked for.
func (r *run) upset(t *target) {
	if t == nil {
		r.w.broker.Cut()
		return
	}
	r.w.broker.CutOwner(t.e.leaseOf(t.part))
}

// lasting is a fault of the broker with an end. Costs come on top of how long it lasts.
func (r *run) lasting(kind FaultKind, d, costs time.Duration, begin, end func()) fault {
	return fault{lasting: d, costs: d + costs + cutCosts, strike: func() bool {
		r.hitAll(kind)
		begin()
		r.w.at(r.w.now+d, end)
		return true
	}}
}

// refusing refuses connections.
func (r *run) refusing(d time.Duration) fault {
	kind, b := refused, r.w.broker
	if d > r.plan.graceWindow() {
		kind = refusedLong
	}
	return fault{kind: kind, lasting: d, costs: d + cutCosts, strike: func() bool {
		r.hitAll(kind)
		r.refused = max(r.refused, r.w.now+d)
		b.Refuse(r.refused)
		b.Cut()
		return true
	}}
}

// refusingWith has the broker say why.
func (r *run) refusingWith(kind FaultKind, d time.Duration) fault {
	err := broker.ErrRefused
	if kind == revoked {
		err = broker.ErrPermission
	}
	return fault{lasting: d, costs: d + cutCosts, strike: func() bool {
		r.hitAll(kind)
		r.revoked = r.revoked || kind == revoked
		r.port.refuse(err, d)
		r.w.broker.Cut()
		return true
	}}
}
