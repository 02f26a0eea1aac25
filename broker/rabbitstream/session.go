package rabbitstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/internal/outbox"
)

// state is a session's. It only goes up.
type state int

const (
	opening state = iota
	open          // Opened was told
	closing       // Close was called: flush, say goodbye, then Ended
	over          // Ended was told, or it was aborted
)

// session is what publishers and consumers have in common. Its worker, one goroutine, asks and publishes; the methods of the port note and wake it.
//
// mu guards the state and what methods, worker and the link's reader share, also in publisher and consumer. It is never held over a call of the sink.
type session struct {
	outbox.Outbox
	what   string // for errors: publish to …, consume …
	stream string
	key    string // no two with the same on one connection, one after the other neither; "" for any
	self   endpoint
	lease  *lease
	port   *Port
	keeper *keeper
	ctx    context.Context // until it is over
	cancel context.CancelFunc
	wake   chan struct{}

	// The worker's.
	link   *link
	number uint8         // on the link
	closed chan struct{} // gets something when the broker has let go of it
	gone   bool          // and it has happened

	handing sync.Mutex // keeps Opened and deliveries in their order: worker and reader hold it while they tell them

	mu      sync.Mutex
	state   state
	heard   time.Time // when something came for it last
	trouble error     // why it has to end
}

// endpoint is a publisher or consumer as its worker sees it.
type endpoint interface {
	base() *session
	// question is what is to be found out before the opening.
	question() question
	// declare opens it on its link.
	declare(*findings) error
	// goodbye is the command that closes what declare has opened.
	goodbye() uint16
	// take takes a frame that came for it. The link's reader calls it.
	take(key uint16, f *fields)
	// pulse asks the broker for an answer.
	pulse(limit time.Duration) error
	// pump does what was noted, and says when it wants to be called again though nobody wakes the worker; 0: never. An error ends the session.
	pump() (time.Duration, error)
	// finish makes certain what Close promises.
	finish() error
	// drop forgets what was noted. The session's lock is held.
	drop()
}

func (s *session) base() *session { return s }

func (s *session) start(l *lease, k *keeper, e endpoint) {
	s.lease, s.port, s.keeper, s.self = l, l.port, k, e
	s.wake, s.closed = make(chan struct{}, 1), make(chan struct{}, 1)
	s.ctx, s.cancel = context.WithCancel(l.port.ctx)
}

// poke wakes the worker.
func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work is the worker.
func (s *session) work() {
	if err := s.begin(); err != nil {
		s.end(err)
		return
	}
	s.end(s.serve())
	if !s.gone && !s.link.isLost() {
		if err := s.undo(); err != nil {
			s.link.doubt()
		}
	}
	s.link.left(s)
}

var errOver = errors.New("the session is over")

// begin has the session opened, once somebody listens and the stream is ready.
func (s *session) begin() error {
	limit := time.Now().Add(waitLimit)
	for {
		err := s.tryOpen()
		switch {
		case nobody(err) && s.port.await(s.ctx, limit):
		case unready(err) && s.port.pause(s.ctx, limit):
		default:
			return err
		}
	}
}

// lookAround sends a scout, when it is the session's turn.
func (s *session) lookAround() (f findings, err error) {
	select {
	case s.port.openings <- struct{}{}:
	case <-s.ctx.Done():
		return f, s.ended()
	}
	defer func() { <-s.port.openings }()
	f, err = s.port.look(s.ctx, s.self.question())
	switch {
	case s.ctx.Err() != nil:
		return f, s.ended()
	case err != nil:
		kind, _ := errorKind(err)
		return f, failure(s.what, kind, err)
	}
	return f, nil
}

// tryOpen has the session opened.
func (s *session) tryOpen() error {
	f, err := s.lookAround()
	switch {
	case err != nil:
		return err
	case f.missing:
		return s.missing()
	}
	if s.link, err = s.keeper.join(s.ctx, &f, s); err != nil {
		kind, _ := errorKind(err)
		return failure(s.what, kind, err)
	}
	s.link.enlist(s)
	err = s.self.declare(&f)
	s.link.opened(s, err)
	switch {
	case unready(err): // the next look says whether it is being deleted
		return failure(s.what, broker.ErrUnavailable, err)
	case err != nil:
		return s.failed(err)
	}
	s.handing.Lock()
	defer s.handing.Unlock()
	s.mu.Lock()
	wanted := s.state == opening
	s.heard = time.Now()
	if wanted {
		s.state = open
	}
	s.mu.Unlock()
	if wanted {
		s.Tell(&broker.Opened{LastSequence: f.lastSequence, Next: f.next, End: f.end, Stored: f.place()})
	}
	return nil
}

// ended is why a session ends that was not asked to.
func (s *session) ended() error {
	if s.port.ctx.Err() != nil {
		return failure(s.what, broker.ErrClosed, nil)
	}
	return failure(s.what, broker.ErrUnavailable, errOver)
}

// failed is why a session ends: a refusal, or an error of one of the port's kinds.
func (s *session) failed(err error) error {
	kind, _ := errorKind(err)
	var answer *refusal
	switch {
	case kindOf(err) != nil:
		return err
	case errors.As(err, &answer) && (answer.code == codeUnavailable || answer.code == codeNoPublisher):
		return s.unavailable(err)
	}
	return failure(s.what, kind, err)
}

// goneTries and gonePause: a stream is still there for a moment when it is being deleted.
const goneTries, gonePause = 5, 50 * time.Millisecond

// unavailable is what the broker says of a deleted stream, and of one whose leader changes.
func (s *session) unavailable(err error) error {
	for range goneTries {
		f, lookErr := s.port.look(s.ctx, question{stream: s.stream})
		if lookErr == nil && f.missing {
			return failure(s.what, broker.ErrNotFound, err)
		}
		if _, told := errorKind(lookErr); lookErr != nil && !told {
			break
		}
		select {
		case <-time.After(gonePause):
		case <-s.ctx.Done():
		}
	}
	return failure(s.what, broker.ErrUnavailable, err)
}

// missing tells a missing stream from a queue that is none, which the stream protocol does not. It may have been declared while it was looked for.
func (s *session) missing() error {
	notFound := failure(s.what, broker.ErrNotFound, nil)
	answer := make(chan broker.Result, 1)
	l := s.port.requests.Lease(s.lease.owner)
	defer l.Abort()
	l.Do(broker.InspectQueue{Name: s.stream}, func(r broker.Result) { answer <- r })
	select {
	case r := <-answer:
		if errors.Is(r.Err, broker.ErrNotFound) {
			return notFound
		}
		if r.Err != nil {
			return fmt.Errorf("%s: no such stream; look whether it is a queue: %w", s.what, r.Err)
		}
	case <-s.ctx.Done():
		return s.ended()
	}
	if f, err := s.port.look(s.ctx, question{stream: s.stream}); err != nil || !f.missing {
		return failure(s.what, broker.ErrUnavailable, errors.New("it has just been declared"))
	}
	return failure(s.what, broker.ErrWrongType, errors.New("it is no stream"))
}

// serve does what the methods note, until the session is over or closed. The error is why it ends.
func (s *session) serve() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return s.ended()
		case <-s.closed:
			s.gone = true
			return s.unavailable(errLetGo)
		case <-s.wake:
		case <-timer.C:
		}
		done := s.now() == closing // before the pump, which then has all that was noted
		again, err := s.self.pump()
		if err == nil {
			err = s.troubled()
		}
		if err == nil && done {
			err = s.self.finish()
		} else if err == nil {
			err = s.listen()
		}
		switch {
		case err != nil:
			return s.failed(err)
		case done:
			return nil
		}
		next := s.port.config.Heartbeat - s.quiet()
		if again > 0 {
			next = min(next, again)
		}
		timer.Reset(max(next, time.Millisecond))
	}
}

var errLetGo = errors.New("the broker has let go of it: its stream is deleted, or another node is to lead it")

// letGo is told by the link.
func (s *session) letGo() {
	select {
	case s.closed <- struct{}{}:
	default:
	}
}

// fail has the worker end the session.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.trouble == nil {
		s.trouble = err
	}
	s.mu.Unlock()
	s.poke()
}

func (s *session) troubled() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// hear has the frame taken. A panic, which only a sink can raise, ends the session alone.
func (s *session) hear(key uint16, f *fields) {
	defer func() {
		if r := recover(); r != nil {
			s.fail(fmt.Errorf("panic while %d was told: %v\n%s", key, r, debug.Stack()))
		}
	}()
	s.self.take(key, f)
}

var errSilent = errors.New("the broker is silent")

// listen asks for a sign of life when none has come for a heartbeat. The broker's own heartbeats do not suffice: they come also where it does not read.
func (s *session) listen() error {
	if s.quiet() < s.port.config.Heartbeat {
		return nil
	}
	err := s.self.pulse(min(s.port.answer, s.port.config.Heartbeat/2))
	if _, told := errorKind(err); err == nil || told {
		s.mu.Lock()
		s.heard = time.Now()
		s.mu.Unlock()
		return err
	}
	if s.ctx.Err() != nil {
		return s.ended()
	}
	s.link.fail(fmt.Errorf("%w: %w", errSilent, err))
	return err
}

// quiet is how long nothing has come for it.
func (s *session) quiet() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.heard)
}

// request asks on the link until the session is over, and gives what follows the code.
func (s *session) request(limit time.Duration, patient func() bool, key uint16, what string, arguments func(frame) frame) (*fields, error) {
	f, err := s.link.ask(s.ctx, limit, patient, key, arguments)
	switch {
	case err != nil && s.ctx.Err() != nil:
		return nil, s.ended()
	case err != nil:
		return nil, err
	}
	return f, ok(f, what)
}

// undo says goodbye, also for a session that is over.
func (s *session) undo() error {
	f, err := s.link.ask(context.Background(), s.port.answer, nil, s.self.goodbye(), func(f frame) frame { return f.u8(s.number) })
	if err != nil {
		return err
	}
	return ok(f, "the goodbye")
}

func (s *session) now() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Close is rules 15 and 16.
func (s *session) Close() {
	s.mu.Lock()
	was := s.state
	if was == open {
		s.state = closing
	}
	s.mu.Unlock()
	switch was {
	case opening:
		s.endLater(nil)
	case open:
		s.poke()
	}
}

// Abort is rule 5.
func (s *session) Abort() {
	s.Silence()
	s.leave()
}

// end makes the session over for the reason, nil after Close, and tells it. Only the first call has an effect.
func (s *session) end(err error) {
	if s.leave() {
		s.Tell(&broker.Ended{Err: err})
	}
}

// endLater is end for the methods of the port, which must not call the sink. What the owner calls after it does nothing.
func (s *session) endLater(err error) {
	if s.leave() {
		go s.Tell(&broker.Ended{Err: err})
	}
}

func (s *session) leave() bool {
	s.mu.Lock()
	if s.state == over {
		s.mu.Unlock()
		return false
	}
	s.state = over
	s.self.drop()
	s.mu.Unlock()
	s.cancel()
	s.lease.forget(s)
	return true
}
