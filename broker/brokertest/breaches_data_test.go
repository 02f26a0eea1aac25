package brokertest_test

import (
	"errors"

	"github.com/d2e2d648/weir/broker"
)

var breachesOfPublishers = []breach{
	{6, "sequences begin at 1 in each session", tweak{
		publish: func(s *session, b broker.Batch) {
			s.mu.Lock()
			if s.first == 0 {
				s.first = b.First
			}
			s.mu.Unlock()
			s.innerPublish(b)
		},
		event: func(s *session, e broker.Event) {
			if c, ok := e.(*broker.Confirmed); ok {
				s.mu.Lock()
				e = &broker.Confirmed{First: c.First - s.first + 1, Last: c.Last - s.first + 1}
				s.mu.Unlock()
			}
			s.sink(e)
		},
	}},
	{7, "confirms what was not published", onType(func(s *session, e *broker.Confirmed) {
		s.sink(&broker.Confirmed{First: e.First, Last: e.Last + 1})
	})},
	{7, "confirms only a range's last", onType(func(s *session, e *broker.Confirmed) {
		s.sink(&broker.Confirmed{First: e.Last, Last: e.Last})
	})},
	{7, "confirms at once", tweak{publish: func(s *session, b broker.Batch) {
		s.later(func() { s.sink(&broker.Confirmed{First: b.First, Last: b.Last()}) })
		s.innerPublish(b)
	}}},
	{7, "returned, then confirmed", onType(func(s *session, e *broker.Refused) {
		s.sink(e)
		if errors.Is(e.Err, broker.ErrReturned) {
			s.sink(&broker.Confirmed{First: e.First, Last: e.Last})
		}
	})},
	{7, "confirmed, then returned", onType(func(s *session, e *broker.Refused) {
		if errors.Is(e.Err, broker.ErrReturned) {
			s.sink(&broker.Confirmed{First: e.First, Last: e.Last})
		}
		s.sink(e)
	})},
	{7, "a nack is a confirm", onType(func(s *session, e *broker.Refused) {
		if errors.Is(e.Err, broker.ErrNacked) {
			s.sink(&broker.Confirmed{First: e.First, Last: e.Last})
			return
		}
		s.sink(e)
	})},
	{7, "a nack is not told", onType(func(s *session, e *broker.Refused) {
		if !errors.Is(e.Err, broker.ErrNacked) {
			s.sink(e)
		}
	})},
	{8, "no window", tweak{publisherConfig: func(c *broker.PublisherConfig) { c.Window = 1 << 30 }}},
	{8, "a window too small", tweak{publisherConfig: func(c *broker.PublisherConfig) { c.Window = max(1, c.Window-1) }}},
	{10, "blocked is not told", onType(func(*session, *broker.Blocked) {})},
	{10, "unblocked is not told", onType(func(s *session, e *broker.Blocked) {
		if e.On {
			s.sink(e)
		}
	})},
	{10, "blocked is not told at the opening", tweak{event: func(s *session, e broker.Event) {
		_, blocked := e.(*broker.Blocked)
		if fresh := s.flag; !blocked || !fresh {
			s.sink(e)
		}
		_, s.flag = e.(*broker.Opened)
	}}},
	{10, "drops what is published while blocked", tweak{
		event: func(s *session, e broker.Event) {
			if b, ok := e.(*broker.Blocked); ok {
				s.mu.Lock()
				s.flag = b.On
				s.mu.Unlock()
			}
			s.sink(e)
		},
		publish: func(s *session, b broker.Batch) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.flag {
				s.p.Publish(b)
			}
		},
	}},
	{15, "close overtakes publish", tweak{publish: func(s *session, b broker.Batch) {
		s.later(func() { s.innerPublish(b) })
	}}},
	{15, "close ends with an error", onType(func(s *session, e *broker.Ended) {
		if e.Err == nil {
			e = &broker.Ended{Err: broker.ErrClosed}
		}
		s.sink(e)
	})},
	{15, "close aborts", tweak{close: func(s *session) { s.innerAbort() }}},
}

var breachesOfConsumers = []breach{
	{6, "tags begin at 0", tweak{
		event: func(s *session, e broker.Event) {
			if d, ok := e.(*broker.Delivered); ok {
				e = &broker.Delivered{First: d.First - 1, Records: d.Records}
			}
			s.sink(e)
		},
		ack: func(s *session, tag uint64, multiple bool) { s.innerAck(tag+1, multiple) },
	}},
	{6, "tags go on over sessions", onType(func(s *session, e *broker.Delivered) {
		s.w.mu.Lock()
		first := s.w.tags + 1
		s.w.tags += uint64(len(e.Records))
		s.w.mu.Unlock()
		s.sink(&broker.Delivered{First: first, Records: e.Records})
	})},
	{9, "tag 0 is ignored", tweak{ack: func(s *session, tag uint64, multiple bool) {
		if tag > 0 {
			s.innerAck(tag, multiple)
		}
	}}},
	{9, "what was not delivered is ignored", tweak{event: remember, ack: func(s *session, tag uint64, multiple bool) {
		s.mu.Lock()
		known := tag <= s.last
		s.mu.Unlock()
		if known {
			s.innerAck(tag, multiple)
		}
	}}},
	{9, "settling twice ends the session", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.mu.Lock()
		again := s.settled[tag]
		s.settled[tag] = true
		s.mu.Unlock()
		if again {
			tag = 0
		}
		s.innerAck(tag, multiple)
	}}},
	{9, "settling twice settles the next", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.mu.Lock()
		if s.settled[tag] {
			tag++
		}
		s.settled[tag] = true
		s.mu.Unlock()
		s.innerAck(tag, multiple)
	}}},
	{11, "batches are too large", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.MaxBatch *= 2 }}},
	{11, "batches wait to be filled", onType(func(s *session, e *broker.Delivered) {
		s.mu.Lock()
		s.kept = append(s.kept, e)
		full := len(s.kept) >= 3
		held := s.kept
		if full {
			s.kept = nil
		}
		s.mu.Unlock()
		for i := 0; full && i < len(held); i++ {
			s.sink(held[i])
		}
	})},
	{11, "bodies are shared", onType(func(s *session, e *broker.Delivered) {
		s.w.mu.Lock()
		for i := range e.Records {
			r := &e.Records[i]
			if shared, ok := s.w.bodies[string(r.Body)]; ok {
				r.Body = shared
			} else {
				s.w.bodies[string(r.Body)] = r.Body
			}
		}
		s.w.mu.Unlock()
		s.sink(e)
	})},
	{12, "twice the prefetch", tweak{consumerConfig: func(c *broker.ConsumerConfig) { c.Prefetch *= 2 }}},
	{12, "no new credit for an ack", tweak{ack: func(*session, uint64, bool) {}}},
	{13, "what was unsettled is lost", tweak{event: remember, abort: loseUnsettled, close: func(s *session) {
		if s.c != nil {
			loseUnsettled(s)
			return
		}
		s.innerClose()
	}}},
	{13, "redelivered is not marked", onType(mark(false))},
	{13, "all is marked redelivered", onType(mark(true))},
	{14, "deletion is not told", onType(func(s *session, e *broker.Ended) {
		if !errors.Is(e.Err, broker.ErrNotFound) {
			s.sink(e)
		}
	})},
	{14, "deletion is told as something else", onType(func(s *session, e *broker.Ended) {
		if errors.Is(e.Err, broker.ErrNotFound) {
			e = &broker.Ended{Err: broker.ErrUnavailable}
		}
		s.sink(e)
	})},
	{16, "close overtakes acks", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.later(func() { s.innerAck(tag, multiple) })
	}}},
	{16, "close aborts", tweak{close: func(s *session) { s.innerAbort() }}},
	{18, "acks before opened count", tweak{ack: func(s *session, tag uint64, multiple bool) {
		s.mu.Lock()
		early := len(s.kept) == 0
		s.mu.Unlock()
		if early && tag == 0 {
			s.innerAbort()
			return
		}
		s.innerAck(tag, multiple)
	}, event: func(s *session, e broker.Event) {
		s.mu.Lock()
		s.kept = append(s.kept, e)
		s.mu.Unlock()
		s.sink(e)
	}}},
}

var breachesOfInspect = []breach{
	{20, "inspect is not answered", onType(func(*session, *broker.Inspected) {})},
	{20, "inspect is answered twice", onType(func(s *session, e *broker.Inspected) {
		s.sink(e)
		s.sink(e)
	})},
	{20, "several inspects have one answer", tweak{inspect: func(s *session) {
		s.mu.Lock()
		under := s.flag
		s.flag = true
		s.mu.Unlock()
		if !under {
			s.innerInspect()
		}
	}, event: func(s *session, e broker.Event) {
		if _, ok := e.(*broker.Inspected); ok {
			s.mu.Lock()
			s.flag = false
			s.mu.Unlock()
		}
		s.sink(e)
	}}},
	{20, "nothing is ever ready", onType(func(s *session, e *broker.Inspected) { s.sink(&broker.Inspected{}) })},
	{20, "nothing is ever ahead in a stream", onType(func(s *session, e *broker.Inspected) {
		if s.consumes.Stream != nil {
			e = &broker.Inspected{Consumers: e.Consumers}
		}
		s.sink(e)
	})},
	{20, "what was delivered is ahead in a stream", tweak{event: func(s *session, e broker.Event) {
		if i, ok := e.(*broker.Inspected); ok && s.consumes.Stream != nil {
			s.mu.Lock()
			e = &broker.Inspected{Ready: i.Ready + int(s.last), Consumers: i.Consumers}
			s.mu.Unlock()
		}
		remember(s, e)
	}}},
	{20, "what is unsettled counts", tweak{event: func(s *session, e broker.Event) {
		if i, ok := e.(*broker.Inspected); ok {
			e = &broker.Inspected{Ready: i.Ready + int(s.last)}
		}
		remember(s, e)
	}}},
	{20, "inspected overtakes deliveries", tweak{inspect: func(s *session) {
		s.mu.Lock()
		s.flag = true
		s.mu.Unlock()
		s.innerInspect()
	}, event: func(s *session, e broker.Event) {
		s.mu.Lock()
		if _, ok := e.(*broker.Delivered); ok && s.flag {
			s.kept = append(s.kept, e)
			s.mu.Unlock()
			return
		}
		var late []broker.Event
		if _, ok := e.(*broker.Inspected); ok {
			late, s.kept, s.flag = s.kept, nil, false
		}
		s.mu.Unlock()
		s.sink(e)
		for _, e := range late {
			s.sink(e)
		}
	}}},
	{20, "keeps what was asked before opened", tweak{inspect: func(s *session) {
		s.mu.Lock()
		s.flag = s.flag || !s.opened
		s.mu.Unlock()
		s.innerInspect()
	}, event: func(s *session, e broker.Event) {
		s.sink(e)
		if _, ok := e.(*broker.Opened); ok {
			s.mu.Lock()
			s.opened = true
			early := s.flag
			s.mu.Unlock()
			if early {
				s.innerInspect()
			}
		}
	}}},
	{20, "answers what is asked after close", tweak{close: func(s *session) {
		s.mu.Lock()
		s.flag = true
		s.mu.Unlock()
		s.innerClose()
	}, inspect: func(s *session) {
		s.mu.Lock()
		closed := s.flag
		s.mu.Unlock()
		if closed {
			s.later(func() { s.sink(&broker.Inspected{}) })
			return
		}
		s.innerInspect()
	}}},
}

// remember notes the last tag.
func remember(s *session, e broker.Event) {
	if d, ok := e.(*broker.Delivered); ok {
		s.mu.Lock()
		s.last = d.Last()
		s.mu.Unlock()
	}
	s.sink(e)
}

func loseUnsettled(s *session) {
	s.mu.Lock()
	last, c := s.last, s.c
	s.mu.Unlock()
	if c != nil && last > 0 {
		c.Ack(last, true)
	}
	s.innerClose()
}

func mark(redelivered bool) func(*session, *broker.Delivered) {
	return func(s *session, e *broker.Delivered) {
		for i := range e.Records {
			e.Records[i].Redelivered = redelivered
		}
		s.sink(e)
	}
}
