package rabbitstream

import (
	"errors"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// lease is one incarnation's. mu guards what is below it; no other lock is taken under it.
type lease struct {
	port     *Port
	owner    string
	requests broker.Lease

	mu       sync.Mutex
	gone     bool
	sessions map[*session]struct{}
}

// Do is the port's.
func (l *lease) Do(request broker.Request, done func(broker.Result)) { l.requests.Do(request, done) }

// OpenPublisher is the port's.
func (l *lease) OpenPublisher(config broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	p := newPublisher(config)
	l.start(p, &l.port.publishing, sink, 0, p.check())
	return p
}

// OpenConsumer is the port's. Who does not say from where consumes a queue, over AMQP.
func (l *lease) OpenConsumer(config broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	if config.Stream == nil && config.Name == "" {
		return l.requests.OpenConsumer(config, sink)
	}
	c := newConsumer(config, l.owner)
	l.start(c, &l.port.consuming, sink, config.MaxBatch, c.check())
	return c
}

var errAborted = errors.New("the lease was aborted")

func (l *lease) start(e endpoint, k *keeper, sink broker.Sink, maxBatch int, err error) {
	s := e.base()
	s.Init(sink, maxBatch)
	s.start(l, k, e)
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
	case !l.port.begin(s.work):
		s.endLater(failure(s.what, broker.ErrClosed, nil))
	}
}

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
	l.mu.Unlock()
	for _, s := range sessions {
		s.Abort()
	}
	l.requests.Abort()
}
