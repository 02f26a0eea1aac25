package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// jsonEncoder encodes the tokens of one JSON text as Avro.
type jsonEncoder struct {
	src    []byte
	tokens []token
	lim    *Limits
	out    []byte
	text   []byte // the last string, without its escapes
	// defaults: the text is a schema's default, in which bytes are text of the code points 0 to 255 and a union is its
	// first branch.
	defaults bool
	// strict: inside a union of several branches, where a text that is taken for a date, or for a decimal in another
	// spelling, might have been meant for another branch, and would be printed as something else.
	strict bool
	// steps left. Trying branches that hold unions can take exponentially many.
	steps int
}

// stepsFor is far above what any text needs in which not most unions are tried in vain, at all levels.
func stepsFor(tokens int) int { return 1000 + 100*tokens }

func (j *jsonEncoder) slice(t token) []byte { return j.src[t.start:t.end] }

func (j *jsonEncoder) fail(t token, kind error, format string, args ...any) *Error {
	return &Error{Op: "encode", Offset: int(t.start), Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

func (j *jsonEncoder) mismatch(t token, n *node) *Error {
	return j.fail(t, ErrMismatch, "%s for %s", t.typ, n.describe())
}

// value appends the value that begins at token i, encoded as n.
func (j *jsonEncoder) value(n *node, i int32, depth int) *Error {
	t := j.tokens[i]
	if j.steps--; j.steps < 0 {
		return j.fail(t, ErrTooLarge, "too many branches to try")
	}
	switch n.kind {
	case kindNull:
		if t.typ != tokenNull {
			return j.mismatch(t, n)
		}
		return nil
	case kindBoolean:
		if t.typ != tokenTrue && t.typ != tokenFalse {
			return j.mismatch(t, n)
		}
		j.out = append(j.out, byte(t.typ-tokenFalse))
		return nil
	case kindInt, kindLong:
		return j.integer(n, t)
	case kindFloat, kindDouble:
		return j.float(n, t)
	case kindString, kindEnum:
		return j.string(n, t)
	case kindBytes, kindFixed:
		return j.bytes(n, t)
	case kindUnion:
		return j.union(n, i, depth)
	}
	if depth++; depth > j.lim.MaxDepth {
		return j.fail(t, ErrTooDeep, "more than %d levels", j.lim.MaxDepth)
	}
	switch n.kind {
	case kindArray:
		return j.array(n, i, depth)
	case kindMap:
		return j.mapping(n, i, depth)
	}
	return j.record(n, i, depth)
}

// union takes the first branch that fits. If none does, the error is the one from deepest inside: most likely what was
// meant.
func (j *jsonEncoder) union(n *node, i int32, depth int) *Error {
	branches := n.union
	if j.defaults {
		branches = branches[:1]
	}
	outer, mark := j.strict, len(j.out)
	j.strict = outer || n.several
	defer func() { j.strict = outer }()
	var last *Error
	for b, branch := range branches {
		j.out = binary.AppendVarint(j.out[:mark], int64(b))
		e := j.value(branch, i, depth)
		if e == nil || j.steps < 0 || errors.Is(e.Kind, ErrInvalid) { // what is no JSON object fits no other branch either
			return e
		}
		if last == nil || e.Offset >= last.Offset {
			last = e
		}
	}
	j.out = j.out[:mark]
	if t := j.tokens[i]; last.Offset == int(t.start) && len(branches) > 1 {
		return j.fail(t, ErrMismatch, "%s fits no branch of the union", t.typ)
	}
	return last
}

func (j *jsonEncoder) array(n *node, i int32, depth int) *Error {
	t := j.tokens[i]
	if t.typ != tokenArray {
		return j.mismatch(t, n)
	}
	count := 0
	for at := i + 1; at < t.next; at = j.tokens[at].next {
		count++
	}
	if count > 0 {
		j.out = binary.AppendVarint(j.out, int64(count))
	}
	at := i + 1
	for k := range count {
		if e := j.value(n.items, at, depth); e != nil {
			return e.inItem(k)
		}
		at = j.tokens[at].next
	}
	j.out = append(j.out, 0)
	return nil
}

func (j *jsonEncoder) mapping(n *node, i int32, depth int) *Error {
	t := j.tokens[i]
	if t.typ != tokenObject {
		return j.mismatch(t, n)
	}
	count := 0
	for at := i + 1; at < t.next; at = j.tokens[at+1].next {
		count++
	}
	if count > 0 {
		j.out = binary.AppendVarint(j.out, int64(count))
	}
	seen := make(map[string]struct{}, count)
	for at := i + 1; at < t.next; at = j.tokens[at+1].next {
		key := string(j.unquoted(j.tokens[at]))
		if _, twice := seen[key]; twice {
			return j.fail(j.tokens[at], ErrInvalid, "a key that was there before").inKey(key)
		}
		seen[key] = struct{}{}
		j.out = append(binary.AppendVarint(j.out, int64(len(key))), key...)
		if e := j.value(n.items, at+1, depth); e != nil {
			return e.inKey(key)
		}
	}
	j.out = append(j.out, 0)
	return nil
}

func (j *jsonEncoder) record(n *node, i int32, depth int) *Error {
	t := j.tokens[i]
	if t.typ != tokenObject {
		return j.mismatch(t, n)
	}
	var few [32]int32
	values := few[:0]
	if len(n.fields) > len(few) {
		values = make([]int32, 0, len(n.fields))
	}
	values = values[:len(n.fields)]
	if e := j.locate(n, i, values); e != nil {
		return e
	}
	for k := range n.fields {
		f := &n.fields[k]
		var e *Error
		switch {
		case values[k] > 0:
			e = j.value(f.node, values[k], depth)
		case !f.hasDef:
			e = j.fail(t, ErrMismatch, "missing, and there is no default")
		case j.defaults:
			// The schema's own defaults are being compiled: this one may not be yet.
			j.out, e = f.encodeDefault(j.out, j.lim, depth, &j.steps)
		default:
			j.out = append(j.out, f.def...)
		}
		if e != nil {
			return e.inField(f.name)
		}
	}
	return nil
}

// locate finds the token of each field's value, 0 for a field that is missing. Fields mostly come in the schema's order.
func (j *jsonEncoder) locate(n *node, i int32, values []int32) *Error {
	expected := 0
	for at := i + 1; at < j.tokens[i].next; at = j.tokens[at+1].next {
		key := j.unquoted(j.tokens[at])
		k := expected
		if k >= len(n.fields) || n.fields[k].name != string(key) {
			var known bool
			if k, known = n.index[string(key)]; !known {
				return j.fail(j.tokens[at], ErrMismatch, "the schema has no such field").inField(shorten(string(key)))
			}
		}
		if values[k] > 0 {
			return j.fail(j.tokens[at], ErrInvalid, "a key that was there before").inField(n.fields[k].name)
		}
		values[k], expected = at+1, k+1
	}
	return nil
}

// unquoted is the text of a string token. It is good until the next call.
func (j *jsonEncoder) unquoted(t token) []byte {
	s := j.src[t.start+1 : t.end-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	j.text = appendUnquoted(j.text[:0], s)
	return j.text
}

func (j *jsonEncoder) string(n *node, t token) *Error {
	if t.typ != tokenString {
		return j.mismatch(t, n)
	}
	s := j.unquoted(t)
	if n.kind == kindString {
		j.out = append(binary.AppendVarint(j.out, int64(len(s))), s...)
		return nil
	}
	k, ok := n.index[string(s)]
	if !ok {
		return j.fail(t, ErrMismatch, "%s has no symbol %q", n.name, shorten(string(s)))
	}
	j.out = binary.AppendVarint(j.out, int64(k))
	return nil
}

func (j *jsonEncoder) bytes(n *node, t token) *Error {
	if n.prec > 0 && !j.defaults {
		return j.decimal(n, t)
	}
	if t.typ != tokenString {
		return j.mismatch(t, n)
	}
	var b []byte
	var ok bool
	if s := j.unquoted(t); j.defaults {
		b, ok = latin1(s)
	} else {
		b, ok = fromBase64(s)
	}
	if !ok {
		return j.fail(t, ErrMismatch, "a string that is not base64 (in a default: of code points up to 255)")
	}
	return j.putBytes(n, t, b)
}

func (j *jsonEncoder) putBytes(n *node, t token, b []byte) *Error {
	if n.kind == kindFixed {
		if len(b) != n.size {
			return j.fail(t, ErrMismatch, "%d bytes for %s, which has %d", len(b), n.name, n.size)
		}
	} else {
		j.out = binary.AppendVarint(j.out, int64(len(b)))
	}
	j.out = append(j.out, b...)
	return nil
}

// fromBase64 takes exactly what the decoder prints: standard, padded, one spelling for each value.
func fromBase64(s []byte) ([]byte, bool) {
	if bytes.ContainsAny(s, "\r\n") { // the standard library skips these
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, s)
	return b, err == nil
}

func latin1(s []byte) ([]byte, bool) {
	var b []byte
	for _, r := range string(s) {
		if r > 255 {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}

// compileDefaults encodes a record's defaults, which also checks them: the library checks only some.
func compileDefaults(n *node, lim Limits) *Error {
	for i := range n.fields {
		f := &n.fields[i]
		if !f.hasDef {
			continue
		}
		steps := stepsFor(len(f.rawDef))
		def, e := f.encodeDefault(nil, &lim, 0, &steps)
		if e != nil {
			e.Op, e.Kind, e.Reason = "schema", ErrSchema, "a default that does not fit: "+e.Reason
			return e.in(n.name + "." + f.name)
		}
		f.def = def
	}
	return nil
}

// encodeDefault appends the default's encoding to out. A default may lean on other defaults, even without end, which
// depth and steps put an end to.
func (f *field) encodeDefault(out []byte, lim *Limits, depth int, steps *int) ([]byte, *Error) {
	tokens, e := scan(f.rawDef, nil, lim.MaxDepth)
	if e != nil {
		return out, e
	}
	j := jsonEncoder{src: f.rawDef, tokens: tokens, lim: lim, out: out, defaults: true, steps: *steps}
	e = j.value(f.node, 0, depth)
	*steps = j.steps
	return j.out, e
}
