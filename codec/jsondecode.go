package codec

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// jsonDecoder prints a body that check has passed as JSON, so it looks at no bounds again. What reading needs stays in a
// walk.
type jsonDecoder struct {
	in  walk
	out []byte
}

func (j *jsonDecoder) value(n *node) *Error {
	switch n.kind {
	case kindNull:
		j.out = append(j.out, "null"...)
	case kindBoolean:
		j.out = strconv.AppendBool(j.out, j.take(1)[0] == 1)
	case kindInt, kindLong:
		j.out = strconv.AppendInt(j.out, j.long(), 10)
	case kindFloat:
		j.float(float64(math.Float32frombits(binary.LittleEndian.Uint32(j.take(4)))), 32)
	case kindDouble:
		j.float(math.Float64frombits(binary.LittleEndian.Uint64(j.take(8))), 64)
	case kindString:
		j.out = appendQuoted(j.out, j.take(j.long()))
	case kindBytes:
		return j.bytes(n, j.take(j.long()))
	case kindFixed:
		return j.bytes(n, j.take(int64(n.size)))
	case kindEnum:
		j.out = append(append(append(j.out, '"'), n.symbols[j.long()]...), '"')
	case kindUnion:
		return j.value(n.union[j.long()])
	case kindArray:
		return j.blocks(n, '[', ']')
	case kindMap:
		return j.blocks(n, '{', '}')
	case kindRecord:
		return j.record(n)
	}
	return nil
}

// long reads an int or a long: they look the same.
func (j *jsonDecoder) long() int64 {
	v, n := binary.Varint(j.in.body[j.in.pos:])
	j.in.pos += n
	return v
}

func (j *jsonDecoder) take(n int64) []byte {
	j.in.pos += int(n)
	return j.in.body[j.in.pos-int(n) : j.in.pos]
}

func (j *jsonDecoder) float(v float64, bits int) {
	switch {
	case math.IsNaN(v):
		j.out = append(j.out, `"NaN"`...)
	case math.IsInf(v, 1):
		j.out = append(j.out, `"Infinity"`...)
	case math.IsInf(v, -1):
		j.out = append(j.out, `"-Infinity"`...)
	default:
		j.out = appendFloat(j.out, v, bits)
	}
}

// maxDecimal is the longest decimal that is printed, in bytes: printing takes time that grows faster than the length.
const maxDecimal = 4096

func (j *jsonDecoder) bytes(n *node, b []byte) *Error {
	j.out = append(j.out, '"')
	if n.prec > 0 {
		if len(b) > maxDecimal {
			return decodeError(ErrTooLarge, j.in.pos-len(b), "a decimal of %d bytes, at most %d", len(b), maxDecimal)
		}
		j.out = appendDecimal(j.out, fromTwosComplement(b), n.scale)
	} else {
		j.out = base64.StdEncoding.AppendEncode(j.out, b)
	}
	j.out = append(j.out, '"')
	return nil
}

func (j *jsonDecoder) blocks(n *node, open, closing byte) *Error {
	j.out = append(j.out, open)
	for done := int64(0); ; {
		count := j.long()
		if count == 0 {
			break
		}
		if count < 0 {
			count = -count
			j.long() // the block's size
		}
		for range count {
			if done > 0 {
				j.out = append(j.out, ',')
			}
			var key []byte
			if n.kind == kindMap {
				key = j.take(j.long())
				j.out = append(appendQuoted(j.out, key), ':')
			}
			if e := j.value(n.items); e != nil {
				if n.kind == kindMap {
					return e.inKey(string(key))
				}
				return e.inItem(int(done))
			}
			done++
		}
	}
	j.out = append(j.out, closing)
	return nil
}

func (j *jsonDecoder) record(n *node) *Error {
	j.out = append(j.out, '{')
	for i := range n.fields {
		if i > 0 {
			j.out = append(j.out, ',')
		}
		j.out = append(append(append(j.out, '"'), n.fields[i].name...), '"', ':')
		if e := j.value(n.fields[i].node); e != nil {
			return e.inField(n.fields[i].name)
		}
	}
	j.out = append(j.out, '}')
	return nil
}
