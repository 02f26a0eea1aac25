package codec

import "unicode/utf8"

// token is one value of a JSON text, or one key of an object, by position. The tokens of a text stand in a row in the
// order they begin, an object's keys before their values; next is the token after all of this one's own, so a value is
// passed over in one step and read again at no cost, which trying the branches of a union needs.
type token struct {
	typ        tokenType
	start, end int32
	next       int32
}

type tokenType uint8

const (
	tokenNull tokenType = iota
	tokenFalse
	tokenTrue
	tokenNumber
	tokenString
	tokenArray
	tokenObject
)

func (t tokenType) String() string {
	return [...]string{"null", "false", "true", "a number", "a string", "an array", "an object"}[t]
}

// scanner parses JSON (RFC 8259) into tokens, strictly: UTF-8 only, no lone surrogates, nothing after the value.
type scanner struct {
	src    []byte
	pos    int
	tokens []token
	depth  int // levels left
}

// scan appends the tokens of src, which must be shorter than 2 GiB, to the row.
func scan(src []byte, row []token, depth int) ([]token, *Error) {
	s := scanner{src: src, tokens: row, depth: depth}
	if i := firstInvalid(src); i >= 0 {
		s.pos = i
		return nil, s.fail("not UTF-8")
	}
	if e := s.value(); e != nil {
		return nil, e
	}
	if s.space(); s.pos < len(src) {
		return nil, s.fail("something after the JSON value")
	}
	return s.tokens, nil
}

func (s *scanner) fail(reason string) *Error {
	return &Error{Op: "encode", Offset: s.pos, Kind: ErrInvalid, Reason: "JSON: " + reason}
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

func (s *scanner) value() *Error {
	switch c := s.peek(); {
	case c == 'n':
		return s.word("null", tokenNull)
	case c == 't':
		return s.word("true", tokenTrue)
	case c == 'f':
		return s.word("false", tokenFalse)
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == '[':
		return s.nested(tokenArray, ']')
	case c == '{':
		return s.nested(tokenObject, '}')
	case s.pos == len(s.src):
		return s.fail("it ends too early")
	}
	return s.fail("a value is expected")
}

func (s *scanner) push(typ tokenType, start int) {
	s.tokens = append(s.tokens, token{typ, int32(start), int32(s.pos), int32(len(s.tokens) + 1)})
}

func (s *scanner) word(w string, typ tokenType) *Error {
	if len(s.src)-s.pos < len(w) || string(s.src[s.pos:s.pos+len(w)]) != w {
		return s.fail("a value is expected")
	}
	s.pos += len(w)
	s.push(typ, s.pos-len(w))
	return nil
}

// nested parses an array or an object.
func (s *scanner) nested(typ tokenType, closing byte) *Error {
	if s.depth == 0 {
		e := s.fail("too many levels")
		e.Kind = ErrTooDeep
		return e
	}
	s.depth--
	self := len(s.tokens)
	s.push(typ, s.pos)
	s.pos++
	for first := true; s.peek() != closing; first = false {
		if !first {
			if s.peek() != ',' {
				return s.fail("a comma or the end is expected")
			}
			s.pos++
		}
		if typ == tokenObject {
			if e := s.key(); e != nil {
				return e
			}
		}
		if e := s.value(); e != nil {
			return e
		}
	}
	s.pos++
	s.depth++
	s.tokens[self].end, s.tokens[self].next = int32(s.pos), int32(len(s.tokens))
	return nil
}

func (s *scanner) key() *Error {
	if s.peek() != '"' {
		return s.fail("a key is expected")
	}
	if e := s.text(); e != nil {
		return e
	}
	if s.peek() != ':' {
		return s.fail("a colon is expected")
	}
	s.pos++
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) accept(chars string) bool {
	for i := range len(chars) {
		if s.pos < len(s.src) && s.src[s.pos] == chars[i] {
			s.pos++
			return true
		}
	}
	return false
}

func (s *scanner) number() *Error {
	start := s.pos
	s.accept("-")
	if !s.accept("0") && !s.digits() {
		return s.fail("a digit is expected")
	}
	if s.accept(".") && !s.digits() {
		return s.fail("a digit is expected")
	}
	if s.accept("eE") {
		s.accept("+-")
		if !s.digits() {
			return s.fail("a digit is expected")
		}
	}
	s.push(tokenNumber, start)
	return nil
}

func (s *scanner) text() *Error {
	start := s.pos
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			s.push(tokenString, start)
			return nil
		case c < ' ':
			return s.fail("a control character in a string")
		case c == '\\':
			if e := s.escape(); e != nil {
				return e
			}
		}
	}
	return s.fail("a string without an end")
}

// escape checks an escape sequence and stops at its last byte.
func (s *scanner) escape() *Error {
	s.pos++
	if s.accept(`"\/bfnrt`) {
		s.pos--
		return nil
	}
	if !s.accept("u") {
		return s.fail("no such escape")
	}
	r := s.hex()
	if r >= 0xD800 && r < 0xDC00 && s.accept(`\`) && s.accept("u") {
		if low := s.hex(); low >= 0xDC00 && low < 0xE000 {
			r = 0
		}
	}
	if r < 0 || r >= 0xD800 && r < 0xE000 {
		return s.fail(`a \u that is no character`)
	}
	s.pos--
	return nil
}

// hex reads four hexadecimal digits; −1 if they are not there.
func (s *scanner) hex() rune {
	if len(s.src)-s.pos < 4 {
		return -1
	}
	r := hex4(s.src[s.pos:])
	s.pos += 4
	return r
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendUnquoted appends the text of a JSON string that scan has passed, given without its quotes.
func appendUnquoted(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if r >= 0xD800 && r < 0xDC00 {
				r = 0x10000 + (r-0xD800)<<10 + hex4(s[i+3:]) - 0xDC00
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// appendQuoted appends s, which must be UTF-8, as a JSON string with no more escapes than JSON demands.
func appendQuoted(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
