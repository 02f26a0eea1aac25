package rabbitmq

import (
	"errors"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/internal/outbox"
)

// state is a session's. It only goes up.
type state int

const (
	waiting state = iota // for the keeper
	opening              // its AMQP channel
	open                 // Opened was told
	closing              // Close was called: flush, then channel.close, then Ended
	over                 // Ended was told, or it was aborted
)

// session is what publishers and consumers have in common: one AMQP channel, used once.
//
// mu guards the state and what the owner's calls and the flusher share, also in publisher and consumer. It is never held over a call of amqp091
// or of the sink; the locks of the lease, the keeper and the wire are not taken under it.
type session struct {
	outbox.Outbox
	what   string // for errors: publish to …, consume …
	keeper *keeper
	lease  *lease
	self   endpoint

	queued  atomic.Bool // in line for the flusher
	touched bool        // the reader's: a frame came in this read
	behind  bool        // it is opened behind others, see behind.go

	// Set by begin and by the opening, before the session is attached to its link.
	link    *link
	channel uint16
	amqp    *amqp.Channel
	settled chan struct{} // closed when the opening's calls of amqp091 are over

	mu       sync.Mutex
	state    state
	early    bool // Close was called before Opened
	parting  bool // the channel is being closed
	hasPlace bool // one of the keeper's places for openings
}

// base makes a session an endpoint's.
func (s *session) base() *session { return s }

// begin takes the session out of the keeper's queue. False when nobody wants it any more.
func (s *session) begin(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != waiting {
		return false
	}
	s.state, s.link, s.settled, s.hasPlace = opening, l, make(chan struct{}), true
	return true
}

func (s *session) isWaiting() bool { return s.now() == waiting }

func (s *session) isOver() bool { return s.now() == over }

func (s *session) now() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// takePlace takes the place away from the session, once.
func (s *session) takePlace() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.hasPlace
	s.hasPlace = false
	return had
}

// openChannel has the channel opened and set up. The reader tells Opened when the broker's last answer comes.
func (s *session) openChannel() error {
	defer close(s.settled)
	err := s.tryChannel()
	if errors.Is(err, errTryAgain) {
		s.link.wire.detach(s.self)
		err = s.tryChannel()
	}
	return err
}

func (s *session) tryChannel() error {
	if s.isOver() {
		return nil
	}
	ch, number, err := s.link.open()
	if err != nil {
		return failure(s.what, requestKind(err, 0), err)
	}
	s.amqp, s.channel = ch, number
	s.link.attach(s.self)
	return s.self.setup()
}

// opened follows the broker's answer that makes the session ready. The reader calls it.
func (s *session) opened() {
	s.mu.Lock()
	if s.state != opening {
		s.mu.Unlock()
		return
	}
	s.state = open
	early := s.early
	s.mu.Unlock()
	s.keeper.leavePlace(s)
	s.Tell(&broker.Opened{})
	if early {
		s.Close()
	}
}

// Close is rules 15 and 16.
func (s *session) Close() {
	if s.beginClose() {
		s.link.wire.say(s.self) // the flusher closes the channel behind what it takes
	}
}

// beginClose says whether something has to be flushed before the channel is closed.
func (s *session) beginClose() (flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case waiting:
		go s.end(nil)
	case opening:
		s.early = true
	case open:
		s.state = closing
		if !s.self.idle() {
			return true
		}
		s.partLocked()
	}
	return false
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

// leave makes it over: it says nothing to the broker any more, and its channel is closed in the background.
func (s *session) leave() bool {
	s.mu.Lock()
	if s.state == over {
		s.mu.Unlock()
		return false
	}
	s.state = over
	s.self.drop()
	if s.link != nil {
		s.partLocked()
	}
	s.mu.Unlock()
	s.keeper.leavePlace(s)
	s.lease.forget(s)
	return true
}

// partLocked has the channel closed, once. mu is held.
func (s *session) partLocked() {
	if s.parting {
		return
	}
	s.parting = true
	s.keeper.tasks.Go(s.part)
}

// part closes the channel. What becomes of it the reader sees first: channel.close-ok ends a session that is closing, see closeOK.
func (s *session) part() {
	overdue := s.link.parting()
	defer overdue()
	<-s.settled
	if s.amqp != nil {
		_ = s.amqp.Close()
		s.link.wire.detach(s.self)
	}
	s.end(failure(s.what, broker.ErrUnavailable, errCloseLost))
	s.keeper.leaveLink(s.link)
}

// closeOK follows channel.close-ok (20,41).
func (s *session) closeOK() {
	s.link.wire.detach(s.self)
	s.end(nil)
}

// closedBy follows channel.close (20,40) of the broker. amqp091 answers it.
func (s *session) closedBy(c *closeReason) {
	s.end(failure(s.what, channelKind(c), c))
}
