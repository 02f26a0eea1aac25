package rabbitstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/d2e2d648/weir/broker"
)

// maxSessions is how many sessions share a connection: the client's limit is 254, of which the closing ones are some.
const maxSessions = 200

// lostPause is left to the client to close what was lost, before it is asked to close the same.
const lostPause = time.Second

// socketBuffer is the sockets'. The client's default of 8 KiB stalls for tens of milliseconds on loopback.
const socketBuffer = 1 << 20

// keeper has the links of one role, to publish or to consume. mu guards its links and all their accounts; a session's lock is not taken under it.
type keeper struct {
	port    *Port
	purpose string
	making  chan struct{} // one link is made at a time: who waits may find it good enough

	mu    sync.Mutex
	moved *sync.Cond
	links []*link
}

// link is one environment of the client, which has one connection for all its sessions, and a second one to look for leaders. The client closes the first when its last
// session leaves, so an opening must not meet that: a link that becomes empty is given up, and a last session does not leave while another is being opened.
type link struct {
	keeper  *keeper
	address string
	env     *stream.Environment

	opening, open, closing int
	retired                bool                  // takes no more sessions
	lost                   bool                  // its connection is gone or silent: sessions need not say goodbye
	sessions               map[*session]struct{} // opening and open ones
}

func (k *keeper) init(p *Port, purpose string) {
	k.port, k.purpose, k.making = p, purpose, make(chan struct{}, 1)
	k.moved = sync.NewCond(&k.mu)
}

// join gives a link on which the session may be opened; opened must follow.
func (k *keeper) join(ctx context.Context, f *findings, s *session) (*link, error) {
	if l := k.find(f.address, s); l != nil {
		return l, nil
	}
	select {
	case k.making <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-k.making }()
	if l := k.find(f.address, s); l != nil {
		return l, nil
	}
	l, err := k.dial(f)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links = append(k.links, l)
	l.enter(s)
	return l, nil
}

func (k *keeper) find(address string, s *session) *link {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.links {
		if l.address == address && l.fits(s) {
			l.enter(s)
			return l
		}
	}
	return nil
}

// fits: a publisher's name may be there once, and its last session may not have left yet.
func (l *link) fits(s *session) bool {
	if l.retired || l.opening+l.open+l.closing >= maxSessions {
		return false
	}
	for other := range l.sessions {
		if s.key != "" && other.key == s.key {
			return false
		}
	}
	return true
}

func (l *link) enter(s *session) {
	l.opening++
	l.sessions[s] = struct{}{}
}

// dial makes an environment. The scout has just been where it goes.
func (k *keeper) dial(f *findings) (*link, error) {
	c := &k.port.config
	o := stream.NewEnvironmentOptions().
		SetRPCTimeout(k.port.answer).SetRequestedHeartbeat(max(3*time.Second, c.Heartbeat)).SetRequestedMaxFrameSize(maxFrame).
		SetMaxProducersPerClient(254).SetMaxConsumersPerClient(254).SetWriteBuffer(socketBuffer).SetReadBuffer(socketBuffer)
	o.ConnectionParameters = []*stream.Broker{c.node(f.address, f.login)}
	if c.TLS != nil {
		o.SetTLSConfig(c.TLSFor(f.address))
	}
	if !c.Advertised {
		host, port, _ := net.SplitHostPort(f.address)
		n, _ := strconv.Atoi(port)
		o.SetAddressResolver(stream.AddressResolver{Host: bracketed(host), Port: n})
	}
	var env *stream.Environment
	err := k.port.call(k.port.limit, func() (err error) {
		env, err = stream.NewEnvironment(o)
		return err
	}, nil, func() {
		if env != nil {
			_ = env.Close()
		}
	})
	if err != nil {
		return nil, err
	}
	return &link{keeper: k, address: f.address, env: env, sessions: map[*session]struct{}{}}, nil
}

// opened follows join. A link on which an opening failed for a reason of its own is not used for others.
func (l *link) opened(s *session, err error) {
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	l.opening--
	if err == nil {
		l.open++
	} else {
		delete(l.sessions, s)
		if _, about := clientKind(err); !about {
			l.retired = true
		}
	}
	l.moved()
}

// leaving precedes a session's goodbye. False: there is nobody to say it to.
func (l *link) leaving(s *session) bool {
	k := l.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(l.sessions, s)
	l.open--
	l.closing++
	for l.open == 0 && l.opening > 0 && !l.lost {
		k.moved.Wait()
	}
	if l.open == 0 {
		l.retired = true
	}
	return !l.lost
}

// left follows leaving.
func (l *link) left() {
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	l.closing--
	l.moved()
}

// moved follows every change of the account. The lock is held.
func (l *link) moved() {
	k := l.keeper
	k.moved.Broadcast()
	if l.opening+l.open+l.closing > 0 {
		return
	}
	l.retired = true
	i := slices.Index(k.links, l)
	if i < 0 {
		return
	}
	k.links = slices.Delete(k.links, i, i+1)
	lost := l.lost
	k.port.tasks.Go(func() {
		if lost {
			time.Sleep(lostPause)
		}
		_ = k.port.call(k.port.limit, l.env.Close, nil, func() {})
	})
}

// doubt keeps new sessions away: the client has closed one of the link's sessions, and if it was the last one, the connection.
func (l *link) doubt() {
	l.keeper.mu.Lock()
	defer l.keeper.mu.Unlock()
	l.retired = true
}

// fail ends all sessions of the link: the client tells them one after the other, and takes half a second for each that has something unconfirmed.
func (l *link) fail(cause error) {
	k := l.keeper
	k.mu.Lock()
	l.retired, l.lost = true, true
	all := make([]*session, 0, len(l.sessions))
	for s := range l.sessions {
		all = append(all, s)
	}
	k.moved.Broadcast()
	k.mu.Unlock()
	kind := broker.ErrUnavailable
	if errors.Is(cause, broker.ErrClosed) {
		kind = broker.ErrClosed
	}
	why := failure("connection to "+l.address, kind, cause)
	for _, s := range all {
		s.end(fmt.Errorf("%s: %w", s.what, why))
	}
}
