package sim

import (
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// draw draws the faults. One of them waits until something is unconfirmed.
func (r *run) draw() {
	r.pinnedWrite = 1 + r.w.rng.IntN(4)
	r.pinned = r.strike(r.brokerFault())
	for range r.plan.faults - 1 {
		at := r.w.Jitter(r.plan.span)
		if r.w.oneOf(4) {
			at = r.w.Jitter(20 * time.Second)
		}
		switch {
		case r.plan.idle:
			r.at(at, r.refusal(12*time.Second+r.w.Jitter(40*time.Second)))
		case r.w.rng.IntN(5) < 2:
			r.childFault()
		default:
			r.at(at, r.brokerFault())
		}
	}
}

// fault is one that is about to be injected. Lasting says how long it goes on, costs how long a child can be down by it at most, from its beginning.
type fault struct {
	kind    string
	strike  func()
	lasting time.Duration
	costs   time.Duration
}

func (r *run) strike(f fault) func() {
	r.outages += f.costs
	return func() {
		r.count(f.kind)
		r.noteUnconfirmed()
		r.until = max(r.until, r.w.now+f.lasting)
		r.w.Logf("fault: %s, for %s", f.kind, f.lasting)
		f.strike()
	}
}

func (r *run) at(at time.Duration, f fault) {
	r.until = max(r.until, at+f.lasting)
	r.w.at(at, r.strike(f))
}

// childFault strikes a message of a child.
func (r *run) childFault() {
	w := r.w
	child := pick(w, messages.DataProducer, messages.DataProducer, messages.DataConsumer, messages.DataConsumer, messages.StatusProducer,
		messages.StatusConsumer, messages.HealthTicker, messages.MetricsAggregator, messages.Topology)
	kind := pick(w, PanicBefore, PanicWithin, PanicWithin, Freeze, Stall, Stall, Goexit, PanicStopping)
	w.Fault(string(child), 1+w.rng.IntN(60), kind)
	r.outages += 24 * time.Second // a stall, at most, and what follows
}

const (
	cutCosts  = 4 * time.Second // the back-off, and opening
	heartbeat = 10 * time.Second
)

func (r *run) brokerFault() fault {
	w, b := r.w, r.w.broker
	i := w.rng.IntN(12)
	switch w.rng.IntN(19) {
	case 0, 1:
		return fault{kind: "publisher cut", strike: func() { b.CutPublisher(i) }, costs: cutCosts}
	case 2, 3:
		return fault{kind: "consumer cut", strike: func() { b.CutConsumer(i) }, costs: cutCosts}
	case 4:
		return fault{kind: "all cut", strike: b.Cut, costs: cutCosts}
	case 5, 6:
		return fault{kind: "confirms lost", strike: func() { b.LoseConfirms(1 + i%3) }, costs: cutCosts}
	case 7:
		return fault{kind: "confirms twice", strike: func() { b.DuplicateConfirms(1 + i) }}
	case 8:
		return fault{kind: "confirms out of order", strike: func() { b.ReorderConfirms(1 + i) }}
	case 9:
		return fault{kind: "records twice", strike: func() { b.DuplicateDeliveries(1 + i); r.duplicates += 1 + i }}
	case 10:
		return fault{kind: "publisher's black hole", strike: func() { b.FreezePublisher(i) }, lasting: heartbeat, costs: heartbeat + cutCosts}
	case 11:
		return fault{kind: "consumer's black hole", strike: func() { b.FreezeConsumer(i) }, lasting: heartbeat, costs: heartbeat + cutCosts}
	case 12:
		return r.lasting("broker silent", w.Jitter(15*time.Second), heartbeat, b.Freeze, b.Thaw)
	case 13:
		n := 1 + i%3
		return fault{kind: "openings hang", strike: func() { b.HangOpens(n); b.Cut() }, lasting: 5 * time.Second, costs: 5*time.Second*time.Duration(n) + cutCosts}
	case 14:
		if w.oneOf(6) {
			return r.refusal(r.plan.graceWindow() + 2*time.Second + w.Jitter(time.Minute))
		}
		return r.refusal(w.Jitter(5 * time.Second))
	case 15:
		d := w.Jitter(pick(w, time.Second, 40*time.Second))
		return r.lasting("alarm", d, 0, func() { r.alarms++; b.Block(true) }, func() {
			if r.alarms--; r.alarms == 0 {
				b.Block(false)
			}
		})
	case 16:
		d := w.Jitter(time.Second)
		return r.lasting("slow", w.Jitter(4*time.Second), 10*d, func() { b.Delay(d) }, func() { b.Delay(0) })
	case 17:
		return r.deletion(i)
	}
	return r.processFault(i)
}

// lasting is a fault with an end. Costs come on top of how long it lasts.
func (r *run) lasting(kind string, d, costs time.Duration, begin, end func()) fault {
	return fault{kind: kind, lasting: d, costs: d + costs + cutCosts, strike: func() {
		begin()
		r.w.at(r.w.now+d, end)
	}}
}

func (r *run) refusal(d time.Duration) fault {
	kind, b := "connections refused", r.w.broker
	if d > r.plan.graceWindow() {
		kind = "refused beyond the grace window"
	}
	until := time.Duration(0)
	return fault{kind: kind, lasting: d, costs: d + cutCosts, strike: func() {
		until = r.w.now + d
		r.refuse(until)
		b.Cut()
	}}
}

// refuse refuses at least until then.
func (r *run) refuse(until time.Duration) {
	r.refused = max(r.refused, until)
	r.w.broker.Refuse(r.refused)
}

// deletion deletes what the channel stands on.
func (r *run) deletion(i int) fault {
	p := &r.plan
	kind, request := "queue deleted", broker.Request(broker.DeleteQueue{Name: channelName})
	switch {
	case i < 3 && !p.noStatus:
		kind, request = "status stream deleted", broker.DeleteQueue{Name: channelName + pick(r.w, ".reader.status", ".writer.status")}
	case i < 5 && p.writersCreate: // readers do not notice
		kind, request = "exchange deleted", broker.DeleteExchange{Name: channelName}
	}
	return fault{kind: kind, lasting: 3 * time.Second, costs: cutCosts, strike: func() { // until it has arrived, however slow the way is
		r.excused = r.excused || !p.writersCreate || !p.readersCreate
		r.streamsGone = r.streamsGone || kind == "status stream deleted"
		lease := r.w.broker.Lease("fault")
		lease.Do(request, func(broker.Result) {
			if kind == "queue deleted" {
				r.duplicates += p.views() * p.writers * p.window // what is unconfirmed goes to the new one, too
				for _, u := range r.writers {
					u.ledger.queueGone()
				}
			}
			lease.Abort()
		})
	}}
}

// processFault kills an end's process, mostly a reader's, or closes an end in the middle of its work. It is opened again later.
func (r *run) processFault(i int) fault {
	e := r.endpoints[len(r.endpoints)-1-i%2]
	if r.w.oneOf(3) {
		e = r.endpoints[i%len(r.endpoints)]
	}
	if r.w.oneOf(2) {
		return fault{kind: "process killed", costs: cutCosts, lasting: time.Second, strike: func() {
			if e.stopped || e.gen == 0 {
				return
			}
			if !e.writes {
				r.readerDied()
			}
			e.kill()
		}}
	}
	timeout := pick(r.w, time.Millisecond, 100*time.Millisecond, 10*time.Second)
	return fault{kind: "closed in mid-run", costs: cutCosts, lasting: time.Second, strike: func() {
		if e.stopped || e.gen == 0 {
			return
		}
		if !e.writes {
			r.readerDied()
		}
		e.close(&messages.Close{Timeout: timeout}, r.w.Jitter(time.Second))
	}}
}
