package supervisor

import (
	"slices"

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
	if h.waiting == 0 {
		return nil
	}
	b := &messages.Batch{Epoch: h.buffer[0].Epoch, First: h.buffer[0].First}
	b.Records = h.cut(min(most, h.waiting))
	b.Last = b.First + uint64(len(b.Records)) - 1
	h.handed = b.Last
	return b
}

// cut takes the first n records out of the buffer: where they are, when they came together.
func (h *handedOver) cut(n int) (records []broker.Record) {
	if n > len(h.buffer[0].Records) {
		records = make([]broker.Record, 0, n)
	}
	h.waiting -= n
	whole := 0 // how many of the buffer are used up
	for n > 0 {
		d := &h.buffer[whole]
		k := min(n, len(d.Records))
		if records == nil {
			records = d.Records[:k:k]
		} else {
			records = append(records, d.Records[:k]...)
		}
		d.First, d.Records = d.First+uint64(k), d.Records[k:]
		if len(d.Records) == 0 {
			whole++
		}
		n -= k
	}
	h.buffer = slices.Delete(h.buffer, 0, whole)
	return records
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
