package rabbitmq

import (
	"encoding/binary"
	"strconv"

	"github.com/d2e2d648/weir/broker"
)

var be = binary.BigEndian

const persistent = 2 // delivery mode

func appendShortstr(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// openFrame begins a frame whose size closeFrame fills in; at is where the frame begins.
func openFrame(b []byte, kind byte, channel uint16) (out []byte, at int) {
	at = len(b)
	return append(b, kind, byte(channel>>8), byte(channel), 0, 0, 0, 0), at
}

func closeFrame(b []byte, at int) []byte {
	be.PutUint32(b[at+3:], uint32(len(b)-at-frameStart))
	return append(b, frameEnd)
}

// appendAck is basic.ack (60,80).
func appendAck(b []byte, channel uint16, tag uint64, multiple bool) []byte {
	b, at := openFrame(b, frameMethod, channel)
	b = be.AppendUint32(b, basicAck)
	b = be.AppendUint64(b, tag)
	return closeFrame(append(b, bit(multiple)), at)
}

// appendReject is basic.reject (60,90).
func appendReject(b []byte, channel uint16, tag uint64, requeue bool) []byte {
	b, at := openFrame(b, frameMethod, channel)
	b = be.AppendUint32(b, basicReject)
	b = be.AppendUint64(b, tag)
	return closeFrame(append(b, bit(requeue)), at)
}

// appendCount is a passive queue.declare (50,10).
func appendCount(b []byte, channel uint16, queue string) []byte {
	b, at := openFrame(b, frameMethod, channel)
	b = be.AppendUint32(b, queueDeclare)
	b = appendShortstr(be.AppendUint16(b, 0), queue)
	return closeFrame(append(b, 1|2, 0, 0, 0, 0), at) // passive and durable, no arguments
}

// appendQos is basic.qos (60,10) for consumers that the channel may get.
func appendQos(b []byte, channel uint16, prefetch int) []byte {
	b, at := openFrame(b, frameMethod, channel)
	b = be.AppendUint32(b, basicQos)
	b = be.AppendUint32(b, 0)
	return closeFrame(append(be.AppendUint16(b, uint16(prefetch)), 0), at)
}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// encoder writes the records of one publishing session: for most of them it copies a template of both frames before the body, and sets
// the body's size and, with an AppID, the sequence. Not safe for concurrent use.
type encoder struct {
	channel uint16
	chunk   int // the largest payload of a frame
	config  *broker.PublisherConfig

	method   []byte // the frame of basic.publish (60,40)
	template []byte // that and the content header
	sizeAt   int    // where the body's size is in the template
	digits   int    // how many the template's message_id has
	idAt     int    // where they are
}

func newEncoder(channel uint16, maxFrame int, config *broker.PublisherConfig) *encoder {
	e := &encoder{channel: channel, chunk: maxFrame - frameRest, config: config}
	m, at := openFrame(nil, frameMethod, channel)
	m = be.AppendUint32(m, basicPublish)
	m = be.AppendUint16(m, 0)
	m = appendShortstr(m, config.Exchange)
	m = appendShortstr(m, config.RoutingKey)
	e.method = closeFrame(append(m, 1), at) // mandatory
	e.rebuild(1)
	return e
}

// rebuild makes the template for sequences of so many digits.
func (e *encoder) rebuild(digits int) {
	e.digits = digits
	zeros := "00000000000000000000"[:digits]
	p := broker.Properties{ContentEncoding: e.config.ContentEncoding}
	if e.config.AppID != "" {
		p.AppID, p.MessageID = e.config.AppID, zeros
	}
	e.template = append(e.template[:0], e.method...)
	e.sizeAt = len(e.template) + frameStart + 4
	e.template = appendHeader(e.template, e.channel, 0, &p)
	// app_id is the header's last property, message_id the one before it
	e.idAt = len(e.template) - 1 - (1 + len(e.config.AppID)) - digits
}

// appendHeader is a content header: class, weight, size of the body, flags, properties.
func appendHeader(b []byte, channel uint16, size int, p *broker.Properties) []byte {
	b, at := openFrame(b, frameHeader, channel)
	b = append(b, 0, 60, 0, 0)
	b = be.AppendUint64(b, uint64(size))
	flagsAt := len(b)
	b = append(b, 0, 0)
	flags := uint16(flagDeliveryMode)
	if p.ContentEncoding != "" {
		flags |= flagContentEncoding
		b = appendShortstr(b, p.ContentEncoding)
	}
	if len(p.Headers) > 0 {
		flags |= flagHeaders
		b = appendTable(b, p.Headers)
	}
	b = append(b, persistent)
	if p.MessageID != "" {
		flags |= flagMessageID
		b = appendShortstr(b, p.MessageID)
	}
	if p.AppID != "" {
		flags |= flagAppID
		b = appendShortstr(b, p.AppID)
	}
	be.PutUint16(b[flagsAt:], flags)
	return closeFrame(b, at)
}

func appendTable(b []byte, headers []broker.Header) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, h := range headers {
		b = append(appendShortstr(b, h.Key), 'S')
		b = be.AppendUint32(b, uint32(len(h.Value)))
		b = append(b, h.Value...)
	}
	be.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// appendRecords writes records with consecutive sequences. It does not allocate where records have no properties of their own.
func (e *encoder) appendRecords(b []byte, first uint64, records []broker.Record) []byte {
	for i := range records {
		if p := records[i].Properties; p == nil {
			b = e.appendTemplate(b, first+uint64(i), len(records[i].Body))
		} else {
			b = e.appendOwn(b, first+uint64(i), len(records[i].Body), p)
		}
		b = e.appendBody(b, records[i].Body)
	}
	return b
}

func (e *encoder) appendTemplate(b []byte, sequence uint64, size int) []byte {
	if e.config.AppID == "" {
		at := len(b)
		b = append(b, e.template...)
		be.PutUint64(b[at+e.sizeAt:], uint64(size))
		return b
	}
	var number [20]byte
	text := strconv.AppendUint(number[:0], sequence, 10)
	if len(text) != e.digits {
		e.rebuild(len(text))
	}
	at := len(b)
	b = append(b, e.template...)
	be.PutUint64(b[at+e.sizeAt:], uint64(size))
	copy(b[at+e.idAt:], text)
	return b
}

// appendOwn writes the method and the header of a record that has properties of its own.
func (e *encoder) appendOwn(b []byte, sequence uint64, size int, own *broker.Properties) []byte {
	p := *own
	if p.ContentEncoding == "" {
		p.ContentEncoding = e.config.ContentEncoding
	}
	if e.config.AppID != "" {
		p.AppID, p.MessageID = e.config.AppID, strconv.FormatUint(sequence, 10)
	}
	return appendHeader(append(b, e.method...), e.channel, size, &p)
}

func (e *encoder) appendBody(b, body []byte) []byte {
	for len(body) > 0 {
		n := min(len(body), e.chunk)
		var at int
		b, at = openFrame(b, frameBody, e.channel)
		b = closeFrame(append(b, body[:n]...), at)
		body = body[n:]
	}
	return b
}

// size is about how many bytes a record takes.
func (e *encoder) size(r *broker.Record) int { return len(e.template) + frameRest + len(r.Body) }

// checkProperties says what of a record's properties cannot be encoded.
func checkProperties(p *broker.Properties, maxFrame int) error {
	total := 0
	for _, s := range []string{p.ContentEncoding, p.AppID, p.MessageID} {
		if len(s) > 255 {
			return misuse("publish", "a property of %d bytes: 255 are possible", len(s))
		}
		total += len(s)
	}
	for _, h := range p.Headers {
		if len(h.Key) > 255 {
			return misuse("publish", "a header's key of %d bytes: 255 are possible", len(h.Key))
		}
		total += len(h.Key) + len(h.Value) + 6
	}
	if limit := maxFrame - 1024; total > limit {
		return misuse("publish", "properties of %d bytes: %d are possible", total, limit)
	}
	return nil
}
