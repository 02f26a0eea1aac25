package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// writing is the user of a writer: several Writes at a time, each with a record or more, some with a context that ends.
type writing struct {
	e        *endpoint
	ledger   *ledger
	budget   int // records that are yet to be written
	underWay int
	records  int // of those
	open     []*asked
}

// asked is a Write that was sent.
type asked struct {
	request  *messages.Write
	answered bool
}

func (u *writing) usable(gen int) bool {
	return gen > 0 && u.e.gen == gen && !u.e.closing && !u.e.stopped
}

func (u *writing) begin(gen int) {
	for range u.e.r.plan.atOnce {
		u.soon(gen)
	}
}

func (u *writing) left() int { return u.underWay }

func (u *writing) forget() { u.underWay, u.records, u.open = 0, 0, nil }

func (u *writing) soon(gen int) {
	w := u.e.r.w
	w.at(w.now+w.Jitter(u.e.r.plan.writePace), func() {
		if u.usable(gen) && u.budget > 0 {
			u.write(gen, min(1+w.rng.IntN(u.e.r.plan.batch), u.budget))
		}
	})
}

func (u *writing) write(gen, n int) {
	r := u.e.r
	u.budget -= n
	awaited := r.plan.awaited > 0 && r.w.oneOf(r.plan.awaited)
	from, records := u.ledger.attempt(n, awaited)
	u.underWay++
	u.records += n
	a := &asked{request: &messages.Write{Records: records, Awaited: awaited}}
	a.request.Done = func(m *messages.Written) {
		if a.answered {
			r.bad("a Write of %s was answered twice", u.e.actorName())
		}
		a.answered = true
		u.underWay--
		u.records -= n
		u.answered(gen, from, n, m)
	}
	if u.open = append(u.open, a); len(u.open) > 40 {
		u.open = slices.DeleteFunc(u.open, func(a *asked) bool { return a.answered })
	}
	u.e.send(a.request)
	if k := r.plan.withdrawals; k > 0 && !r.healing && r.w.oneOf(k) && !r.leave.Withdrawals {
		u.withdraw(a)
	}
	r.wrote()
	r.changed(u.e, supervising)
}

// withdraw ends the Write's context after a while.
func (u *writing) withdraw(a *asked) {
	r, gen := u.e.r, u.e.gen
	after := r.w.Jitter(pick(r.w, 500*time.Microsecond, 5*time.Millisecond, 2*time.Second))
	r.w.at(r.w.now+after, func() {
		if !a.answered && u.e.gen == gen && !u.e.stopped {
			u.withdrawNow(a)
		}
	})
}

func (u *writing) withdrawNow(a *asked) {
	u.e.r.struck(withdrawn, true)
	u.e.r.hit(withdrawn, u.e, dataProducer)
	u.e.send(&messages.Withdraw{Write: a.request})
}

func (u *writing) answered(gen, from, n int, m *messages.Written) {
	r := u.e.r
	outcomes := m.Outcomes
	if m.Err == nil {
		outcomes = make([]messages.Outcome, n)
		for i := range outcomes {
			outcomes[i] = messages.ConfirmedByBroker
		}
	} else if !errors.Is(m.Err, supervisor.ErrWithdrawn) {
		u.e.refused("write", m.Err)
	}
	if len(outcomes) != n {
		r.bad("a Write of %d records got %d outcomes", n, len(outcomes))
		return
	}
	u.ledger.answered(from, outcomes)
	for _, o := range outcomes {
		r.result.Outcomes[o]++
	}
	switch {
	case m.Err == nil || errors.Is(m.Err, supervisor.ErrWithdrawn):
		u.soon(gen)
	case r.healing && !r.finishing: // a fresh record must get through yet, by the next generation
		u.budget += n
	}
}

// reading is the user of a reader: one Demand at a time; batches are committed after a while, in whatever order.
type reading struct {
	e           *endpoint
	view        int
	demands     int
	commits     int
	looks       int
	uncommitted int
	slow        time.Duration // until then it does nothing
}

func (u *reading) begin(gen int) {
	w := u.e.r.w
	w.at(w.now+w.Jitter(time.Millisecond), func() { u.demand(gen) })
}

func (u *reading) left() int { return u.demands + u.commits + u.looks }

func (u *reading) forget() { u.demands, u.commits, u.looks, u.uncommitted = 0, 0, 0, 0 }

func (u *reading) usable(gen int) bool { return u.e.gen == gen && !u.e.stopped }

func (u *reading) demand(gen int) {
	if !u.usable(gen) || u.e.closing {
		return
	}
	if w := u.e.r.w; w.now < u.slow {
		w.at(u.slow, func() { u.demand(gen) })
		return
	}
	u.demands++
	r, answered := u.e.r, false
	u.e.send(&messages.Demand{Max: 1 + r.w.rng.IntN(30), Done: func(b *messages.Batch) {
		if answered {
			r.bad("a Demand of %s was answered twice", u.e.actorName())
		}
		answered = true
		u.demands--
		if b.Err != nil {
			u.e.refused("demand", b.Err)
			return
		}
		u.got(gen, b)
	}})
}

func (u *reading) got(gen int, b *messages.Batch) {
	r := u.e.r
	if len(b.Records) == 0 || b.Last-b.First+1 != uint64(len(b.Records)) {
		r.bad("a batch of %d records has the tags %d to %d", len(b.Records), b.First, b.Last)
	}
	for i := range b.Records {
		r.handed(b.Records[i].Body, u.view)
	}
	if r.w.oneOf(8) {
		u.look()
	}
	u.uncommitted++
	pace := r.plan.readPace
	if r.w.oneOf(8) {
		pace *= 4 // behind those that come later
	}
	r.w.at(r.w.now+r.w.Jitter(pace), func() { u.commit(gen, b) })
	r.w.at(r.w.now+r.w.Jitter(r.plan.readPace), func() { u.demand(gen) })
}

// look asks whether there is more to read. Whatever fails meanwhile, that is answered.
func (u *reading) look() {
	u.looks++
	answered := false
	u.e.send(&messages.Remaining{Done: func(m *messages.Remainder) {
		if answered {
			u.e.r.bad("a Remaining of %s was answered twice", u.e.actorName())
		}
		answered = true
		u.looks--
		u.e.refused("remaining", m.Err)
	}})
}

func (u *reading) commit(gen int, b *messages.Batch) {
	if !u.usable(gen) {
		return
	}
	if w := u.e.r.w; w.now < u.slow {
		w.at(u.slow, func() { u.commit(gen, b) })
		return
	}
	u.commits++
	u.uncommitted--
	u.e.r.committed(b, 1, u.view)
	answered := false
	u.e.send(&messages.Commit{Batch: b, Done: func(m *messages.Committed) {
		if answered {
			u.e.r.bad("a Commit of %s was answered twice", u.e.actorName())
		}
		answered = true
		u.commits--
		if m.Err != nil {
			u.e.r.committed(b, -1, u.view)
		}
		if !errors.Is(m.Err, supervisor.ErrRedelivered) {
			u.e.refused("commit", m.Err)
		}
	}})
}
