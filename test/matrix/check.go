package matrix

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/sim"
)

type ledgerLog = ledger.Log

// run is one life of the channel.
type run struct {
	w              *sim.World
	ledger         *ledger.Ledger
	writer, reader *end
	passed         func(Point) // is told of the points, where nothing is to strike
	cell           Cell
	proof          bool                     // what follows is there to show that all is as before
	cut            map[string]time.Duration // when actors were cut off, their leases aborted, by id

	struck    *strike
	nacked    bool
	incidents struct{ writer, reader int }
	abandoned int
	wrong     []string
}

// strike is when and whom the fault has struck, and what came of it.
type strike struct {
	at   time.Duration
	id   string
	end  *end
	told bool // its failure was told
	// up is when its successor was ready; of a supervisor nothing comes up. failed is when the channel failed, left what a Close said it had left.
	up, failed, closed time.Duration
	failure            error
	left               error
}

func (r *run) bad(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.w.Logf("WRONG: %s", text)
	if len(r.wrong) < 5 {
		r.wrong = append(r.wrong, fmt.Sprintf("%v: %s", r.w.Now(), text))
	}
}

func (r *run) strikes(id string) {
	e, _ := r.whose(id)
	r.struck = &strike{at: r.w.Now(), id: id, end: e}
	r.w.Logf("STRIKES: %s", r.cell)
}

// isUp: a child is ready. The struck one's successor has another epoch.
func (r *run) isUp(e *end, m *messages.ChildReady) {
	if s := r.struck; s != nil && s.up == 0 && e == s.end && m.Child == r.cell.Actor && r.id(e, m.From) != s.id {
		s.up = r.w.Now()
	}
}

func (r *run) id(e *end, f messages.From) string {
	return fmt.Sprintf("%s/%s-%d", e.actorName(), f.Child, f.Epoch)
}

func (r *run) childFailed(e *end, m *messages.ChildFailed) {
	switch m.Child {
	case messages.DataProducer:
		r.incidents.writer++
	case messages.DataConsumer:
		r.incidents.reader++
	}
	if s := r.struck; s != nil && r.cell.Kind == Again && e == s.end && m.Child == r.cell.Actor {
		s.up = 0
	}
	r.told(r.id(e, m.From), m.Err, m.Stack)
}

// told: the failure of an actor is told. It must be the one that was brought about.
func (r *run) told(id string, err error, stack []byte) {
	if r.struck == nil || id != r.struck.id || r.struck.told {
		return
	}
	r.struck.told = true
	right := false
	switch r.cell.Kind {
	case Panic:
		right = errors.Is(err, errPanic)
	case Error, Again:
		right = errors.Is(err, errTyped) && stack == nil
	case Goexit:
		right = errors.Is(err, actors.ErrGoexit)
	case Hang:
		right = errors.Is(err, supervisor.ErrHung)
	}
	if !right {
		r.bad("%s is said to have failed by: %v", id, err)
	}
}

func (r *run) channelFailed(e *end, err error) {
	e.failed = err
	var failed *supervisor.ChannelError
	switch {
	case !errors.As(err, &failed) || failed.Cause == nil:
		r.bad("the %s failed with an error that is not typed: %v", e.side, err)
	case r.struck == nil:
		r.bad("the %s failed, and nothing had struck: %v", e.side, err)
	default:
		r.struck.failed, r.struck.failure = r.w.Now(), err
		if e.side == "reader" {
			r.incidents.reader++
		}
		r.mayFail(e, failed)
	}
}

// mayFail: one fault fails a channel only in its supervisor. One that goes on fails it when the grace window of the actor is used up, and no later than an attempt and a back-off after that.
func (r *run) mayFail(e *end, failed *supervisor.ChannelError) {
	switch {
	case r.cell.Actor == Supervisor:
		if failed.Child != Supervisor {
			r.bad("the %s failed by the supervisor, and says: %v", e.side, failed)
		}
		r.told(e.actorName(), failed.Cause, nil)
	case r.cell.Kind != Again:
		r.bad("the %s failed by one fault: %v", e.side, failed)
	case e != r.struck.end && r.cell.Actor == messages.Topology && (errors.Is(failed, broker.ErrNotFound) || errors.Is(failed, actors.ErrNoQueue)): // what it needs is not made
	case failed.Child != r.cell.Actor || failed.Used < graceWindow || failed.Used > graceWindow+actors.OpenDeadline+2*time.Second || !errors.Is(failed, errTyped):
		r.bad("the %s failed, and says: %v", e.side, failed)
	}
}

// closedIn: a Close was answered. When nothing has struck on this end just then it must be in order; else the error says what is left.
func (r *run) closedIn(e *end, err error, took time.Duration) {
	if took > closeWithin+100*time.Millisecond {
		r.bad("close of the %s took %v", e.side, took)
	}
	s := r.struck
	if s != nil && s.closed == 0 && e == s.end {
		s.closed = r.w.Now()
	}
	if err == nil {
		return
	}
	var left *supervisor.CloseError
	switch {
	case e.failed != nil && errors.Is(err, e.failed):
	case errors.As(err, &left) && s != nil && e == s.end && !r.proof && r.mayLeave(left):
		s.left = err
		if e.side == "reader" {
			r.incidents.reader++
		}
	default:
		r.bad("nothing was in the way, but close of the %s: %v", e.side, err)
	}
}

// mayLeave: acknowledgements are not certain when the session that they went by was lost in the closing. Nothing else may be left: each part is replaced in time.
func (r *run) mayLeave(left *supervisor.CloseError) bool {
	if r.cell.Kind == Again {
		return true
	}
	return left.Uncertain && r.cell.Actor == messages.DataConsumer && left.Unconfirmed+left.NotSent+len(left.Unsaid) == 0 && left.NotDeleted == nil
}

// wasOver says that the actor had done its work: its supervisor had cut it off, or did so when it heard what it had said before; one that hangs may be cut off before
// that is noticed. A supervisor's is over when its end has closed.
func (r *run) wasOver(s *strike) bool {
	delay := 10 * time.Millisecond // as mailboxes take
	if r.cell.Kind == Hang {
		delay = 8100 * time.Millisecond
	}
	cut, any := r.cut[s.id]
	return any && cut < s.at+delay || r.cell.Actor == Supervisor && s.closed > 0
}

// check: what must hold in the end.
func (r *run) check() {
	r.lets(time.Minute) // longer than every timer
	if r.struck == nil && r.passed == nil {
		r.bad("the point was never passed")
	}
	for _, shard := range r.w.System().ProcessRegistry.LocalPIDs.LocalPIDs {
		if shard.Count() == 0 {
			continue
		}
		for id := range shard.Items() {
			if strings.HasPrefix(id, "writer-") || strings.HasPrefix(id, "reader-") {
				r.bad("zombie: %s", id)
			}
		}
	}
	b := r.w.Broker()
	if c := b.Counts(); c.Publishers+c.Consumers+c.Leases > 0 {
		r.bad("left at the broker: %+v", c)
	}
	if left := append(b.Queues(), b.Exchanges()...); len(left) > 0 {
		r.bad("not deleted: %q", left)
	}
	hangs := 0
	if r.struck != nil && r.cell.Kind == Hang {
		hangs = 1
	}
	if r.abandoned != hangs || r.w.Hanging() != hangs {
		r.bad("%d actors were given up and %d goroutines hang, not %d", r.abandoned, r.w.Hanging(), hangs)
	}
	if s := r.struck; s != nil && !s.told && !r.wasOver(s) {
		r.bad("the failure of %s was never told", s.id)
	}
	promise := ledger.Promise{Ordered: !r.nacked, Duplicates: r.incidents.reader * prefetch}
	if !r.cell.Stream {
		promise.Duplicates += r.incidents.writer * window
	}
	r.ledger.Read(func(l *ledgerLog) { r.wrong = append(r.wrong, l.Fates().Bad(promise)...) })
}

var _ broker.Port = port{}
