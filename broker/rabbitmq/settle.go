package rabbitmq

import "github.com/d2e2d648/weir/broker"

// settlement is a consuming session's account of delivery tags: what was handed over, what its owner has settled, what the broker has been
// told of it. Two things would cost the channel: a tag that is acknowledged twice, and a "multiple" whose own tag is settled already (the broker
// walks on beyond it). Not safe for concurrent use.
type settlement struct {
	handed  uint64       // the last tag handed over
	open    int          // how many of those the owner has not settled
	settled broker.Marks // by the owner
	apart   broker.Marks // told to the broker one by one, and all tags up to said
	said    uint64       // all tags up to this one have been told

	rejects []reject // to be told
	singles []uint64 // acknowledged ahead of lower ones: to be told
}

type reject struct {
	tag     uint64
	requeue bool
}

func newSettlement() settlement {
	return settlement{settled: broker.NewMarks(1), apart: broker.NewMarks(1)}
}

// hand notes that the next n tags are handed over.
func (s *settlement) hand(n int) {
	s.handed += uint64(n)
	s.open += n
}

// settle takes the tags into the owner's set.
func (s *settlement) settle(first, last uint64) {
	s.settled.Missing(first, last, func(first, last uint64) { s.open -= int(last - first + 1) })
	s.settled.Add(first, last)
}

// known says whether the tag was handed over.
func (s *settlement) known(tag uint64) bool { return tag > 0 && tag <= s.handed }

// ack notes an acknowledgement of a known tag.
func (s *settlement) ack(tag uint64, multiple bool) {
	switch {
	case multiple:
		s.settle(s.settled.Low(), tag)
	case s.settled.Has(tag):
	default:
		s.settle(tag, tag)
		if s.settled.Low() <= tag {
			s.singles = append(s.singles, tag)
			s.apart.Add(tag, tag)
		}
	}
}

// reject notes that a known tag is given back.
func (s *settlement) reject(tag uint64, requeue bool) {
	if s.settled.Has(tag) {
		return
	}
	s.settle(tag, tag)
	s.apart.Add(tag, tag)
	s.rejects = append(s.rejects, reject{tag, requeue})
}

// due is how many tags wait to be told by a multiple acknowledgement, about.
func (s *settlement) due() uint64 { return s.settled.Low() - 1 - s.said }

// urgent says that something waits that is not thinned.
func (s *settlement) urgent() bool { return len(s.rejects) > 0 || len(s.singles) > 0 }

// encode writes all that waits. Rejects come first: a multiple acknowledgement would swallow them.
func (s *settlement) encode(b []byte, channel uint16) []byte {
	for _, r := range s.rejects {
		b = appendReject(b, channel, r.tag, r.requeue)
	}
	for _, tag := range s.singles {
		b = appendAck(b, channel, tag, false)
	}
	s.rejects, s.singles = s.rejects[:0], s.singles[:0]
	if last := s.settled.Low() - 1; last > s.said {
		target := uint64(0)
		s.apart.Missing(s.said+1, last, func(_, last uint64) { target = last })
		if target > 0 {
			b = appendAck(b, channel, target, true)
		}
		s.apart.Add(s.said+1, last)
		s.said = last
	}
	return b
}
