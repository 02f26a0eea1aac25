package brokertest_test

import (
	"errors"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// breach is a port that breaks one rule.
type breach struct {
	rule  int
	name  string
	tweak tweak
}

var breaches = slicesOf(breachesOfSessions, breachesOfPublishers, breachesOfConsumers, breachesOfInspect, breachesOfNames, breachesOfRequests)

func slicesOf(all ...[]breach) (joined []breach) {
	for _, b := range all {
		joined = append(joined, b...)
	}
	return joined
}

// onType is a tweak of one type of event; f tells what it wants. The others pass.
func onType[E broker.Event](f func(s *session, e E)) tweak {
	return tweak{event: func(s *session, e broker.Event) {
		if e, ok := e.(E); ok {
			f(s, e)
			return
		}
		s.sink(e)
	}}
}

var breachesOfSessions = []breach{
	{1, "publish waits for the broker", tweak{publish: func(s *session, b broker.Batch) {
		s.innerPublish(b)
		answered := make(chan struct{})
		s.later(func() { close(answered) })
		<-answered
	}}},
	{2, "the sink is called from inside publish", tweak{publish: func(s *session, b broker.Batch) {
		s.sink(&broker.Blocked{})
		s.innerPublish(b)
	}}},
	{2, "the sink is called by two goroutines", onType(func(s *session, e *broker.Delivered) {
		var other sync.WaitGroup
		other.Go(func() { s.sink(&broker.Blocked{}) })
		s.sink(e)
		other.Wait()
	})},
	{3, "an event before opened", onType(func(s *session, e *broker.Opened) {
		s.sink(&broker.Blocked{})
		s.sink(e)
	})},
	{3, "opened twice", onType(func(s *session, e *broker.Opened) {
		s.sink(e)
		s.sink(e)
	})},
	{3, "ended twice", onType(func(s *session, e *broker.Ended) {
		s.sink(e)
		s.sink(e)
	})},
	{3, "an event after ended", onType(func(s *session, e *broker.Ended) {
		s.sink(e)
		s.sink(&broker.Blocked{})
	})},
	{3, "no ended after a cut", onType(func(s *session, e *broker.Ended) {
		if !errors.Is(e.Err, broker.ErrUnavailable) {
			s.sink(e)
		}
	})},
	{4, "publishes after ended", tweak{
		event: func(s *session, e broker.Event) {
			if _, ok := e.(*broker.Ended); ok {
				s.mu.Lock()
				if s.p != nil {
					s.p = s.l.now().OpenPublisher(s.window, func(broker.Event) {})
				}
				s.mu.Unlock()
			}
			s.sink(e)
		},
	}},
	{4, "reconnects after a cut", tweak{event: reconnect}},
	{5, "abort of a session does nothing", tweak{abort: func(*session) {}}},
	{5, "abort of a lease does nothing", tweak{abortLease: func(*lease) {}}},
	{5, "opens on an aborted lease", tweak{abortLease: func(l *lease) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inner.Abort()
		l.inner = l.w.Port.Lease(l.owner)
	}}},
	{18, "keeps what was published before opened", tweak{
		publish: func(s *session, b broker.Batch) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.opened {
				s.batches = append(s.batches, b)
				return
			}
			s.p.Publish(b)
		},
		event: func(s *session, e broker.Event) {
			s.sink(e)
			if _, ok := e.(*broker.Opened); ok {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.opened = true
				for _, b := range s.batches {
					s.p.Publish(b)
				}
			}
		},
	}},
	{19, "pending for every event", tweak{event: func(s *session, e broker.Event) {
		s.mu.Lock()
		s.kept = append(s.kept, e)
		s.mu.Unlock()
		s.sink(&broker.Pending{Take: s.take})
	}}},
	{19, "take gives the first only", tweak{event: func(s *session, e broker.Event) {
		s.mu.Lock()
		told := s.flag
		if !told {
			s.kept = append(s.kept, e)
		}
		s.flag = true
		s.mu.Unlock()
		if !told {
			s.sink(&broker.Pending{Take: s.take})
		}
	}}},
}

// reconnect opens a cut session again instead of ending it.
func reconnect(s *session, e broker.Event) {
	ended, ok := e.(*broker.Ended)
	if !ok || !errors.Is(ended.Err, broker.ErrUnavailable) {
		s.sink(e)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	again := func(e broker.Event) {
		if _, opened := e.(*broker.Opened); !opened {
			s.sink(e)
		}
	}
	if s.p != nil {
		s.p = s.l.now().OpenPublisher(s.window, again)
	} else {
		s.c = s.l.now().OpenConsumer(s.consumes, again)
	}
}

var breachesOfRequests = []breach{
	{17, "done twice", tweak{do: func(l *lease, r broker.Request, done func(broker.Result)) {
		l.now().Do(r, func(result broker.Result) {
			done(result)
			done(result)
		})
	}}},
	{17, "not done when it fails", tweak{do: func(l *lease, r broker.Request, done func(broker.Result)) {
		l.now().Do(r, func(result broker.Result) {
			if result.Err == nil {
				done(result)
			}
		})
	}}},
	{17, "not done after a cut", tweak{do: func(l *lease, r broker.Request, done func(broker.Result)) {
		l.now().Do(r, func(result broker.Result) {
			if !errors.Is(result.Err, broker.ErrUnavailable) {
				done(result)
			}
		})
	}}},
	{17, "every second request is late", tweak{do: func(l *lease, r broker.Request, done func(broker.Result)) {
		l.mu.Lock()
		l.calls++
		late := l.calls%2 == 0
		l.mu.Unlock()
		if !late {
			l.now().Do(r, done)
			return
		}
		l.now().Do(broker.Probe{}, func(broker.Result) { l.now().Do(r, done) })
	}}},
}
