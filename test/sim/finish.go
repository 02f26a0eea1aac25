package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// heal: the faults are over. A fresh record of each writer goes through, every end is up, and the broker shows the sessions that should be there.
func (r *run) heal() bool {
	r.healing, r.aimless = true, true
	for i := 0; i < 30 && (len(r.pinned) > 0 || r.wanting()); i++ {
		if len(r.pinned) == 0 {
			r.pinned = append(r.pinned, r.fault(pick(r.w, publisherCut, allCut), nil))
		}
		if !r.freshRecords("the last fault has struck") {
			return false
		}
	}
	return r.freshRecords("not healed")
}

// wanting: too few faults have struck while something was unconfirmed. Who leaves out faults wants no more.
func (r *run) wanting() bool {
	return r.result.WhileUnconfirmed < leastUnconfirmed && r.leave.Only == nil
}

// freshRecords writes a record of each writer and waits until everything is as it should be.
func (r *run) freshRecords(what string) bool {
	r.calm()
	for _, u := range r.writers {
		u.budget++
		u.soon(u.e.gen)
	}
	return r.await(what, 5*time.Minute, func() error {
		switch {
		case r.w.now < r.until:
			return errFaults
		case r.unwritten()+r.underWay() > 0:
			return errWrites
		case what != "not healed":
			return nil
		}
		if hangs := r.hanging(); hangs != "" {
			return fmt.Errorf("%s hangs and was not replaced", hangs)
		}
		if n := r.unread(); n > 0 {
			return fmt.Errorf("%d records are to be read yet", n)
		}
		for _, e := range r.endpoints {
			if err := e.up(); err != nil {
				return err
			}
		}
		return r.sessions()
	})
}

// unread counts what readers have before them.
func (r *run) unread() (n int) {
	if !r.plan.stream {
		for _, name := range r.plan.queues() {
			n += r.w.broker.Depth(name)
		}
		return n
	}
	for _, u := range r.writers {
		n += u.ledger.missing()
	}
	return n
}

// hanging names an actor that hangs and whose supervisor has not given it up.
func (r *run) hanging() string {
	for _, m := range r.w.boxes {
		if !m.frozen && !m.paused || m.dead {
			continue
		}
		if _, there := r.w.system.ProcessRegistry.GetLocal(m.pid.Id); there {
			return m.pid.Id
		}
	}
	return ""
}

// calm ends every fault.
func (r *run) calm() {
	w, b := r.w, r.w.broker
	w.faults = nil
	b.Refuse(0)
	b.HangOpens(0)
	b.Block(false)
	b.Delay(0)
	b.DuplicateDeliveries(0)
	b.Thaw()
	r.port.calm()
	for _, u := range r.readers {
		u.slow = 0
	}
}

// sessions compares what the broker has open with what should be.
func (r *run) sessions() error {
	var readers, writers []string
	consumers := map[string][]string{}
	for _, e := range r.endpoints {
		status := e.owner() + fmt.Sprintf("%s-%d", messages.StatusConsumer, e.part(messages.StatusConsumer).epoch)
		if e.writes {
			writers = append(writers, status)
			continue
		}
		if e.hearsItsOwn() {
			writers = append(writers, e.owner()+fmt.Sprintf("%s-%d", messages.MemberConsumer, e.part(messages.MemberConsumer).epoch))
		}
		readers = append(readers, status)
		queue := r.plan.queues()[e.index%len(r.plan.queues())]
		consumers[queue] = append(consumers[queue], e.owner()+fmt.Sprintf("%s-%d", messages.DataConsumer, e.part(messages.DataConsumer).epoch))
	}
	publishers := len(r.writers)
	var checks []struct {
		queue string
		want  []string
	}
	for _, queue := range r.plan.queues() {
		checks = append(checks, struct {
			queue string
			want  []string
		}{queue, consumers[queue]})
	}
	if !r.plan.noStatus {
		publishers += len(r.endpoints)
		checks = append(checks, []struct {
			queue string
			want  []string
		}{{channelName + ".reader.status", writers}, {channelName + ".writer.status", readers}}...)
	}
	if r.plan.stream && r.plan.subEntries == 0 {
		for _, u := range r.writers {
			name := channelName + "@" + u.e.name + ".lock"
			checks = append(checks, struct {
				queue string
				want  []string
			}{name, []string{u.e.owner() + fmt.Sprintf("%s-%d", messages.DataProducer, u.e.part(messages.DataProducer).epoch)}})
		}
	}
	for _, c := range checks {
		q, _ := r.w.broker.Queue(c.queue)
		have := slices.Clone(q.Consumers)
		slices.Sort(have)
		have = slices.Compact(have) // the history has a session of its own
		slices.Sort(c.want)
		if !slices.Equal(have, c.want) {
			return fmt.Errorf("queue %s has the consumers %q, not %q", c.queue, have, c.want)
		}
	}
	most := publishers
	if r.plan.awaited > 0 {
		most += 3 * r.plan.writers // a writer may have opened further sessions for what it can publish apart
	}
	if n := r.w.broker.Counts().Publishers; n < publishers || n > most {
		return fmt.Errorf("the broker has %d publishers, not %d to %d", n, publishers, most)
	}
	return nil
}

// close closes all ends, one after another. Nothing is in the way, so all must end in order, and the others see it.
func (r *run) close() bool {
	r.finishing = true
	order := r.w.rng.Perm(len(r.endpoints))
	r.lastFor(order)
	for i, k := range order {
		e := r.endpoints[k]
		if r.plan.rough && i == len(order)-1 && !r.closeRoughly(e) {
			return false
		}
		deletes := r.plan.deletes && i == len(order)-1
		e.close(&messages.Close{Timeout: time.Minute, Delete: deletes, Force: deletes && r.plan.rough}, -1) // what is half deleted tells of no peers
		if !r.await("close", 2*time.Minute, func() error {
			if !e.closed || !e.stopped {
				return fmt.Errorf("%s: answered %v, stopped %v", e.actorName(), e.closed, e.stopped)
			}
			return nil
		}) {
			return false
		}
		if e.lastErr != nil {
			r.bad("nothing was in the way, but close of %s: %v", e.actorName(), e.lastErr)
			return false
		}
		if !r.plan.noStatus && !r.await("peers", 15*time.Second, func() error { return r.seenClosed(e, order[i+1:]) }) {
			return false
		}
	}
	r.w.RunFor(3 * time.Minute) // longer than every timer
	return true
}

// lastFor has an end close last that has what is aimed at.
func (r *run) lastFor(order []int) {
	last := func(fit func(*endpoint) bool) bool {
		i, n := slices.IndexFunc(order, func(k int) bool { return fit(r.endpoints[k]) }), len(order)-1
		if i >= 0 {
			order[i], order[n] = order[n], order[i]
		}
		return i >= 0
	}
	if r.plan.fanOut && r.plan.deletes { // the others do not know of all queues
		last(func(e *endpoint) bool { return !e.writes && e.index == 0 })
		return
	}
	for _, a := range r.aims {
		if !a.hit && a.phase == closing && last(func(e *endpoint) bool { return e.has(a.part) }) {
			return
		}
	}
}

// closeRoughly closes the last end while faults strike. However it ends, it is answered in time. Then it is opened again, so that it can be closed in order.
func (r *run) closeRoughly(e *endpoint) bool {
	r.aimless = false
	at := r.w.now + r.w.Jitter(5*time.Millisecond)
	if f := r.fault(r.anyKind(), nil); f.kind != processKilled && f.kind != closedMidRun && f.kind != clockWrong {
		r.number(func() { r.at(at, f) })
	}
	if slices.ContainsFunc(r.aims, func(a *aim) bool { return !a.hit && a.phase == closing }) {
		r.linger(r.w.now)
	}
	e.close(&messages.Close{Timeout: pick(r.w, 100*time.Millisecond, 10*time.Second, time.Minute), Delete: r.plan.deletes}, -1)
	ended := r.await("close under faults", 3*time.Minute, func() error {
		switch {
		case !e.stopped:
			return fmt.Errorf("%s: answered %v", e.actorName(), e.closed)
		case r.w.now < r.until:
			return errFaults
		}
		return nil
	})
	r.aimless = true
	r.calm()
	if !ended {
		return false
	}
	r.w.RunFor(time.Second)
	e.open()
	if r.plan.deletes || r.excused { // who does not create may find nothing to open
		r.w.RunFor(5 * time.Second)
		return true
	}
	return r.await("opened again", 2*time.Minute, e.up)
}

// seenClosed: those of the other side that are open still have seen it close.
func (r *run) seenClosed(e *endpoint, rest []int) error {
	for _, k := range rest {
		other := r.endpoints[k]
		if name := channelName + "@" + e.name; other.writes != e.writes && other.seen[name] != messages.StatusClosed {
			return fmt.Errorf("%s takes %s for %q", other.actorName(), name, other.seen[name])
		}
	}
	return nil
}

// check: what must hold in the end.
func (r *run) check() {
	w := r.w
	for _, m := range w.boxes {
		if m.dead || m.pid == nil {
			continue
		}
		if _, alive := w.system.ProcessRegistry.GetLocal(m.pid.Id); alive {
			r.bad("zombie: %s", m.pid.Id)
		}
	}
	if c := w.broker.Counts(); c.Publishers+c.Consumers+c.Leases > 0 {
		r.bad("left at the broker: %d publishers, %d consumers, %d leases", c.Publishers, c.Consumers, c.Leases)
	}
	if r.again > r.duplicates {
		r.bad("duplicates: %d, more than %d", r.again, r.duplicates)
	}
	r.result.Duplicates = r.again
	ordered := !r.nacked && !r.returned && (r.plan.stream || r.plan.ordered || r.plan.readers == 1 && !r.unordered)
	if ordered {
		r.result.Ordered = 1
	}
	for _, u := range r.writers {
		u.ledger.check(ordered, r.bad)
	}
	if r.wanting() {
		r.bad("%d faults struck while something was unconfirmed", r.result.WhileUnconfirmed)
	}
	switch {
	case r.plan.deletes:
		r.checkDeleted()
	case !r.plan.noStatus && !r.streamsGone: // in a new stream, what is published again may come behind what is newer
		r.checkStatuses()
	}
}

func (r *run) checkDeleted() {
	b := r.w.broker
	if left := append(b.Queues(), b.Exchanges()...); len(left) > 0 {
		r.bad("not deleted: %q", left)
	}
}
