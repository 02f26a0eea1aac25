package brokertest_test

import (
	"errors"

	"github.com/d2e2d648/weir/broker"
)

var breachesOfNames = []breach{
	{14, "deletion is told to consumers only", onType(func(s *session, e *broker.Ended) {
		if s.p == nil || !errors.Is(e.Err, broker.ErrNotFound) {
			s.sink(e)
		}
	})},
	{21, "the last sequence is not told", onType(func(s *session, _ *broker.Opened) { s.sink(&broker.Opened{}) })},
	{21, "the next sequence is told", onType(func(s *session, e *broker.Opened) {
		if s.window.Name != "" {
			e = &broker.Opened{LastSequence: e.LastSequence + 1}
		}
		s.sink(e)
	})},
	{21, "publishers' names are ignored", tweak{publisherConfig: func(c *broker.PublisherConfig) { c.Name = "" }}},
	{21, "all publishers have one name", tweak{publisherConfig: func(c *broker.PublisherConfig) {
		if c.Name != "" {
			c.Name = "all"
		}
	}}},
	{21, "what is known is stored again", tweak{
		publisherConfig: func(c *broker.PublisherConfig) { c.Name = "" },
		event: func(s *session, e broker.Event) {
			key := s.window.RoutingKey + "/" + s.window.Name
			s.w.mu.Lock()
			switch known := e.(type) {
			case *broker.Opened:
				e = &broker.Opened{LastSequence: s.w.sequences[key]}
			case *broker.Confirmed:
				s.w.sequences[key] = max(s.w.sequences[key], known.Last)
			}
			s.w.mu.Unlock()
			s.sink(e)
		},
	}},
	{21, "what is known is not confirmed", tweak{event: func(s *session, e broker.Event) {
		if o, ok := e.(*broker.Opened); ok {
			s.mu.Lock()
			s.last = o.LastSequence
			s.mu.Unlock()
		}
		s.sink(e)
	}, publish: func(s *session, b broker.Batch) {
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		if b.Last() > last {
			s.innerPublish(b)
		}
	}}},
	{22, "consumers' names are ignored", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.Name = "" }}},
	{22, "all consumers have one name", tweak{consumerConfig: func(c *broker.ConsumerConfig) {
		if c.Name != "" {
			c.Name = "all"
		}
	}}},
	{22, "begins with the last that was acknowledged", tweak{ack: func(s *session, tag uint64, multiple bool) {
		if multiple && tag > 1 {
			s.innerAck(tag, false)
			tag--
		}
		s.innerAck(tag, multiple)
	}}},
	{22, "ack of one tag stores", tweak{ack: func(s *session, tag uint64, _ bool) { s.innerAck(tag, true) }}},
	{22, "ack up to a settled tag stores nothing", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.mu.Lock()
		again := s.settled[tag]
		s.settled[tag] = true
		s.mu.Unlock()
		if !again {
			s.innerAck(tag, multiple)
		}
	}}},
	{22, "opened says not where a session begins", onType(func(s *session, e *broker.Opened) {
		s.sink(&broker.Opened{LastSequence: e.LastSequence})
	})},
	{22, "opened says where a session would begin later", onType(func(s *session, e *broker.Opened) {
		if e.Next > 0 {
			e = &broker.Opened{Next: e.Next + 1}
		}
		s.sink(e)
	})},
	{22, "a session begins later than opened says", onType(func(s *session, e *broker.Delivered) {
		for i := range e.Records {
			e.Records[i].Offset++
		}
		s.sink(e)
	})},
	{22, "nothing is marked", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.Mark = false }}},
	{22, "everything is marked", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.Mark = true }}},
	{22, "opened says not what is stored", onType(func(s *session, e *broker.Opened) {
		s.sink(&broker.Opened{LastSequence: e.LastSequence, Next: e.Next, End: e.End})
	})},
	{22, "opened says not where the stream ends", onType(func(s *session, e *broker.Opened) {
		s.sink(&broker.Opened{LastSequence: e.LastSequence, Next: e.Next, Stored: e.Stored})
	})},
	{22, "what is stored is never ignored", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.IgnoreStored = false }}},
	{22, "what is stored is always ignored", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.IgnoreStored = c.Name != "" }}},
	{22, "who ignores what is stored stores nothing", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.innerAck(tag, multiple && !s.consumes.IgnoreStored)
	}}},
	{22, "acks are stored at close only", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.innerAck(tag, false)
		s.mu.Lock()
		if multiple {
			s.last = max(s.last, tag)
		}
		s.mu.Unlock()
	}, close: func(s *session) {
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		if last > 0 {
			s.innerAck(last, true)
		}
		s.innerClose()
	}}},
}
