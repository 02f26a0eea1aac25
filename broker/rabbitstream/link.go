package rabbitstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// maxSessions is how many sessions a connection has in its life. Their numbers are bytes, and none is given twice: what the broker says late to the last owner of a number
// would be taken by the next one.
const maxSessions = 256

// keeper has the links of one role, to publish or to consume. mu guards its links and all their accounts; no other lock is taken under it.
type keeper struct {
	port    *Port
	purpose string

	mu     sync.Mutex
	links  []*link
	making map[string]chan struct{} // one link to an address is made at a time: who waits may find it good enough
}

// link is one connection and its sessions. It is given up with the last of them, or when something has gone wrong with it.
type link struct {
	keeper *keeper
	*conn
	wire

	// The account.
	here    map[*session]struct{} // all that have not left, from the opening until they have said goodbye
	numbers int                   // how many have been given
	keys    map[string]bool       // of all who have ever been here
	retired bool                  // takes no more
	lost    bool                  // its connection is gone or silent: they need not say goodbye

	scouting sync.Mutex // one scout serves all that are not answered
	scouted  time.Time  // when one was answered last
}

func (k *keeper) init(p *Port, purpose string) {
	k.port, k.purpose, k.making = p, purpose, map[string]chan struct{}{}
}

// at is the node for a session: where the scout was, or in a cluster the leader for who publishes, and for who consumes one of the replicas, if there are any.
func (k *keeper) at(f *findings) string {
	switch n := len(f.replicas); {
	case !k.port.config.Advertised:
		return f.address
	case k == &k.port.consuming && n > 0:
		return f.replicas[rand.IntN(n)]
	}
	return f.leader
}

// join gives a link on which the session may be opened; opened must follow. It blocks for one DialTimeout at most.
func (k *keeper) join(ctx context.Context, f *findings, s *session) (*link, error) {
	address := k.at(f)
	if l := k.find(address, s); l != nil {
		return l, nil
	}
	limit := k.port.config.DialTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: no connection within %v", address, limit))
	defer cancel()
	turn := k.turn(address)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-turn }()
	if l := k.find(address, s); l != nil {
		return l, nil
	}
	l, err := k.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links = append(k.links, l)
	l.admit(s)
	return l, nil
}

// turn is filled by who makes a link to the address.
func (k *keeper) turn(address string) chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	turn := k.making[address]
	if turn == nil {
		turn = make(chan struct{}, 1)
		k.making[address] = turn
	}
	return turn
}

func (k *keeper) find(address string, s *session) *link {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.links {
		if l.conn.at == address && l.fits(s) {
			l.admit(s)
			return l
		}
	}
	return nil
}

// fits: a publisher's name may be there once, since RabbitMQ finds the number to confirm to by it.
func (l *link) fits(s *session) bool {
	return !l.retired && l.numbers < maxSessions && !l.keys[s.key]
}

// admit gives the session its number, by which frames name it.
func (l *link) admit(s *session) {
	s.number = uint8(l.numbers)
	l.numbers++
	l.here[s] = struct{}{}
	if s.key != "" {
		l.keys[s.key] = true
	}
}

// dial makes a link. The scout has just been where it goes.
func (k *keeper) dial(ctx context.Context, address string) (*link, error) {
	c := &conn{config: &k.port.config, purpose: k.purpose + " streams", at: address}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	l := &link{keeper: k, conn: c, here: map[*session]struct{}{}, keys: map[string]bool{}}
	l.wire.init()
	k.port.tasks.Go(l.read)
	k.port.tasks.Go(l.write)
	return l, nil
}

// opened follows join. A link on which an opening was not answered is not used for others.
func (l *link) opened(s *session, err error) {
	if err == nil {
		return
	}
	if _, told := errorKind(err); !told {
		l.doubt()
	}
	l.left(s)
}

// scoutGrace is what a scout has beside its part of the time: a handshake is more than an answer.
const scoutGrace = 500 * time.Millisecond

// answersOthers says whether what is not answered here may still be: by a broker that answers others there, and so only does not read this connection, as it does with publishers' under an alarm. It blocks for the limit and scoutGrace at most.
func (l *link) answersOthers(ctx context.Context, limit time.Duration) bool {
	l.scouting.Lock()
	defer l.scouting.Unlock()
	if time.Since(l.scouted) < limit {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, limit+scoutGrace)
	defer cancel()
	_, err := l.keeper.port.lookAt(ctx, l.conn.at, question{})
	if _, told := errorKind(err); err != nil && !told {
		return false
	}
	l.scouted = time.Now()
	return true
}

// isLost says that there is nobody to say goodbye to.
func (l *link) isLost() bool {
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	return l.lost
}

// left gives the session's place back. The last one closes the connection.
func (l *link) left(s *session) {
	l.forget(s)
	k := l.keeper
	k.mu.Lock()
	delete(l.here, s)
	last := len(l.here) == 0
	if last {
		l.retired = true
		k.links = slices.DeleteFunc(k.links, func(other *link) bool { return other == l })
	}
	k.mu.Unlock()
	if last {
		l.hangUp()
	}
}

// doubt keeps new sessions away.
func (l *link) doubt() {
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	l.retired = true
}

// fail ends the connection, and so all sessions of the link.
func (l *link) fail(cause error) {
	k := l.keeper
	k.mu.Lock()
	l.retired, l.lost = true, true
	all := slices.Collect(maps.Keys(l.here))
	k.mu.Unlock()
	l.cut(cause)
	cause = l.lostBy() // it may have been known: closing the connection makes the reader fail, too
	kind := broker.ErrUnavailable
	if errors.Is(cause, broker.ErrClosed) {
		kind = broker.ErrClosed
	}
	why := failure("connection to "+l.conn.at, kind, cause)
	for _, s := range all {
		s.end(fmt.Errorf("%s: %w", s.what, why))
	}
}
