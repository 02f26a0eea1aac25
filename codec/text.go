package codec

import "unicode/utf8"

// Text is the codec of bodies that are text themselves, in UTF-8. Text that is not valid UTF-8 is refused in both
// directions: a pypz peer could not read it, and a Go string made of it would lie. The empty text is an empty body.
func Text() Codec[string] { return text{} }

type text struct{}

func (text) Append(dst []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, encodeError(ErrInvalid, "not UTF-8")
	}
	return append(dst, v...), nil
}

func (text) Decode(body []byte) (string, error) {
	if i := firstInvalid(body); i >= 0 {
		return "", decodeError(ErrInvalid, i, "not UTF-8")
	}
	return string(body), nil
}

func (text) ContentEncoding() string { return "utf-8" }

// firstInvalid is the index of the first byte that is not UTF-8, or −1.
func firstInvalid(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}
