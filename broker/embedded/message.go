package embedded

import (
	"slices"
	"strconv"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// message is a record in a queue.
type message struct {
	place      uint64 // in the queue, kept when it is given back
	body       []byte
	properties *broker.Properties
	from       *origin
	sequence   uint64 // the publisher's
	came       time.Duration
	returns    int // how often it was given back
}

func (m message) before(n message) bool { return m.place < n.place }

// record is the message as it is delivered, but for its body, which is still the publisher's.
func (m *message) record(properties bool) broker.Record {
	r := broker.Record{Body: m.body, Redelivered: m.returns > 0}
	if properties {
		r.Properties = wireProperties(m.properties, m.from, m.sequence)
	}
	return r
}

// wireProperties are what a consumer sees: the receiver's own. Nil: none.
func wireProperties(own *broker.Properties, from *origin, sequence uint64) *broker.Properties {
	if own == nil && from == nil {
		return nil
	}
	p := &broker.Properties{}
	if own != nil {
		*p = *own
		p.Headers = slices.Clone(own.Headers)
	}
	if from.canReturn() {
		p.AppID, p.MessageID = from.appID, strconv.FormatUint(sequence, 10)
	}
	if from != nil && p.ContentEncoding == "" {
		p.ContentEncoding = from.contentEncoding
	}
	return p
}

// largeBody is copied on its own, so that it does not keep a whole batch in memory nor the reverse.
const largeBody = 16 << 10

// ownBodies makes the bodies the receiver's (rule 11) by copying them, the small ones into one piece of memory.
func ownBodies(records []broker.Record) {
	size := 0
	for i := range records {
		if n := len(records[i].Body); n < largeBody {
			size += n
		}
	}
	all := make([]byte, 0, size)
	for i := range records {
		r := &records[i]
		if len(r.Body) >= largeBody {
			r.Body = slices.Clone(r.Body)
			continue
		}
		at := len(all)
		all = append(all, r.Body...)
		r.Body = all[at:len(all):len(all)]
	}
}
