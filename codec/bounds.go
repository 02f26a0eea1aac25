package codec

import (
	"math"
	"unicode/utf8"
)

// check walks a body against the schema, within the limits. A nil answer means that the body is exactly one value of the
// schema, that every count and size in it is true, and that whoever decodes it allocates no more than a constant times
// its length plus the limits. It allocates nothing but its error, and its work is linear in the body's length.
//
// Stricter than the letter of the specification: strings and map keys must be UTF-8 (Go and Python both need it), a
// boolean must be 0 or 1, a time-micros must fit a time.Duration (the library would wrap it), a block's size must be what its items take, and integers take at most 5 (int, branch, symbol) or
// 10 (long, count, length) bytes. Numbers with needless leading groups are let pass, as everywhere.
func (n *node) check(body []byte, lim *Limits) *Error {
	if len(body) > lim.MaxBody {
		return decodeError(ErrTooLarge, -1, "%d bytes, at most %d", len(body), lim.MaxBody).under(n)
	}
	if n.fast.end(body, lim) == len(body) { // nearly always
		return nil
	}
	w := walk{body: body, lim: lim}
	if e := w.value(n, 0); e != nil {
		return e.under(n)
	}
	if w.pos < len(body) {
		return decodeError(ErrTrailing, w.pos, "%d bytes after the end", len(body)-w.pos).under(n)
	}
	return nil
}

type walk struct {
	body    []byte
	pos     int
	items   int // array items and map entries so far
	empties int // values without bytes, in arrays, so far
	lim     *Limits
}

func (w *walk) left() int { return len(w.body) - w.pos }

func (w *walk) value(n *node, depth int) *Error {
	switch n.kind {
	case kindNull:
		return nil
	case kindBoolean:
		return w.boolean()
	case kindInt:
		_, e := w.int()
		return e
	case kindLong:
		start := w.pos
		v, e := w.long()
		if e == nil && n.nanos && (v > math.MaxInt64/1000 || v < math.MinInt64/1000) {
			return decodeError(ErrInvalid, start, "a time of %d µs", v)
		}
		return e
	case kindFloat, kindDouble, kindFixed:
		return w.skip(n.min)
	case kindString:
		_, e := w.text()
		return e
	case kindBytes:
		_, e := w.bytes()
		return e
	case kindEnum:
		return w.choice(len(n.symbols), "symbol")
	case kindUnion:
		return w.branch(n, depth)
	case kindRecord:
		return w.record(n, depth+1)
	case kindArray, kindMap:
		return w.blocks(n, depth+1)
	}
	panic("codec: a kind without a walk")
}

func (w *walk) record(n *node, depth int) *Error {
	if depth > w.lim.MaxDepth {
		return w.tooDeep()
	}
	for i, f := range n.nodes {
		if e := w.value(f, depth); e != nil {
			return e.inField(n.fields[i].name)
		}
	}
	return nil
}

func (w *walk) branch(n *node, depth int) *Error {
	start := w.pos
	i, e := w.int()
	if e != nil {
		return e
	}
	if i < 0 || int(i) >= len(n.union) {
		return decodeError(ErrInvalid, start, "branch %d of a union of %d", i, len(n.union))
	}
	return w.value(n.union[i], depth)
}

func (w *walk) choice(of int, what string) *Error {
	start := w.pos
	i, e := w.int()
	if e == nil && (i < 0 || int(i) >= of) {
		return decodeError(ErrInvalid, start, "%s %d of %d", what, i, of)
	}
	return e
}

// blocks walks an array or a map: blocks of items, each headed by its count, until a count of 0.
func (w *walk) blocks(n *node, depth int) *Error {
	if depth > w.lim.MaxDepth {
		return w.tooDeep()
	}
	for done := 0; ; {
		count, size, e := w.blockHeader(n)
		if e != nil || count == 0 {
			return e
		}
		start := w.pos
		if n.kind == kindMap || n.items.min > 0 {
			if e := w.run(n, done, count, depth); e != nil {
				return e
			}
		}
		if size >= 0 && w.pos-start != size {
			return decodeError(ErrInvalid, start, "a block of %d bytes says it has %d", w.pos-start, size)
		}
		done += count
	}
}

// run walks the items of one block, the first of which has the index first.
func (w *walk) run(n *node, first, count, depth int) *Error {
	for i := range count {
		if n.kind == kindMap {
			key, e := w.text()
			if e != nil {
				return e
			}
			if e := w.value(n.items, depth); e != nil {
				return e.inKey(string(key))
			}
			continue
		}
		if e := w.value(n.items, depth); e != nil {
			return e.inItem(first + i)
		}
	}
	return nil
}

// blockHeader reads a block's count and, after a negative one, its size in bytes; the size is −1 if there is none.
func (w *walk) blockHeader(n *node) (count, size int, e *Error) {
	start := w.pos
	c, e := w.long()
	if e != nil {
		return 0, 0, e
	}
	size = -1
	if c < 0 {
		s, e := w.long()
		if e != nil {
			return 0, 0, e
		}
		if s < 0 {
			return 0, 0, decodeError(ErrInvalid, start, "a block of %d bytes", s)
		}
		if s > int64(w.left()) {
			return 0, 0, decodeError(ErrTruncated, start, "a block of %d bytes, %d left", s, w.left())
		}
		if c == math.MinInt64 {
			return 0, 0, decodeError(ErrInvalid, start, "a block of 2^63 items")
		}
		c, size = -c, int(s)
	}
	return int(c), size, w.admit(n, c, start)
}

// admit holds a block's count against the limits and the bytes that are left.
func (w *walk) admit(n *node, count int64, start int) *Error {
	if count > int64(w.lim.MaxItems-w.items) {
		return decodeError(ErrTooLarge, start, "%d more items, at most %d in a body", count, w.lim.MaxItems)
	}
	w.items += int(count)
	least := n.items.min
	if n.kind == kindMap {
		least++ // the key's length
	}
	if least > 0 {
		if count > int64(w.left()/least) {
			return decodeError(ErrTruncated, start, "%d items of at least %d bytes, %d left", count, least, w.left())
		}
		return nil
	}
	if count > int64((w.lim.MaxEmpty-w.empties)/n.items.empties) {
		return decodeError(ErrTooLarge, start, "%d more items without bytes, at most %d values in a body", count, w.lim.MaxEmpty)
	}
	w.empties += int(count) * n.items.empties
	return nil
}

func (w *walk) boolean() *Error {
	if w.pos == len(w.body) {
		return decodeError(ErrTruncated, w.pos, "a boolean, 0 bytes left")
	}
	if b := w.body[w.pos]; b > 1 {
		return decodeError(ErrInvalid, w.pos, "a boolean of %d", b)
	}
	w.pos++
	return nil
}

func (w *walk) text() ([]byte, *Error) {
	start := w.pos
	b, e := w.bytes()
	if e == nil && !utf8.Valid(b) {
		e = decodeError(ErrInvalid, start, "a string that is not UTF-8")
	}
	return b, e
}

func (w *walk) bytes() ([]byte, *Error) {
	start := w.pos
	n, e := w.long()
	if e != nil {
		return nil, e
	}
	if n < 0 {
		return nil, decodeError(ErrInvalid, start, "a length of %d", n)
	}
	if n > int64(w.left()) {
		return nil, decodeError(ErrTruncated, start, "a length of %d, %d bytes left", n, w.left())
	}
	w.pos += int(n)
	return w.body[w.pos-int(n) : w.pos], nil
}

func (w *walk) int() (int32, *Error) {
	start := w.pos
	v, e := w.varint(5)
	if e != nil {
		return 0, e
	}
	if v > math.MaxUint32 {
		return 0, decodeError(ErrInvalid, start, "an int of more than 32 bits")
	}
	return int32(uint32(v)>>1) ^ -int32(v&1), nil
}

func (w *walk) long() (int64, *Error) {
	v, e := w.varint(10)
	return int64(v>>1) ^ -int64(v&1), e
}

// varint reads an unsigned number of at most 64 bits in at most so many bytes.
func (w *walk) varint(most int) (uint64, *Error) {
	if w.pos < len(w.body) && w.body[w.pos] < 0x80 { // nearly all of them
		w.pos++
		return uint64(w.body[w.pos-1]), nil
	}
	var v uint64
	for i, b := range w.body[w.pos:min(w.pos+most, len(w.body))] {
		if i == 9 && b > 1 {
			return 0, decodeError(ErrInvalid, w.pos, "a number of more than 64 bits")
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			w.pos += i + 1
			return v, nil
		}
	}
	if w.left() < most {
		return 0, decodeError(ErrTruncated, w.pos, "a number, %d bytes left", w.left())
	}
	return 0, decodeError(ErrInvalid, w.pos, "a number of more than %d bytes", most)
}

// skip passes over a value whose size the schema gives.
func (w *walk) skip(n int) *Error {
	if n > w.left() {
		return decodeError(ErrTruncated, w.pos, "a value of %d bytes, %d left", n, w.left())
	}
	w.pos += n
	return nil
}

func (w *walk) tooDeep() *Error {
	return decodeError(ErrTooDeep, w.pos, "more than %d levels", w.lim.MaxDepth)
}
