package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// heal: the faults are over. A fresh record of each writer goes through, every end is up, and the broker shows the sessions that should be there.
func (r *run) heal() bool {
	r.healing = true
	if r.pinned != nil && !r.freshRecords("the last fault has struck") {
		return false
	}
	return r.freshRecords("not healed")
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
		case r.pinned != nil:
			return fmt.Errorf("the pinned fault did not strike")
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
		return r.w.broker.Depth(channelName)
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
	b.LoseConfirms(0)
	b.DuplicateConfirms(0)
	b.ReorderConfirms(0)
	b.DuplicateDeliveries(0)
	b.Thaw()
}

// sessions compares what the broker has open with what should be.
func (r *run) sessions() error {
	var consumers, readers, writers []string
	for _, e := range r.endpoints {
		status := e.owner() + fmt.Sprintf("%s-%d", messages.StatusConsumer, e.part(messages.StatusConsumer).epoch)
		if e.writes {
			writers = append(writers, status)
			continue
		}
		if e.hearsReaders() {
			writers = append(writers, e.owner()+fmt.Sprintf("%s-%d", messages.MemberConsumer, e.part(messages.MemberConsumer).epoch))
		}
		readers = append(readers, status)
		consumers = append(consumers, e.owner()+fmt.Sprintf("%s-%d", messages.DataConsumer, e.part(messages.DataConsumer).epoch))
	}
	publishers := len(r.writers)
	checks := []struct {
		queue string
		want  []string
	}{{channelName, consumers}}
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
	for i, k := range order {
		e := r.endpoints[k]
		deletes := r.plan.deletes && i == len(order)-1
		e.close(&messages.Close{Timeout: time.Minute, Delete: deletes}, -1)
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
	if r.result.WhileUnconfirmed == 0 {
		r.bad("no fault struck while something was unconfirmed")
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
