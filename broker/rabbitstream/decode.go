package rabbitstream

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/d2e2d648/weir/broker"
)

// decode gives a record's body, and its properties if they are asked for. It walks the sections of an AMQP 1.0 message and skips by its size all that it does not need: who may write to the stream
// decides what is there. Of a message that makes no sense it gives what it has come to; where that is no body, the message itself is the body, so that whoever gets it can see what it was.
func decode(m []byte, properties bool) (body []byte, p *broker.Properties) {
	body, p = walk(m, properties)
	if p != nil {
		slices.SortStableFunc(p.Headers, func(a, b broker.Header) int { return strings.Compare(a.Key, b.Key) })
	}
	return body, p
}

func walk(m []byte, properties bool) (body []byte, p *broker.Properties) {
	for rest := m; len(rest) > 0; {
		section, v, behind, ok := cutSection(rest)
		switch {
		case !ok && body == nil:
			return m[:len(m):len(m)], p
		case !ok:
			return body, p
		case section == sectionData && body == nil:
			body = v.content[:len(v.content):len(v.content)]
		case section == sectionData: // a message may have it in several
			body = append(body, v.content...)
		case section == sectionProperties && properties:
			p = orNew(p)
			takeProperties(p, v)
		case section == sectionOwn && properties:
			p = orNew(p)
			takeHeaders(p, v)
		}
		rest = behind
	}
	return body, p
}

func orNew(p *broker.Properties) *broker.Properties {
	if p == nil {
		return &broker.Properties{}
	}
	return p
}

// cutSection cuts off the first section: a value that a number describes.
func cutSection(b []byte) (section byte, v value, rest []byte, ok bool) {
	if len(b) < 4 || b[0] != typeDescribed {
		return 0, v, nil, false
	}
	if b[1] == typeSmallULong {
		section, b = b[2], b[3:]
	} else {
		var number value
		if number, b, ok = cutValue(b[1:]); !ok || number.kind != typeULong {
			return 0, v, nil, false
		}
		section = uint8(min(binary.BigEndian.Uint64(number.content), 0xff))
	}
	if v, rest, ok = cutValue(b); ok && section == sectionData {
		ok = v.kind == typeBinary8 || v.kind == typeBinary32
	}
	return section, v, rest, ok
}

func takeProperties(p *broker.Properties, v value) {
	n := 0
	v.each(func(v value) {
		switch n++; n - 1 {
		case fieldID:
			p.MessageID = v.id()
		case fieldEncoding:
			p.ContentEncoding, _ = v.text()
		case fieldGroup:
			p.AppID, _ = v.text()
		}
	})
}

// olderAppID is where RabbitMQ 3.10 keeps app_id of what was published over AMQP 0-9-1.
const olderAppID = "x-basic-app-id"

// takeHeaders takes the pairs that are text.
func takeHeaders(p *broker.Properties, v value) {
	var key string
	var keyed, named bool // a key is there, and it is text
	v.each(func(v value) {
		text, is := v.text()
		if keyed = !keyed; keyed {
			key, named = text, is
			return
		}
		switch {
		case !named || !is:
		case key == olderAppID:
			p.AppID = text
		default:
			p.Headers = append(p.Headers, broker.Header{Key: key, Value: text})
		}
	})
}

// value is one of AMQP 1.0: its type code, and what is behind that, or behind its size.
type value struct {
	kind    byte
	content []byte
}

// cutValue cuts off the first value. One that is described counts as nothing: it is skipped with its description.
func cutValue(b []byte) (v value, rest []byte, ok bool) {
	if len(b) == 0 {
		return v, nil, false
	}
	v.kind, b = b[0], b[1:]
	if v.kind == typeDescribed {
		rest, ok = skipValues(b, 2)
		return value{kind: typeNull}, rest, ok
	}
	n, head := 0, 0
	switch kind := v.kind >> 4; {
	case kind < 0x4:
		return v, nil, false
	case kind == 0x4:
	case kind < 0xa:
		n = 1 << (kind - 5)
	case kind&1 == 0 && len(b) > 0:
		n, head = int(b[0]), 1
	case kind&1 == 1 && len(b) >= 4:
		n, head = int(binary.BigEndian.Uint32(b)), 4
	default:
		return v, nil, false
	}
	if b = b[head:]; uint(n) > uint(len(b)) { // where an int has 32 bits, n may be below 0
		return v, nil, false
	}
	v.content = b[:n]
	return v, b[n:], true
}

// skipValues skips n, and those within the described ones.
func skipValues(b []byte, n int) (rest []byte, ok bool) {
	for ; n > 0; n-- {
		if len(b) > 0 && b[0] == typeDescribed {
			b, n = b[1:], n+2
		} else if _, b, ok = cutValue(b); !ok {
			return nil, false
		}
	}
	return b, true
}

// each calls do for each value of a list or map, as many as it says and has.
func (v value) each(do func(value)) {
	f := fields{b: v.content}
	var n int
	switch v.kind {
	case typeList8, typeMap8:
		n = int(f.u8())
	case typeList32, typeMap32:
		n = int(f.u32())
	}
	for ; n > 0 && len(f.b) > 0; n-- {
		v, rest, ok := cutValue(f.b)
		if !ok {
			return
		}
		do(v)
		f.b = rest
	}
}

// text is a string's or a symbol's.
func (v value) text() (s string, is bool) {
	switch v.kind {
	case typeString8, typeString32, typeSymbol8, typeSymbol32:
		return string(v.content), true
	}
	return "", false
}

// id is a message-id of any of its types; a number in decimal, a UUID in its usual form.
func (v value) id() string {
	switch c := v.content; v.kind {
	case typeULong0:
		return "0"
	case typeSmallULong:
		return strconv.Itoa(int(c[0]))
	case typeULong:
		return strconv.FormatUint(binary.BigEndian.Uint64(c), 10)
	case typeUUID:
		return fmt.Sprintf("%x-%x-%x-%x-%x", c[:4], c[4:6], c[6:8], c[8:10], c[10:])
	case typeBinary8, typeBinary32:
		return string(c)
	}
	s, _ := v.text()
	return s
}
