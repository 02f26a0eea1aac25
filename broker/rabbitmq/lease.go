package rabbitmq

import (
	"context"
	"errors"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// lease is one incarnation's. Its requests are carried out by a goroutine that lives while there are some. mu guards what is below it; no other lock is
// taken under it.
type lease struct {
	port  *Port
	owner string

	mu       sync.Mutex
	gone     bool
	sessions map[*session]struct{}
	requests []asked
	cancel   context.CancelFunc // of the goroutine that carries out requests; nil when there is none
}

type asked struct {
	request broker.Request
	done    func(broker.Result)
}

// OpenPublisher is the port's.
func (l *lease) OpenPublisher(config broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	p := newPublisher(config)
	l.start(p, l.port.publishing, sink, 0, p.check())
	return p
}

// OpenConsumer is the port's.
func (l *lease) OpenConsumer(config broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	c := newConsumer(config, l.owner)
	l.start(c, l.port.consuming, sink, config.MaxBatch, c.check())
	return c
}

func (l *lease) start(e endpoint, k *keeper, sink broker.Sink, maxBatch int, err error) {
	s := e.base()
	s.Init(sink, maxBatch)
	s.keeper, s.lease = k, l
	l.mu.Lock()
	gone := l.gone
	if !gone {
		l.sessions[s] = struct{}{}
	}
	l.mu.Unlock()
	switch {
	case gone:
		s.endLater(failure(s.what, broker.ErrClosed, errAborted))
	case err != nil:
		s.endLater(err)
	default:
		k.add(e)
	}
}

var errAborted = errors.New("the lease was aborted")

// forget takes a session out that is over.
func (l *lease) forget(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	l.mu.Unlock()
}

// Abort is the port's.
func (l *lease) Abort() {
	l.mu.Lock()
	l.gone = true
	sessions := make([]*session, 0, len(l.sessions))
	for s := range l.sessions {
		sessions = append(sessions, s)
	}
	l.requests = nil
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	for _, s := range sessions {
		s.self.Abort()
	}
}

// Do is the port's.
func (l *lease) Do(request broker.Request, done func(broker.Result)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	l.requests = append(l.requests, asked{request, done})
	if l.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(l.port.topology.ctx)
	l.cancel = cancel
	if !l.port.topology.begin(func() { l.work(ctx) }) {
		l.cancel = nil
		cancel()
		closed := l.requests
		l.requests = nil
		go refuse(closed)
	}
}

func refuse(requests []asked) {
	for _, a := range requests {
		a.done(broker.Result{Err: failure(a.request.String(), broker.ErrClosed, nil)})
	}
}

// work carries out the requests in their order until there are none.
func (l *lease) work(ctx context.Context) {
	for {
		a, ok := l.pop()
		if !ok {
			return
		}
		result := l.port.topology.carryOut(ctx, a.request)
		if !l.aborted() {
			a.done(result)
		}
	}
}

func (l *lease) pop() (a asked, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) == 0 {
		l.cancel()
		l.cancel = nil
		return a, false
	}
	a = l.requests[0]
	l.requests[0] = asked{}
	l.requests = l.requests[1:]
	return a, true
}

func (l *lease) aborted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}
