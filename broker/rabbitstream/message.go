package rabbitstream

import (
	"encoding/binary"
	"strconv"

	"github.com/d2e2d648/weir/broker"
)

// Type codes and sections of AMQP 1.0, in which streams keep records.
const (
	typeDescribed                 = 0x00
	typeNull                      = 0x40
	typeULong0                    = 0x44
	typeSmallULong, typeULong     = 0x53, 0x80
	typeUUID                      = 0x98
	typeBinary8, typeBinary32     = 0xa0, 0xb0
	typeString8, typeString32     = 0xa1, 0xb1
	typeSymbol8, typeSymbol32     = 0xa3, 0xb3
	typeList8, typeList32         = 0xc0, 0xd0
	typeMap8, typeMap32           = 0xc1, 0xd1
	sectionProperties, sectionOwn = 0x73, 0x74
	sectionData                   = 0x75
	fieldEncoding, fieldGroup     = 7, 10
	fieldID                       = 0
)

// encoder encodes the records of a session. RabbitMQ 4 takes the AMQP 0-9-1 property app_id for group-id, and so does this.
type encoder struct {
	appID, contentEncoding string
	scratch                []byte
}

// most is how long the record becomes at most.
func (e *encoder) most(r *broker.Record) int {
	const beside = 64 // sizes, types and nulls, and a sequence
	n := beside + len(r.Body) + len(e.appID) + len(e.contentEncoding)
	if p := r.Properties; p != nil {
		n += len(p.AppID) + len(p.MessageID) + len(p.ContentEncoding)
		for _, h := range p.Headers {
			n += 10 + len(h.Key) + len(h.Value)
		}
	}
	return n
}

func (e *encoder) append(b []byte, sequence uint64, r *broker.Record) []byte {
	var p broker.Properties
	if r.Properties != nil {
		p = *r.Properties
	}
	if e.appID != "" {
		p.AppID = e.appID
	}
	if p.ContentEncoding == "" {
		p.ContentEncoding = e.contentEncoding
	}
	if p.AppID != "" || p.MessageID != "" || p.ContentEncoding != "" {
		b = e.appendProperties(b, sequence, &p)
	}
	if len(p.Headers) > 0 {
		b = e.appendHeaders(b, p.Headers)
	}
	b = append(b, 0, typeSmallULong, sectionData)
	b = appendSized(b, typeBinary8, typeBinary32, len(r.Body))
	return append(b, r.Body...)
}

func (e *encoder) appendProperties(b []byte, sequence uint64, p *broker.Properties) []byte {
	f, n := e.scratch[:0], 1
	switch {
	case e.appID != "":
		var digits [20]byte
		number := strconv.AppendUint(digits[:0], sequence, 10)
		f = append(appendSized(f, typeString8, typeString32, len(number)), number...)
	case p.MessageID != "":
		f = append(appendSized(f, typeString8, typeString32, len(p.MessageID)), p.MessageID...)
	default:
		f = append(f, typeNull)
	}
	if p.ContentEncoding != "" {
		f, n = appendNulls(f, n, fieldEncoding)
		f = append(appendSized(f, typeSymbol8, typeSymbol32, len(p.ContentEncoding)), p.ContentEncoding...)
		n++
	}
	if p.AppID != "" {
		f, n = appendNulls(f, n, fieldGroup)
		f = append(appendSized(f, typeString8, typeString32, len(p.AppID)), p.AppID...)
		n++
	}
	e.scratch = f
	return appendCompound(append(b, 0, typeSmallULong, sectionProperties), typeList8, typeList32, n, f)
}

// appendNulls are the fields from n to before the one that comes.
func appendNulls(b []byte, n, next int) ([]byte, int) {
	for ; n < next; n++ {
		b = append(b, typeNull)
	}
	return b, n
}

func (e *encoder) appendHeaders(b []byte, headers []broker.Header) []byte {
	f := e.scratch[:0]
	for _, h := range headers {
		f = append(appendSized(f, typeString8, typeString32, len(h.Key)), h.Key...)
		f = append(appendSized(f, typeString8, typeString32, len(h.Value)), h.Value...)
	}
	e.scratch = f
	return appendCompound(append(b, 0, typeSmallULong, sectionOwn), typeMap8, typeMap32, 2*len(headers), f)
}

// appendSized writes the type and the size of what comes.
func appendSized(b []byte, small, large byte, n int) []byte {
	if n < 256 {
		return append(b, small, byte(n))
	}
	return binary.BigEndian.AppendUint32(append(b, large), uint32(n))
}

func appendCompound(b []byte, small, large byte, count int, content []byte) []byte {
	if count < 256 && len(content) < 255 { // the size is that of the count, too
		return append(append(b, small, byte(len(content)+1), byte(count)), content...)
	}
	b = binary.BigEndian.AppendUint32(append(b, large), uint32(len(content)+4))
	return append(binary.BigEndian.AppendUint32(b, uint32(count)), content...)
}
