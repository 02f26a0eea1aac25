package sim

import (
	"time"

	"github.com/d2e2d648/weir/messages"
)

// aim is a cell of the table that a schedule tries to hit: the fault strikes when an actor is in the phase, soon after it got there. Drawing alone would leave the cells thin whose
// phase is short or rare.
type aim struct {
	cell
	due, hit bool
}

// changed looks whether an actor has got to where a fault is aimed at.
func (r *run) changed(e *endpoint, p part) {
	if r.aimless || e == nil {
		return
	}
	for _, a := range r.aims {
		if a.hit || a.due || a.part != p || !e.is(p, a.phase) {
			continue
		}
		a.due = true
		r.w.at(r.w.now+r.w.Jitter(pick(r.w, 20*time.Microsecond, 400*time.Microsecond, 5*time.Millisecond)), func() {
			a.due = false
			if !a.hit && !r.aimless && e.is(p, a.phase) {
				a.hit = r.carryOut(r.fault(a.kind, &target{e, p}))
			}
		})
	}
}

// changedAll is changed for all actors of an end.
func (r *run) changedAll(e *endpoint) {
	for p := range parts {
		r.changed(e, p)
	}
}

// is says whether the actor is in the phase.
func (e *endpoint) is(p part, i phase) bool {
	now, there := e.phase(p)
	return there && now == i
}

// phase says what an actor is at, by what the simulation has seen of it: the supervisor's events, and what the incarnation's lease has under way. False: there is none, and none is to come.
func (e *endpoint) phase(p part) (phase, bool) {
	switch {
	case e.gen == 0 || e.stopped || e.dead:
		return 0, false
	case p == supervising:
		return e.supervisorPhase()
	case e.state == messages.Failed || e.state == messages.ClosedNow:
		return 0, false
	}
	o := e.parts[children[p]]
	if o == nil {
		return 0, false
	}
	if o.broken {
		return down, true
	}
	l := e.r.port.leases[e.leaseOf(p)]
	switch {
	case l == nil || l.aborted:
		return 0, false
	case p == topology:
		return e.topologyPhase(o), true
	case p == healthTicker || p == metricsAggregator:
		if !o.ready {
			return opening, true
		}
	case len(l.publishers)+len(l.consumers) > 0 && l.over() && e.state == messages.Closing: // it has finished
		return 0, false
	case !l.opened():
		return opening, true
	}
	switch {
	case e.state == messages.Closing:
		return closing, true
	case l.busy():
		return busy, true
	}
	return idle, true
}

func (e *endpoint) supervisorPhase() (phase, bool) {
	switch e.state {
	case messages.Preparing, messages.Opening:
		return opening, true
	case messages.Closing:
		return closing, true
	case messages.Failed:
		return down, true
	case messages.ClosedNow:
		return 0, false
	}
	if e.user.left() > 0 {
		return busy, true
	}
	return idle, true
}

func (e *endpoint) topologyPhase(o *outage) phase {
	switch {
	case e.state == messages.Closing:
		return closing
	case e.state != messages.Preparing:
		return busy
	case o.waits:
		return idle
	}
	return opening
}

// has says whether the end has such an actor, at some time of its life.
func (e *endpoint) has(p part) bool {
	plan := &e.r.plan
	switch p {
	case dataProducer:
		return e.writes
	case dataConsumer:
		return !e.writes
	case statusProducer, statusConsumer, healthTicker, metricsAggregator:
		return !plan.noStatus
	case memberConsumer:
		return e.hearsItsOwn()
	}
	return true
}

// suit makes the plan one in which the cell can be hit.
func (p *plan) suit(w *World, c cell) {
	switch c.part {
	case statusProducer, statusConsumer:
		p.noStatus = false
	case healthTicker, metricsAggregator: // they hear little
		p.noStatus, p.noMetrics, p.health = false, false, 500*time.Millisecond
	case memberConsumer:
		p.noStatus, p.readersCreate = false, true
		if !p.stream {
			p.group, p.readers = true, 2
		}
	}
	switch c.kind {
	case streamDeleted:
		p.toStream(p.subEntries)
	case lockDeleted:
		p.toStream(0)
	case queueDeleted, exchangeDeleted, recordsTwice:
		p.toQueue(c)
	case withdrawn:
		p.withdrawals = 2
	case statusDeleted, poisonStatuses, clockWrong:
		p.noStatus = false
	}
	if c.part == dataProducer && (c.kind == consumerCut || c.kind == consumerHole) {
		p.toStream(0)
	}
	if c.part == topology {
		switch c.phase {
		case busy:
			p.writersCreate, p.readersCreate = true, true
			if c.kind == exchangeDeleted {
				p.toQueue(c)
			}
		case idle:
			p.writersCreate = w.oneOf(2)
			p.readersCreate = !p.writersCreate
		case closing:
			p.deletes = true
		}
	}
	if c.phase == closing {
		p.rough = c.part == topology || c.kind != clockWrong && w.oneOf(2)
	}
}

func (p *plan) toStream(subEntries int) {
	p.stream, p.subEntries, p.compat, p.maxLength, p.fanOut = true, subEntries, false, 0, false
}

func (p *plan) toQueue(c cell) {
	p.stream, p.subEntries, p.fanOut = false, 0, false
	if c.part == memberConsumer {
		p.group, p.readers = true, 2
	}
}

// suits says whether the cell can be hit in this run.
func (r *run) suits(c cell) bool {
	if !r.drawable(c.kind) {
		return false
	}
	if c.part == dataProducer && (c.kind == consumerCut || c.kind == consumerHole) && (!r.plan.stream || r.plan.subEntries > 0) {
		return false
	}
	if c.kind == withdrawn && r.plan.withdrawals == 0 || c.part == topology && c.phase == closing && (!r.plan.rough || !r.plan.deletes) {
		return false
	}
	for _, e := range r.endpoints {
		if e.has(c.part) {
			return true
		}
	}
	return false
}

// prime gives a fault that brings an actor to where it is aimed at, where that does not happen by itself.
func (r *run) prime(c cell) {
	w, soon := r.w, r.w.Jitter(r.plan.span)
	switch {
	case c.part == supervising && c.phase == down:
		r.at(soon, r.fault(revoked, nil))
	case c.part == topology && c.phase == down && w.oneOf(2):
		w.Fault(string(messages.Topology), 1+w.rng.IntN(2), PanicBefore)
	case c.part == topology && c.phase == busy, c.part == topology && c.phase == down:
		kinds := []FaultKind{queueDeleted, streamDeleted, statusDeleted}
		var of []FaultKind
		for _, k := range kinds {
			if r.drawable(k) {
				of = append(of, k)
			}
		}
		if len(of) > 0 {
			r.at(soon, r.fault(pick(w, of...), nil))
		}
		if c.phase == down {
			w.Fault(string(messages.Topology), 3+w.rng.IntN(4), PanicBefore)
		}
	case c.phase == down:
		w.Fault(string(children[c.part]), 1+w.rng.IntN(6), PanicBefore)
		r.outages += cutCosts
	case c.phase == closing && !r.plan.rough:
		var of []*endpoint
		for _, e := range r.endpoints {
			if e.has(c.part) {
				of = append(of, e)
			}
		}
		if len(of) > 0 {
			r.at(soon, r.fault(closedMidRun, &target{pick(w, of...), c.part}))
			r.linger(soon)
		}
	}
}

// linger makes a close that is about to begin take longer: else it is over within a millisecond.
func (r *run) linger(at time.Duration) {
	switch r.w.rng.IntN(3) {
	case 0:
		r.at(max(0, at-r.w.Jitter(time.Millisecond)), r.fault(alarm, nil))
	case 1:
		r.at(max(0, at-r.w.Jitter(time.Millisecond)), r.fault(slow, nil))
	default:
		r.at(at+r.w.Jitter(500*time.Microsecond), r.fault(brokerSilent, nil))
	}
}
