package messages

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Statuses as endpoints write them, without the detours of encoding/json: each channel has one to write and one to read a second. What is out of the ordinary is left to encoding/json, which says what
// the result is; the tests hold the two together.

// appendText appends a text as encoding/json writes it, without its escapes for HTML.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			text, err := encodeJSON(s)
			if err != nil { // a string can always be written
				panic(err)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendValue appends a payload's value as encoding/json writes it.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendText(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		if abs := math.Abs(v); abs == 0 || abs >= 1e-6 && abs < 1e21 { // others have an exponent
			return strconv.AppendFloat(b, v, 'f', -1, 64), nil
		}
	}
	text, err := encodeJSON(v)
	return append(b, text...), err
}

// scan reads a status of the usual shape from the left. ok stays true as long as it is one.
type scan struct {
	left string
	ok   bool
}

// quickStatus reads a status whose keys are the seven of the wire, in their order, whose texts have no escapes and whose payload has no objects or lists in it. The text is valid UTF-8.
func quickStatus(text string) (s Status, ok bool) {
	r := &scan{left: text, ok: true}
	r.key('{', "channel_name")
	s.Channel = strings.Clone(r.text()) // whoever keeps a name does not keep the whole status
	r.key(',', "channel_context_name")
	s.Context = strings.Clone(r.text())
	if r.key(',', "channel_group_name"); !r.null() {
		s.Group = strings.Clone(r.text())
	}
	r.key(',', "channel_group_index")
	s.GroupIndex = int(r.integer())
	r.key(',', "status")
	s.Kind = r.kind()
	if r.key(',', "payload"); !r.null() {
		s.Payload = r.payload()
	}
	r.key(',', "timestamp")
	s.Timestamp = r.integer()
	r.byte('}')
	return s, r.ok && r.left == "" && s.Channel != "" && s.Context != ""
}

func (r *scan) fail() { r.left, r.ok = "", false }

// peek gives the next character, 0 at the end.
func (r *scan) peek() byte {
	if r.left == "" {
		return 0
	}
	return r.left[0]
}

func (r *scan) byte(c byte) {
	if r.peek() != c {
		r.fail()
		return
	}
	r.left = r.left[1:]
}

// space passes over the one that Python writes behind a comma and a colon.
func (r *scan) space() {
	if r.peek() == ' ' {
		r.left = r.left[1:]
	}
}

// key takes a delimiter and that key.
func (r *scan) key(delimiter byte, name string) {
	r.byte(delimiter)
	r.space()
	if r.text() != name {
		r.fail()
	}
	r.byte(':')
	r.space()
}

// text takes a text without escapes.
func (r *scan) text() string {
	r.byte('"')
	for i := range len(r.left) {
		switch c := r.left[i]; {
		case c == '"':
			text := r.left[:i]
			r.left = r.left[i+1:]
			return text
		case c < ' ' || c == '\\':
			r.fail()
			return ""
		}
	}
	r.fail()
	return ""
}

func (r *scan) null() bool { return r.word("null") }

func (r *scan) word(w string) (is bool) {
	r.left, is = strings.CutPrefix(r.left, w)
	return is
}

// integer takes a number of at most 15 digits, without a sign.
func (r *scan) integer() (n int64) {
	text := r.number()
	if len(text) > 15 {
		r.fail()
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			r.fail()
			return 0
		}
		n = 10*n + int64(text[i]-'0')
	}
	return n
}

// number takes a number by JSON's grammar.
func (r *scan) number() string {
	whole := r.left
	if r.peek() == '-' {
		r.left = r.left[1:]
	}
	if r.peek() == '0' {
		r.left = r.left[1:]
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.left = r.left[1:]
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.left = r.left[1:]
		if c := r.peek(); c == '+' || c == '-' {
			r.left = r.left[1:]
		}
		r.digits()
	}
	if !r.ok {
		return ""
	}
	return whole[:len(whole)-len(r.left)]
}

// digits takes at least one.
func (r *scan) digits() {
	n := 0
	for n < len(r.left) && r.left[n] >= '0' && r.left[n] <= '9' {
		n++
	}
	if r.left = r.left[n:]; n == 0 {
		r.fail()
	}
}

func (r *scan) kind() Kind {
	text := r.text()
	for _, k := range kinds {
		if string(k) == text {
			return k
		}
	}
	r.fail()
	return ""
}

func (r *scan) payload() Payload {
	r.byte('{')
	if r.peek() == '}' {
		r.byte('}')
		return Payload{}
	}
	p := make(Payload, 0, 5) // a count and four metrics
	for r.ok {
		key := r.text()
		r.byte(':')
		r.space()
		p = append(p, Entry{key, r.value()})
		if r.peek() == '}' {
			r.byte('}')
			break
		}
		r.byte(',')
		r.space()
	}
	return p
}

// value takes what is no object and no list.
func (r *scan) value() any {
	switch {
	case r.peek() == '"':
		return r.text()
	case r.null():
		return nil
	case r.word("true"):
		return true
	case r.word("false"):
		return false
	}
	return json.Number(r.number())
}
