package matrix

import (
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// live is all that the channel lives through: a short life, another whose resources are deleted, and a long one, which is left out once the fault has struck: it is only there to pass more points. What
// comes last shows that all is as before.
func (r *run) live() {
	r.opensSlowly()
	r.fresh()
	r.closesBoth(false)
	r.opens()
	r.closesBoth(true)
	if r.struck == nil {
		r.opens()
		for _, event := range []func(){r.traffic, r.alarm, r.confirmsAreLost, r.connectionsAreLost, r.openingsHang, r.streamIsDeleted, r.standsBy, r.isLeftAlone, r.queueIsFull} {
			if r.struck == nil {
				event()
			}
		}
		r.fresh()
		r.closesBoth(true)
	}
	r.proof = true
	r.opens()
	r.closesBoth(true)
}

// opensSlowly: the writer awaits what the reader makes, when the broker answers again. Both stand by, and are started.
func (r *run) opensSlowly() {
	r.writer.open(true)
	r.lets(400 * time.Millisecond)
	r.w.Broker().Freeze()
	r.reader.open(true)
	r.lets(actors.RequestDeadline + 100*time.Millisecond)
	r.w.Broker().Thaw()
	r.up(messages.Standby)
	for _, e := range []*end{r.writer, r.reader} {
		e.send(&messages.Start{Done: func(m *messages.Opened) { e.right("start", m.Err) }})
	}
	r.up(messages.Running)
}

// opens begins another life of both.
func (r *run) opens() {
	r.writer.open(false)
	r.reader.open(false)
	r.up(messages.Running)
	r.fresh()
}

func (r *run) closesBoth(deletes bool) {
	r.closes(r.writer, false)
	r.closes(r.reader, deletes)
}

func (r *run) traffic() {
	for range 5 {
		r.writer.write(1, 0)
	}
	for range 3 { // further sessions are opened for those that have no order, and used when they are there
		for caller := range callers {
			r.writer.write(window/2, 1+caller)
		}
		r.settled()
	}
	r.writer.write(2*window, 0)
	r.settled()
	r.reader.send(&messages.Remaining{Done: func(m *messages.Remainder) { r.reader.right("remaining", m.Err) }})
	r.reader.send(&messages.AcknowledgeInput{Done: func(m *messages.Opened) { r.reader.right("acknowledge", m.Err) }})
	r.writer.send(&messages.AwaitPeers{Count: 1, Done: func(m *messages.Opened) { r.writer.right("await peers", m.Err) }})
	r.lets(time.Second)
}

func (r *run) alarm() {
	r.w.Broker().Block(true)
	r.writer.write(3, 0)
	r.lets(2 * stallAfter)
	r.w.Broker().Block(false)
	r.settled()
}

func (r *run) confirmsAreLost() {
	r.w.Broker().LoseConfirms(1)
	r.writer.write(2, 0)
	r.settled()
}

func (r *run) connectionsAreLost() {
	r.writer.write(window, 0)
	r.lets(300 * time.Microsecond)
	r.w.Broker().Cut()
	r.fresh()
}

func (r *run) openingsHang() {
	for i := 0; i < 4 && r.struck == nil; i++ {
		r.w.Broker().HangOpens(1)
		r.w.Broker().CutPublisher(i)
		r.lets(6 * time.Second)
		r.w.Broker().HangOpens(1)
		r.w.Broker().CutConsumer(i)
		r.lets(6 * time.Second)
	}
	r.w.Broker().HangOpens(0)
	r.fresh()
}

func (r *run) streamIsDeleted() {
	lease := r.w.Broker().Lease("fault")
	lease.Do(broker.DeleteQueue{Name: channelName + ".writer.status"}, func(broker.Result) { lease.Abort() })
	r.lets(3 * time.Second)
	r.fresh()
}

func (r *run) standsBy() {
	for _, e := range []*end{r.writer, r.reader} {
		e.send(&messages.Stop{Done: func(m *messages.Opened) { e.right("stop", m.Err) }})
		r.lets(9 * time.Second) // it ticks, and is asked whether it answers
		r.w.Broker().CutOwner(channelName + "/" + e.side)
		r.lets(3 * time.Second)
		e.send(&messages.Start{Done: func(m *messages.Opened) { e.right("start", m.Err) }})
	}
	r.up(messages.Running)
	r.fresh()
}

// isLeftAlone passes the deadlines that come only to who lives for long.
func (r *run) isLeftAlone() {
	r.lets(40 * time.Second)
	r.fresh()
}

func (r *run) queueIsFull() {
	if r.cell.Stream {
		return
	}
	r.reader.idle = true
	r.writer.write(2*maxLength, 0)
	r.lets(500 * time.Millisecond)
	r.reader.idle = false
	r.reader.demand()
	r.settled()
}

// mostSteps ends a life that does not come to an end.
const mostSteps = 1_000_000

// lets that much time pass.
func (r *run) lets(pass time.Duration) {
	r.w.RunUntil(func() bool { return r.w.Steps > mostSteps }, pass)
	if r.w.Steps > mostSteps {
		r.bad("no end after %d steps", r.w.Steps)
	}
}

// until waits for what must come to hold. It is looked at now and then.
func (r *run) until(what string, limit time.Duration, holds func() bool) bool {
	const pause = 10 * time.Millisecond
	if len(r.wrong) > 0 {
		return false
	}
	done := false
	var look func()
	look = func() {
		if done = holds(); !done {
			r.w.At(r.w.Now()+pause, look)
		}
	}
	r.w.At(r.w.Now(), look)
	r.w.RunUntil(func() bool { return done || len(r.wrong) > 0 || r.w.Steps > mostSteps }, limit)
	if !done {
		r.bad("%s: not within %v (step %d)", what, limit, r.w.Steps)
		done = true // look no more
		return false
	}
	return len(r.wrong) == 0
}

// up waits until both ends are in that state with all their children. An end that has failed is opened again.
func (r *run) up(is messages.State) {
	for len(r.wrong) == 0 && !(r.writer.is(is) && r.reader.is(is)) {
		for _, e := range []*end{r.writer, r.reader} {
			if e.down() {
				r.closes(e, false)
				e.open(is == messages.Standby)
			}
		}
		r.until("both ends are "+string(is), time.Minute, func() bool { return r.writer.is(is) && r.reader.is(is) || r.writer.down() || r.reader.down() })
	}
}

// settled waits until all that was written has an outcome, and what was confirmed was delivered and committed.
func (r *run) settled() {
	r.until("all is settled", 2*time.Minute, func() bool {
		if r.writer.down() || r.reader.down() {
			return true
		}
		missing := r.writer.underWay
		r.ledger.Read(func(l *ledgerLog) {
			f := l.Fates()
			missing += f.Missing()
		})
		return missing == 0
	})
}

// fresh sees that a record that is written now gets through. What has only just failed is waited for: a hang is noticed within 8 s.
func (r *run) fresh() {
	if r.struck != nil && !r.proof {
		r.lets(12 * time.Second)
		if r.cell.Kind == Again {
			r.lets(againFor)
		}
	}
	for range 3 {
		r.up(messages.Running)
		before := r.confirmed()
		r.writer.write(1, 0)
		r.settled()
		if r.confirmed() > before || len(r.wrong) > 0 {
			return
		}
	}
	r.bad("no fresh record gets through")
}

func (r *run) confirmed() (n int) {
	r.ledger.Read(func(l *ledgerLog) { n = l.Fates().Confirmed })
	return n
}

// closes closes an end and waits until it has stopped. One that runs has written or read all before.
func (r *run) closes(e *end, deletes bool) {
	if len(r.wrong) > 0 {
		return
	}
	if e.state == messages.Running && !e.down() {
		r.settled()
	}
	began, life := r.w.Now(), e.life
	e.closing = true
	e.send(&messages.Close{Timeout: closeWithin, Delete: deletes, Done: func(m *messages.Closed) {
		if e.life == life && e.closed == nil {
			e.closed = m
			r.closedIn(e, m.Err, r.w.Now()-began)
		}
	}})
	r.until("the "+e.side+" closes", closeWithin+stopWithin, func() bool { return e.stopped })
}
