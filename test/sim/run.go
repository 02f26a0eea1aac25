package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// run is one schedule.
type run struct {
	w         *World
	port      *port
	plan      plan
	leave     Leave
	result    Result
	endpoints []*endpoint
	writers   []*writing
	readers   []*reading

	pinned      []fault       // those that wait until something is unconfirmed
	aims        []*aim        // those that wait until an actor is in a phase
	aimless     bool          // they do not strike now
	pinnedWrite int           // the next pinned one waits for so many Writes
	until       time.Duration // all faults are over then
	alarms      int           // that are on
	refused     time.Duration // until then connections are refused
	outages     time.Duration // at most, of all faults together
	excused     bool          // resources were deleted that not every end may declare
	revoked     bool          // credentials were, at some time
	poisoned    int           // records that no writer wrote
	badSaid     bool          // somebody published what is no status
	disordered  bool          // a status was refused: those behind it come before it
	streamsGone bool          // a status stream was deleted: its history with it
	unordered   bool          // a reader's incident
	nacked      bool
	returned    bool // a record, while those behind it may have found a queue that was made meanwhile
	duplicates  int  // at most
	again       int  // records that were handed over before
	events      int
	healing     bool // faults are over
	finishing   bool // what stops is not opened again
}

// maxSteps ends a schedule that does not come to an end.
const maxSteps = 500_000

func (r *run) bad(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.w.Logf("VIOLATED: %s", text)
	if len(r.result.Bad) < 5 {
		r.result.Bad = append(r.result.Bad, text)
	}
}

// schedule runs one seed from the beginning to the end.
func (r *run) schedule() {
	w := r.w
	r.plan = drawPlan(w)
	for range 2 + w.rng.IntN(3) {
		a := &aim{cell: aimedAt[w.rng.IntN(len(aimedAt))]}
		if len(r.aims) < 2 {
			r.plan.suit(w, a.cell)
		}
		r.aims = append(r.aims, a)
	}
	r.plan.settle()
	w.Logf("plan: %s", &r.plan)
	r.port = &port{r: r, w: w, leases: map[string]*lease{}}
	w.struckAt, w.finished = r.hitMailbox, r.finished
	r.makeEnds()
	r.draw()
	for _, e := range r.endpoints {
		w.at(w.Jitter(3*time.Millisecond), e.open)
	}
	for _, stage := range []func() bool{r.traffic, r.heal, r.close} {
		if !stage() || len(r.result.Bad) > 0 {
			break
		}
	}
	if len(r.result.Bad) == 0 {
		r.check()
	}
	r.result.Virtual, r.result.Steps, r.result.Hash = w.now, w.Steps, w.Hash
}

func (r *run) makeEnds() {
	p := &r.plan
	if r.leave.Records > 0 {
		p.records = min(p.records, r.leave.Records)
	}
	for i := range p.writers {
		e := &endpoint{r: r, name: fmt.Sprintf("w%d", i), writes: true}
		u := &writing{e: e, budget: p.records / p.writers, ledger: &ledger{writer: byte(i), size: p.recordSize, views: make([]view, p.views()), single: p.stream}}
		e.user = u
		r.endpoints, r.writers = append(r.endpoints, e), append(r.writers, u)
	}
	for i := range p.readers {
		e := &endpoint{r: r, name: fmt.Sprintf("r%d", i), index: i}
		u := &reading{e: e}
		if p.views() > 1 {
			u.view = i
		}
		e.user = u
		r.endpoints, r.readers = append(r.endpoints, e), append(r.readers, u)
	}
}

// until waits for the condition, which is looked at now and then. False: it took too long, which is a violation.
func (r *run) await(what string, limit time.Duration, missing func() error) bool {
	const most = 200 * time.Millisecond
	pause := 10 * time.Millisecond
	w, done := r.w, false
	var last error
	var look func()
	look = func() {
		if last = missing(); last == nil {
			done = true
		} else {
			pause = min(2*pause, most)
			w.at(w.now+pause, look)
		}
	}
	w.at(w.now, look)
	end := w.now + limit
	w.run(func() bool { return done || len(r.result.Bad) > 0 || w.now > end || w.Steps > maxSteps })
	if !done && len(r.result.Bad) == 0 {
		r.bad("%s: after %s and %d steps: %v", what, w.now, w.Steps, last)
	}
	return done
}

// What a schedule waits for most of the time: made once, for it is looked at often.
var (
	errFaults = errors.New("faults go on")
	errWrites = errors.New("writes are under way or yet to come")
)

// traffic: users at work, while faults strike.
func (r *run) traffic() bool {
	return r.await("stalled", 40*time.Minute, func() error {
		switch {
		case r.w.now < r.until:
			return errFaults
		case r.unwritten()+r.underWay() > 0:
			return errWrites
		}
		return nil
	})
}

func (r *run) unwritten() (n int) {
	for _, u := range r.writers {
		n += u.budget
	}
	return n
}

func (r *run) underWay() (n int) {
	for _, u := range r.writers {
		n += u.underWay
	}
	return n
}

// unconfirmed counts the records whose fate is open.
func (r *run) unconfirmed() (n int) {
	for _, u := range r.writers {
		n += u.records
	}
	return n
}

// wrote: a Write is under way, so that a pinned fault may strike.
func (r *run) wrote() {
	if len(r.pinned) == 0 {
		return
	}
	r.pinnedWrite--
	switch w := r.w; {
	case r.healing: // the last chance
		w.at(w.now, r.firePinned)
	case r.pinnedWrite == 0:
		w.at(w.now+w.Jitter(2*time.Millisecond), r.firePinned)
	case r.pinnedWrite < 0:
		w.at(w.now+w.Jitter(100*time.Microsecond), r.firePinned)
	}
}

func (r *run) firePinned() {
	if len(r.pinned) == 0 || r.unconfirmed() == 0 {
		return
	}
	if f := r.pinned[0]; r.carryOut(f) || r.healing {
		r.pinned = r.pinned[1:]
		r.pinnedWrite = 1 + r.w.rng.IntN(4)
	}
}

// handed takes in a record that a reader got.
func (r *run) handed(body []byte, view int) {
	if r.poisoned > 0 && poisonous(body) {
		return
	}
	if len(body) < 5 || int(body[0]) >= len(r.writers) {
		r.bad("unexpected: a record of %d bytes that nobody wrote", len(body))
		return
	}
	again, ok := r.writers[body[0]].ledger.handed(body, view)
	switch {
	case !ok:
		r.bad("unexpected: a record of writer %d that was not written so", body[0])
	case again:
		r.again++
	default:
		r.result.Delivered++
	}
}

func (r *run) committed(b *messages.Batch, n, view int) {
	for i := range b.Records {
		body := b.Records[i].Body
		if r.poisoned > 0 && poisonous(body) {
			continue
		}
		r.writers[body[0]].ledger.commit(body, n, view)
	}
}

func (r *run) childFailed(e *endpoint, m *messages.ChildFailed) {
	r.result.Incidents++
	switch m.Child {
	case messages.DataProducer:
		r.writerDied() // a stream's broker deduplicates
		r.returned = r.returned || errors.Is(m.Err, actors.ErrNoQueue)
	case messages.DataConsumer:
		r.readerIncident()
	}
}

// writerDied: the next incarnation publishes again what is unconfirmed.
func (r *run) writerDied() {
	if p := &r.plan; !p.stream || p.subEntries > 1 {
		r.duplicates += p.views() * p.window
	}
}

// finished: a child says that all it had has ended in order, so it must have.
func (r *run) finished(m *Mailbox, f *messages.Finished) {
	e, _ := r.ownerOf(m.pid.Id)
	l := r.port.leases[e.leaseOf(partOf(f.Child))]
	if m.pid.Id != e.actorName() || f.Epoch != e.part(f.Child).epoch || l == nil || l.aborted {
		return
	}
	for _, s := range l.publishers {
		if !s.ended && !s.aborted {
			r.bad("%s told Finished while a session of it had not ended", l.owner)
		}
	}
	for _, s := range l.consumers {
		if !s.ended && !s.aborted {
			r.bad("%s told Finished while a session of it had not ended", l.owner)
		}
	}
}

// readerDied: of a stream's reader, commits that were not stored in time are forgotten with it.
func (r *run) readerDied() {
	r.readerIncident()
	if r.plan.stream {
		r.duplicates += r.result.Delivered
	}
}

func (r *run) readerIncident() {
	r.duplicates += r.plan.prefetch
	r.unordered = true
}
