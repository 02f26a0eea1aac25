package rabbitmq

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/d2e2d648/weir/broker"
)

// reader takes a payload apart. After a read beyond the end it is bad, and what it gives is empty.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	t := r.b[:n:n]
	r.b = r.b[n:]
	return t
}

func (r *reader) octet() byte {
	if t := r.take(1); t != nil {
		return t[0]
	}
	return 0
}

func (r *reader) short() uint16 {
	if t := r.take(2); t != nil {
		return binary.BigEndian.Uint16(t)
	}
	return 0
}

func (r *reader) long() uint32 {
	if t := r.take(4); t != nil {
		return binary.BigEndian.Uint32(t)
	}
	return 0
}

func (r *reader) longlong() uint64 {
	if t := r.take(8); t != nil {
		return binary.BigEndian.Uint64(t)
	}
	return 0
}

func (r *reader) shortstr() []byte { return r.take(int(r.octet())) }

// longstr is also a field table or array as it stands: all begin with their size.
func (r *reader) longstr() []byte {
	n := r.long()
	if uint64(n) > uint64(len(r.b)) {
		n = 0
		r.bad, r.b = true, nil
	}
	return r.take(int(n))
}

// decodeDeliver reads basic.deliver (60,60): consumer tag, delivery tag, redelivered, exchange, routing key.
func decodeDeliver(payload []byte) (tag uint64, redelivered, ok bool) {
	r := reader{b: payload}
	r.take(4)
	r.shortstr()
	tag = r.longlong()
	redelivered = r.octet()&1 != 0
	return tag, redelivered, !r.bad
}

// decodeConfirm reads basic.ack (60,80) or basic.nack (60,120): tag, multiple.
func decodeConfirm(payload []byte) (tag uint64, multiple, ok bool) {
	r := reader{b: payload}
	r.take(4)
	tag = r.longlong()
	multiple = r.octet()&1 != 0
	return tag, multiple, !r.bad
}

// decodeCount reads queue.declare-ok (50,11): name, records, consumers.
func decodeCount(payload []byte) (ready, consumers int, ok bool) {
	r := reader{b: payload}
	r.take(4)
	r.shortstr()
	ready, consumers = int(r.long()), int(r.long())
	return ready, consumers, !r.bad
}

// decodeClose reads channel.close (20,40) or connection.close (10,50): code, text, class, method.
func decodeClose(payload []byte) *closeReason {
	r := reader{b: payload}
	r.take(4)
	c := &closeReason{code: r.short(), text: string(r.shortstr())}
	class, method := r.short(), r.short()
	c.method = uint32(class)<<16 | uint32(method)
	return c
}

// properties are a content header's, as they stand in the frame. Those that weir does not know are left out.
type properties struct {
	contentEncoding, headers, messageID, appID []byte
}

// Flags of the properties in a content header, in the order in which they follow it.
const (
	flagContentType     = 1 << 15
	flagContentEncoding = 1 << 14
	flagHeaders         = 1 << 13
	flagDeliveryMode    = 1 << 12
	flagPriority        = 1 << 11
	flagCorrelationID   = 1 << 10
	flagReplyTo         = 1 << 9
	flagExpiration      = 1 << 8
	flagMessageID       = 1 << 7
	flagTimestamp       = 1 << 6
	flagType            = 1 << 5
	flagUserID          = 1 << 4
	flagAppID           = 1 << 3
)

// decodeSize reads the size of the body from a content header: class, weight, size.
func decodeSize(payload []byte) (size uint64, ok bool) {
	r := reader{b: payload}
	r.take(4)
	size = r.longlong()
	return size, !r.bad
}

// hasHeaders says whether a content header has a header table.
func hasHeaders(payload []byte) bool {
	return len(payload) >= 14 && be.Uint16(payload[12:])&flagHeaders != 0
}

// decodeProperties reads the properties of a content header. What is malformed is left out.
func decodeProperties(payload []byte) (p properties) {
	r := reader{b: payload}
	r.take(12)
	flags := r.short()
	skip := func(flag uint16, read func() []byte) {
		if flags&flag != 0 {
			read()
		}
	}
	keep := func(flag uint16, to *[]byte, read func() []byte) {
		if flags&flag != 0 {
			*to = read()
		}
	}
	skip(flagContentType, r.shortstr)
	keep(flagContentEncoding, &p.contentEncoding, r.shortstr)
	keep(flagHeaders, &p.headers, r.longstr)
	skip(flagDeliveryMode, func() []byte { return r.take(1) })
	skip(flagPriority, func() []byte { return r.take(1) })
	skip(flagCorrelationID, r.shortstr)
	skip(flagReplyTo, r.shortstr)
	skip(flagExpiration, r.shortstr)
	keep(flagMessageID, &p.messageID, r.shortstr)
	skip(flagTimestamp, func() []byte { return r.take(8) })
	skip(flagType, r.shortstr)
	skip(flagUserID, r.shortstr)
	keep(flagAppID, &p.appID, r.shortstr)
	return p
}

// decoded copies the properties out of the frame. Headers that are no text are left out.
func (p *properties) decoded() *broker.Properties {
	out := &broker.Properties{
		ContentEncoding: string(p.contentEncoding),
		AppID:           string(p.appID),
		MessageID:       string(p.messageID),
	}
	for t := (reader{b: p.headers}); len(t.b) > 0; {
		key, kind, value := t.field()
		if t.bad {
			break
		}
		if kind == 'S' {
			out.Headers = append(out.Headers, broker.Header{Key: string(key), Value: string(value)})
		}
	}
	return out
}

// field reads one entry of a field table; of a long string the value is its text, of others the bytes of the value.
func (r *reader) field() (key []byte, kind byte, value []byte) {
	key = r.shortstr()
	kind = r.octet()
	switch kind {
	case 't', 'b', 'B':
		value = r.take(1)
	case 's', 'u':
		value = r.take(2)
	case 'I', 'i', 'f':
		value = r.take(4)
	case 'l', 'L', 'd', 'T':
		value = r.take(8)
	case 'D':
		value = r.take(5)
	case 'S', 'x', 'F', 'A':
		value = r.longstr()
	case 'V':
	default:
		r.bad = true
	}
	return key, kind, value
}

// streamOffset finds the header x-stream-offset, which every delivery of a stream has.
func (p *properties) streamOffset() (offset uint64, ok bool) {
	for t := (reader{b: p.headers}); len(t.b) > 0 && !t.bad; {
		key, kind, value := t.field()
		if kind == 'l' && len(value) == 8 && bytes.Equal(key, streamOffsetKey) {
			return binary.BigEndian.Uint64(value), true
		}
	}
	return 0, false
}

var streamOffsetKey = []byte("x-stream-offset")

// sequence is the message id as the sequence that a session of ours has put there.
func (p *properties) sequence() (uint64, bool) {
	n, err := strconv.ParseUint(string(p.messageID), 10, 64)
	return n, err == nil && n > 0
}
