package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineSink writes records as lines.
type lineSink[T any] struct {
	out    io.Writer
	line   func(dst []byte, value T) []byte
	buffer []byte
}

func (*lineSink[T]) begin() error { return nil }

// write writes lines at once.
func (s *lineSink[T]) write(values []T) error {
	s.buffer = s.buffer[:0]
	for _, value := range values {
		s.buffer = append(s.line(s.buffer, value), '\n')
	}
	_, err := s.out.Write(s.buffer)
	return err
}

// textLine gives a record as it is; on a terminal without what would control it.
func textLine(tty bool) func([]byte, []byte) []byte {
	return func(dst, value []byte) []byte {
		if tty {
			return append(dst, escape(string(value))...)
		}
		return append(dst, value...)
	}
}

func stringLine(tty bool) func([]byte, string) []byte {
	return func(dst []byte, value string) []byte {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(value); err != nil { // there is no string that this happens to
			panic(err)
		}
		return jsonLine(tty)(dst, bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	}
}

func jsonLine(tty bool) func([]byte, json.RawMessage) []byte {
	return func(dst []byte, value json.RawMessage) []byte {
		if tty {
			return append(dst, escape(string(value))...)
		}
		return append(dst, value...)
	}
}

// escape replaces control characters by escapes, which in JSON mean the same.
func escape(s string) string {
	harmless := func(r rune) bool { return r == '\t' || !unicode.IsControl(r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !harmless(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r):
			b.WriteString(s[i : i+n])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}
