package supervisor

import (
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// handedOver is a reader's account of one incarnation's deliveries: what waits to be handed over, and what of the rest is committed. It is bounded by the prefetch.
type handedOver struct {
	buffer    []messages.Delivered
	waiting   int          // records in buffer
	handed    uint64       // last tag that was handed over
	committed broker.Marks // tags
	acked     uint64       // all up to it were acknowledged
	places    places       // on a stream
}

func newHandedOver() handedOver { return handedOver{committed: broker.NewMarks(1)} }

// below gives the last tag whose record has a lower offset, if all that have were handed over.
func (h *handedOver) below(offset uint64) (tag uint64, any bool) {
	tag = h.places.offsets.Below(offset)
	return tag, tag > 0 && tag <= h.handed
}

// skip takes n deliveries, which come first, as handed over.
func (h *handedOver) skip(m *messages.Delivered, n int) {
	h.handed = m.First + uint64(n) - 1
	m.First, m.Records = h.handed+1, m.Records[n:]
}

func (h *handedOver) delivered(m *messages.Delivered) {
	h.buffer = append(h.buffer, *m)
	h.waiting += len(m.Records)
}

// take hands over up to most records, which are consecutive; nil when none waits.
func (h *handedOver) take(most int) *messages.Batch {
	if len(h.buffer) == 0 {
		return nil
	}
	b := &messages.Batch{Epoch: h.buffer[0].Epoch, First: h.buffer[0].First}
	for most > 0 && len(h.buffer) > 0 {
		d := &h.buffer[0]
		n := min(most, len(d.Records))
		if b.Records == nil {
			b.Records = d.Records[:n:n]
		} else {
			b.Records = append(b.Records, d.Records[:n]...)
		}
		most -= n
		if n == len(d.Records) {
			h.buffer[0] = messages.Delivered{}
			h.buffer = h.buffer[1:]
			continue
		}
		d.First += uint64(n)
		d.Records = d.Records[n:]
	}
	if len(h.buffer) == 0 {
		h.buffer = nil
	}
	h.waiting -= len(b.Records)
	b.Last = b.First + uint64(len(b.Records)) - 1
	h.handed = b.Last
	return b
}

// commit takes in that the tags are done with, in whatever order, and gives the tag up to which all are: to be acknowledged, if any is new.
func (h *handedOver) commit(first, last uint64) (upTo uint64, any bool) {
	h.committed.Add(first, min(last, h.handed))
	upTo = h.committed.Low() - 1
	if upTo <= h.acked {
		return 0, false
	}
	h.acked = upTo
	return upTo, true
}

// ahead calls f with each tag that is committed behind one that is not.
func (h *handedOver) ahead(f func(tag uint64)) {
	next := h.committed.Low()
	tell := func(until uint64) {
		for ; next < until; next++ {
			f(next)
		}
	}
	h.committed.Missing(next, h.handed, func(first, last uint64) {
		tell(first)
		next = last + 1
	})
	tell(h.handed + 1)
}

// any says whether anything is committed.
func (h *handedOver) any() bool { return h.acked > 0 || h.committed.Gaps() > 0 }

// committedRecords counts what is committed, acknowledged or behind a gap.
func (h *handedOver) committedRecords() int {
	n := int(h.handed)
	h.committed.Missing(1, h.handed, func(first, last uint64) { n -= int(last - first + 1) })
	return n
}

// uncommitted counts what was handed over and is not acknowledged.
func (h *handedOver) uncommitted() int { return int(h.handed - h.acked) }
