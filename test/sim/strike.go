package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// mailbox strikes the next message of the actor; a stop, where it is to panic in stopping.
func (r *run) mailbox(kind FaultKind, t *target) fault {
	box := map[FaultKind]Kind{panicBefore: PanicBefore, panicWithin: PanicWithin, freeze: Freeze, stall: Stall, goexit: Goexit, panicStopping: PanicStopping}[kind]
	return fault{event: true, costs: stallCosts, strike: func() bool {
		m := t.e.box(t.part)
		if m == nil {
			return false
		}
		r.w.faults = append(r.w.faults, &boxFault{box: m, n: 1, kind: box})
		if box == PanicStopping && !r.w.oneOf(3) { // so that it is stopped where it was aimed at
			r.w.faults = append(r.w.faults, &boxFault{box: m, n: 1, kind: PanicBefore})
		}
		return true
	}}
}

// onSession strikes one open session: of the target, or any.
func (r *run) onSession(kind FaultKind, t *target, owners func() []string, strike func(int) bool, costs time.Duration) fault {
	i := r.w.rng.IntN(12)
	return fault{lasting: costs - cutCosts, costs: costs, strike: func() bool {
		open := owners()
		if len(open) == 0 {
			return false
		}
		k := i % len(open)
		if t != nil {
			if k = slices.Index(open, t.e.leaseOf(t.part)); k < 0 {
				return false
			}
		}
		e, p := r.ownerOf(open[k])
		if e == nil {
			return false // the fault's own
		}
		if l := r.port.leases[open[k]]; l != nil && !l.aborted { // else the broker has not seen its end
			r.hit(kind, e, p)
		}
		return strike(k)
	}}
}

// forgetting has the broker serve one consumer no more. What it had goes to others. Who holds a name consumes nothing.
func (r *run) forgetting(t *target) fault {
	served := func() []string {
		return slices.DeleteFunc(r.w.broker.Consumers(), func(owner string) bool { return strings.Contains(owner, "/"+string(messages.DataProducer)+"-") })
	}
	return r.onSession(consumerForgotten, t, served, func(i int) bool {
		r.duplicates += r.plan.prefetch
		return r.w.broker.ForgetOwner(served()[i]) > 0
	}, renewal)
}

// cutChild cuts all that one child has open or asks for.
func (r *run) cutChild(t *target) fault {
	i := r.w.rng.IntN(100)
	return fault{costs: cutCosts, strike: func() bool {
		if t == nil {
			var of []*lease
			for _, l := range r.port.open {
				if catalogue[childCut].reach[l.part] != none {
					of = append(of, l)
				}
			}
			if len(of) == 0 {
				return false
			}
			l := of[i%len(of)]
			t = &target{l.e, l.part}
		}
		r.hit(childCut, t.e, t.part)
		r.w.broker.CutOwner(t.e.leaseOf(t.part))
		return true
	}}
}

// onEvent waits for the next event of the target, or of any.
func (r *run) onEvent(kind FaultKind, t *target, n int) fault {
	f := fault{event: true, costs: cutCosts}
	if kind == deliveryLost {
		f.lasting, n = consumerTimeout, 1
	}
	f.strike = func() bool {
		var of *lease
		if t != nil {
			of, n = r.port.leases[t.e.leaseOf(t.part)], 1
		}
		r.port.arm(kind, of, n)
		return true
	}
	return f
}

// deletion deletes what the channel stands on.
func (r *run) deletion(kind FaultKind, t *target) fault {
	p := &r.plan
	name := map[FaultKind]string{queueDeleted: channelName, streamDeleted: channelName, exchangeDeleted: channelName,
		statusDeleted: channelName + pick(r.w, ".reader.status", ".writer.status")}[kind]
	if kind == lockDeleted {
		e := pick(r.w, r.writers...).e
		if t != nil {
			e = t.e
		}
		name = channelName + "@" + e.name + ".lock"
	}
	request := broker.Request(broker.DeleteQueue{Name: name})
	if kind == exchangeDeleted {
		request = broker.DeleteExchange{Name: name}
	}
	return fault{lasting: 3 * time.Second, costs: cutCosts, strike: func() bool { // until it has arrived, however slow the way is
		r.hitAll(kind)
		r.excused = r.excused || kind != lockDeleted && (!p.writersCreate || !p.readersCreate || p.group)
		r.streamsGone = r.streamsGone || kind == statusDeleted
		lease := r.w.broker.Lease("fault")
		lease.Do(request, func(broker.Result) {
			if kind == queueDeleted || kind == streamDeleted {
				r.duplicates += p.views() * p.writers * p.window // what is unconfirmed goes to the new one, too
				for _, u := range r.writers {
					u.ledger.queueGone()
				}
			}
			lease.Abort()
		})
		return true
	}}
}

// killing kills an end's process. It is opened again later.
func (r *run) killing(t *target) fault {
	return r.ending(processKilled, t, func(e *endpoint) { e.kill(0) })
}

// closing closes an end in the middle of its work.
func (r *run) closing(t *target) fault {
	timeout := pick(r.w, time.Millisecond, 100*time.Millisecond, 10*time.Second, 10*time.Second)
	return r.ending(closedMidRun, t, func(e *endpoint) { e.close(&messages.Close{Timeout: timeout}, r.w.Jitter(time.Second)) })
}

// ending ends an end, mostly a reader.
func (r *run) ending(kind FaultKind, t *target, end func(*endpoint)) fault {
	i := r.w.rng.IntN(12)
	e := r.endpoints[len(r.endpoints)-1-i%2]
	if r.w.oneOf(3) {
		e = r.endpoints[i%len(r.endpoints)]
	}
	if t != nil {
		e = t.e
	}
	return fault{costs: cutCosts, lasting: time.Second, strike: func() bool {
		if e.stopped || e.gen == 0 || kind == closedMidRun && e.closing {
			return false
		}
		for p := range parts {
			if i, there := e.phase(p); there && catalogue[kind].reach[p].has(i) {
				r.result.Cells[kind][p][i]++
			}
		}
		if e.writes {
			r.writerDied()
		} else {
			r.readerDied()
		}
		end(e)
		return true
	}}
}

// wrongClock kills an end's process, and its next life has a clock that is wrong by hours. It strikes those who hear of it.
func (r *run) wrongClock(t *target) fault {
	e := pick(r.w, r.endpoints...)
	if t != nil { // another of its own side, or one of the other
		for _, other := range r.endpoints {
			if other != t.e && (other.writes == t.e.writes) == (t.part == memberConsumer) {
				e = other
			}
		}
	}
	hours := time.Duration(2 * (1 + r.w.rng.IntN(12)))
	return fault{costs: cutCosts, lasting: time.Second, strike: func() bool {
		if e.stopped || e.gen == 0 {
			return false
		}
		for _, other := range r.endpoints {
			if other.writes != e.writes {
				r.hitOf(clockWrong, other, statusConsumer)
			} else if other != e {
				r.hitOf(clockWrong, other, memberConsumer)
			}
		}
		if e.writes {
			r.writerDied()
		} else {
			r.readerDied()
		}
		e.kill(e.skew + hours*time.Hour)
		return true
	}}
}

// hitOf is hit where the end has the actor.
func (r *run) hitOf(kind FaultKind, e *endpoint, p part) {
	if e.has(p) {
		r.hit(kind, e, p)
	}
}

// slowReader makes a reader do nothing for a while.
func (r *run) slowReader(t *target) fault {
	u := pick(r.w, r.readers...)
	if t != nil {
		u = t.e.user.(*reading)
	}
	d := r.w.Jitter(pick(r.w, time.Second, 30*time.Second))
	return fault{lasting: d, strike: func() bool {
		if u.e.closing {
			return false
		}
		r.hit(slowReader, u.e, dataConsumer)
		u.slow = max(u.slow, r.w.now+d)
		return true
	}}
}

// burst makes a writer write far more at a time than it did.
func (r *run) burst(t *target) fault {
	u := pick(r.w, r.writers...)
	if t != nil {
		u = t.e.user.(*writing)
	}
	n := 5 + r.w.rng.IntN(15)
	return fault{strike: func() bool {
		if !u.usable(u.e.gen) {
			return false
		}
		r.hit(burst, u.e, dataProducer)
		for range n {
			k := 1 + r.w.rng.IntN(4)
			u.budget += k
			u.write(u.e.gen, k)
		}
		return true
	}}
}

// withdrawal ends the context of a Write that is under way.
func (r *run) withdrawal(t *target) fault {
	u := t.e.user.(*writing)
	return fault{event: true, strike: func() bool {
		for _, a := range u.open {
			if !a.answered {
				u.withdrawNow(a)
				return true
			}
		}
		return false
	}}
}
