package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// run is the fast walk of one body.
type run struct {
	body  []byte
	items int // array items and map entries that may still come
	depth int // levels that there may be
}

// end is where the value that begins the body ends, or −1 if that is for the walk to say, as it is of a type that was not
// compiled.
func (p *program) end(body []byte, lim *Limits) int {
	if p == nil {
		return -1
	}
	r := run{body, lim.MaxItems, lim.MaxDepth}
	return r.steps(p, 0, 0, 1)
}

// steps passes over so many values, one behind the other from pos on, and gives their end, or −1. Its first lines are for
// the commonest case of each op, as they are most of all the time that the walk takes.
func (r *run) steps(p *program, pos, depth, count int) int {
	if depth+p.levels > r.depth {
		return -1
	}
	body, steps := r.body, p.steps
	for ; count > 0; count-- {
		for i := range steps {
			s := &steps[i]
		value:
			switch s.op {
			case opSkip:
				if int(s.size) > len(body)-pos {
					return -1
				}
				pos += int(s.size)
			case opInt:
				if pos < len(body) && body[pos] < 0x80 {
					pos++
				} else if pos+1 < len(body) && body[pos+1] < 0x80 {
					pos += 2
				} else if pos = endOfInt(body, pos); pos < 0 {
					return -1
				}
			case opLong:
				if pos < len(body) && body[pos] < 0x80 {
					pos++
				} else if pos = endOfLong(body, pos); pos < 0 {
					return -1
				}
			case opText:
				if pos >= len(body) {
					return -1
				}
				size, start := int(body[pos]>>1), pos+1
				if body[pos]&0x81 != 0 || size > len(body)-start {
					if pos = endOfText(body, pos); pos < 0 {
						return -1
					}
					continue
				}
				pos = start + size
				var all uint64
				switch {
				case size >= 8:
					for at := start; pos-at > 8; at += 8 {
						all |= binary.LittleEndian.Uint64(body[at:])
					}
					all |= binary.LittleEndian.Uint64(body[pos-8:])
				case pos >= 8:
					all = binary.LittleEndian.Uint64(body[pos-8:]) >> (64 - 8*uint(size))
				default:
					all = highBits
				}
				if all&highBits != 0 && !utf8.Valid(body[start:pos]) {
					return -1
				}
			case opBoolean:
				if pos >= len(body) || body[pos] > 1 {
					return -1
				}
				pos++
			case opUnion:
				var which int
				if pos < len(body) && body[pos]&0x81 == 0 {
					which = int(body[pos] >> 1)
					pos++
				} else if which, pos = choice(body, pos); pos < 0 {
					return -1
				}
				if which >= len(s.calls.steps) {
					return -1
				}
				s = &s.calls.steps[which]
				goto value
			case opBlocks:
				if pos = r.blocks(s, pos, depth); pos < 0 {
					return -1
				}
			case opCall:
				if pos = r.steps(s.calls, pos, depth+int(s.level), 1); pos < 0 {
					return -1
				}
			case opBytes:
				size, start := length(body, pos)
				if start < 0 {
					return -1
				}
				pos = start + size
			case opEnum:
				var which int
				if which, pos = choice(body, pos); pos < 0 || which >= int(s.size) {
					return -1
				}
			case opNanos:
				if pos = endOfNanos(body, pos); pos < 0 {
					return -1
				}
			case opNull:
			}
		}
	}
	return pos
}

// blocks passes over an array or a map.
func (r *run) blocks(s *step, pos, depth int) int {
	for {
		if pos < len(r.body) && r.body[pos] == 0 {
			return pos + 1
		}
		head, start := number(r.body, pos)
		if start < 0 || head == 0 {
			return start
		}
		count, size := head>>1, -1
		if head&1 != 0 { // a negative count, and a size behind it
			count++
			if size, start = length(r.body, start); start < 0 {
				return -1
			}
		}
		if count > uint64(r.items) || s.calls == nil {
			return -1
		}
		r.items -= int(count)
		if pos = r.block(s, start, depth, int(count)); pos < 0 || size >= 0 && pos-start != size {
			return -1
		}
	}
}

// block passes over the items of one block.
func (r *run) block(s *step, pos, depth, count int) int {
	if depth+int(s.level)+s.calls.levels > r.depth { // an item may be a record of one number
		return -1
	}
	switch s.each {
	case opSkip:
		if count > (len(r.body)-pos)/int(s.size) {
			return -1
		}
		return pos + count*int(s.size)
	case opInt, opLong:
		return endOfNumbers(r.body, pos, count, s.each)
	}
	return r.steps(s.calls, pos, depth+int(s.level), count)
}

// number reads the unsigned number at pos: at most 64 bits in at most 10 bytes. Of all of these the end is −1 if there is no
// such thing.
func number(body []byte, pos int) (v uint64, end int) {
	if pos < len(body) && body[pos] < 0x80 {
		return uint64(body[pos]), pos + 1
	}
	v, size := binary.Uvarint(body[pos:])
	if size <= 0 {
		return 0, -1
	}
	return v, pos + size
}

// choice reads the branch or the symbol at pos, an int.
func choice(body []byte, pos int) (which, end int) {
	v, end := number(body, pos)
	if v&1 != 0 || v > math.MaxUint32 || end-pos > 5 {
		return 0, -1
	}
	return int(v >> 1), end
}

// length reads the length at pos, of what follows it.
func length(body []byte, pos int) (size, start int) {
	v, start := number(body, pos)
	if v&1 != 0 || start >= 0 && v>>1 > uint64(len(body)-start) {
		return 0, -1
	}
	return int(v >> 1), start
}

func endOfInt(body []byte, pos int) int {
	v, end := number(body, pos)
	if v > math.MaxUint32 || end-pos > 5 {
		return -1
	}
	return end
}

func endOfLong(body []byte, pos int) int {
	if len(body)-pos >= 8 {
		if last := ^binary.LittleEndian.Uint64(body[pos:]) & highBits; last != 0 {
			return pos + bits.TrailingZeros64(last)/8 + 1
		}
	}
	_, end := number(body, pos)
	return end
}

func endOfNanos(body []byte, pos int) int {
	v, end := number(body, pos)
	if i := int64(v>>1) ^ -int64(v&1); i > math.MaxInt64/1000 || i < math.MinInt64/1000 {
		return -1
	}
	return end
}

// endOfNumbers passes over so many ints or longs. It counts the ends of numbers in eight bytes at once, as long as the
// numbers are so short that nothing can be wrong with them, and looks at what else there is one by one.
func endOfNumbers(body []byte, pos, count int, op op) int {
	short := 9 // bytes
	if op == opInt {
		short = 4
	}
	for ; count > 0; count-- {
		for at := pos; len(body)-at >= 8; {
			more := binary.LittleEndian.Uint64(body[at:]) & highBits // the bytes that are not the last of their number
			ends := more ^ highBits
			n := bits.OnesCount64(ends)
			if first := at - pos + bits.TrailingZeros64(ends)/8 + 1; n == 0 || n > count || first > short {
				break
			}
			if more &= more >> 8; op == opInt && more&(more>>16) != 0 { // four on end
				break
			}
			count -= n
			at += 8
			pos = at - bits.LeadingZeros64(ends)/8
		}
		if count == 0 {
			break
		}
		if op == opLong {
			pos = endOfLong(body, pos)
		} else {
			pos = endOfInt(body, pos)
		}
		if pos < 0 {
			return -1
		}
	}
	return pos
}

func endOfText(body []byte, pos int) int {
	size, start := length(body, pos)
	if start < 0 || !utf8.Valid(body[start:start+size]) {
		return -1
	}
	return start + size
}

// highBits are those that no ASCII has.
const highBits = 0x8080808080808080
