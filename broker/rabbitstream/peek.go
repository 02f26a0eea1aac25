package rabbitstream

import (
	"github.com/d2e2d648/weir/broker"
)

// begin finds out where a consumer begins that asks so. What is published from then on is not below it.
//
// The end is taken first: where the second look finds nothing, all that was there before the end is not what is wanted.
func (s *scout) begin(q question) error {
	from := *q.from
	if s.hasStored && !q.afresh {
		from = broker.StreamOffset{From: broker.FromOffset, Offset: s.stored + 1}
	}
	last, err := s.last(q.stream)
	if err != nil {
		return err
	}
	s.end = last.end
	switch {
	case from.From == broker.FromLast:
		s.next = last.first
	case from.From == broker.FromNext, from.From == broker.FromOffset && from.Offset >= last.end:
		s.next = last.end
	default:
		at, found, err := s.peek(q.stream, from, unsubscribed)
		if err != nil {
			return err
		}
		switch {
		case from.From == broker.FromOffset:
			s.next = max(at.first, from.Offset) // the first that is kept may be behind it
		case found:
			s.next = at.first
		default:
			s.next = last.end
		}
	}
	return nil
}

// last is the stream's last chunk of records; of an empty one it is empty, too.
//
// The broker tells nothing of a last chunk that has no majority yet, though there are others before it: that one is waited for.
func (s *scout) last(stream string) (chunk, error) {
	c, found, err := s.peek(stream, broker.StreamOffset{From: broker.FromLast}, unsubscribed)
	if err != nil || found {
		return c, err
	}
	if _, found, err = s.peek(stream, broker.StreamOffset{From: broker.FromFirst}, unsubscribed); err != nil || !found {
		return c, err
	}
	c, _, err = s.peek(stream, broker.StreamOffset{From: broker.FromLast}, deliver)
	return c, err
}

const unsubscribed = unsubscribe | answer

// peek gives the chunk that a subscription begins with. The broker sends it while it handles the subscription: where none has come when it has answered to the
// unsubscription behind it, there is none. Until deliver, it is waited for.
func (s *scout) peek(stream string, from broker.StreamOffset, until uint16) (c chunk, found bool, err error) {
	s.tries++
	id := s.tries
	out := newFrame(subscribe).u32(s.asked + 1).u8(id).text(stream).spec(from).u16(1).sealed()
	s.asked++
	if until == unsubscribed {
		s.asked++
		out = append(out, newFrame(unsubscribe).u32(s.asked).u8(id).sealed()...)
	}
	if _, err := s.Write(out); err != nil {
		return c, false, err
	}
	for {
		key, f, err := s.hear()
		switch {
		case err != nil:
			return c, false, err
		case key == subscribe|answer:
			f.u32()
			if err := ok(f, "the subscription"); err != nil {
				return c, false, err
			}
		case key == deliver && f.u8() == id:
			if c, err = f.chunk(); err != nil {
				return c, false, err
			}
			found = true
		}
		if key == until {
			return c, found, nil
		}
	}
}

func (f frame) spec(from broker.StreamOffset) frame {
	switch from.From {
	case broker.FromFirst:
		return f.u16(specFirst)
	case broker.FromLast:
		return f.u16(specLast)
	case broker.FromOffset:
		return f.u16(specOffset).u64(from.Offset)
	case broker.FromTime:
		return f.u16(specTime).u64(uint64(from.Time.UnixMilli()))
	}
	return f.u16(specNext)
}
