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
	env       *actors.Env
	plan      plan
	result    Result
	endpoints []*endpoint
	writers   []*writing
	readers   []*reading

	pinned      func()        // the fault that must strike while something is unconfirmed
	pinnedWrite int           // it waits for so many Writes
	until       time.Duration // all faults are over then
	alarms      int           // that are on
	refused     time.Duration // until then connections are refused
	outages     time.Duration // at most, of all faults together
	excused     bool          // resources were deleted that not every end may declare
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

func (r *run) count(fault string) { r.countN(fault, 1) }

func (r *run) countN(fault string, n int) {
	for i := range r.result.Faults {
		if f := &r.result.Faults[i]; f.Kind == fault {
			f.Count += n
			return
		}
	}
	r.result.Faults = append(r.result.Faults, FaultCount{fault, n})
}

// schedule runs one seed from the beginning to the end.
func (r *run) schedule() {
	w := r.w
	r.plan = drawPlan(w)
	w.Logf("plan: %s", &r.plan)
	r.env = w.Env()
	w.struckAt = func(string, Kind) { r.noteUnconfirmed() }
	r.makeEnds()
	r.draw()
	for _, e := range r.endpoints {
		w.at(w.Jitter(3*time.Millisecond), e.open)
	}
	phases := []func() bool{r.traffic, r.heal, r.close}
	for _, phase := range phases {
		if !phase() || len(r.result.Bad) > 0 {
			break
		}
	}
	if len(r.result.Bad) == 0 {
		r.check()
	}
	r.result.Virtual, r.result.Steps, r.result.Hash = w.now, w.Steps, w.Hash
	for k, n := range w.Struck {
		if n > 0 {
			r.countN("child: "+Kind(k).String(), n)
		}
	}
}

func (r *run) makeEnds() {
	p := &r.plan
	for i := range p.writers {
		e := &endpoint{r: r, name: fmt.Sprintf("w%d", i), writes: true}
		u := &writing{e: e, budget: p.records / p.writers, ledger: &ledger{writer: byte(i), size: p.recordSize, views: make([]view, p.views()), single: p.stream}}
		e.user = u
		r.endpoints, r.writers = append(r.endpoints, e), append(r.writers, u)
	}
	for i := range p.readers {
		e := &endpoint{r: r, name: fmt.Sprintf("r%d", i)}
		u := &reading{e: e}
		if p.stream {
			u.view = i
		}
		e.user = u
		r.endpoints, r.readers = append(r.endpoints, e), append(r.readers, u)
	}
}

// until waits for the condition, which is looked at now and then. False: it took too long, which is a violation.
func (r *run) await(what string, limit time.Duration, missing func() error) bool {
	const pause = 20 * time.Millisecond
	w, done := r.w, false
	var last error
	var look func()
	look = func() {
		if last = missing(); last == nil {
			done = true
		} else {
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

func (r *run) noteUnconfirmed() {
	r.result.Injected++
	if r.unconfirmed() > 0 {
		r.result.WhileUnconfirmed++
	}
}

// wrote: a Write is under way, so that the pinned fault may strike.
func (r *run) wrote() {
	if r.pinned == nil {
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
	if r.pinned != nil && r.unconfirmed() > 0 {
		f := r.pinned
		r.pinned = nil
		f()
	}
}

// handed takes in a record that a reader got.
func (r *run) handed(body []byte, view int) {
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
		r.writers[body[0]].ledger.commit(body, n, view)
	}
}

func (r *run) childFailed(e *endpoint, m *messages.ChildFailed) {
	r.result.Incidents++
	switch m.Child {
	case messages.DataProducer:
		if p := &r.plan; !p.stream || p.subEntries > 1 { // else the broker deduplicates
			r.duplicates += p.views() * p.window
		}
		r.returned = r.returned || errors.Is(m.Err, actors.ErrNoQueue)
	case messages.DataConsumer:
		r.readerIncident()
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
