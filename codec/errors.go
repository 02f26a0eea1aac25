package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What an *Error can be matched with by errors.Is.
var (
	// ErrTruncated: the body ends before its value does.
	ErrTruncated = errors.New("truncated")
	// ErrTrailing: bytes follow the value.
	ErrTrailing = errors.New("trailing bytes")
	// ErrTooLarge: the body, or what it claims to hold, is beyond the Limits.
	ErrTooLarge = errors.New("too large")
	// ErrTooDeep: the nesting is beyond Limits.MaxDepth.
	ErrTooDeep = errors.New("too deep")
	// ErrInvalid: the bytes are no encoding of the schema (no such branch, not UTF-8, not JSON, …).
	ErrInvalid = errors.New("invalid")
	// ErrMismatch: the value to be encoded does not fit the schema.
	ErrMismatch = errors.New("does not fit the schema")
	// ErrSchema: the schema cannot be used, or not with this Go type. Only constructors return it.
	ErrSchema = errors.New("unusable schema")
)

// Error says what could not be encoded or decoded, where, and why.
type Error struct {
	// Op is "encode", "decode" or "schema".
	Op string
	// Path leads to the value, as in Order.items[3].price or Order.tags["a"].price. A union adds nothing to it. Empty
	// for a body that is no record.
	Path string
	// Offset is the byte in the body (of JSON: in the line) at which the value that failed begins, −1 if not known.
	Offset int
	// Reason is for humans.
	Reason string
	// Kind is one of the package's sentinels.
	Kind error
	// Cause is the error underneath, or nil.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("codec: ")
	b.WriteString(e.Op)
	if e.Path != "" {
		b.WriteString(" " + e.Path)
	}
	if e.Offset >= 0 {
		b.WriteString(" at byte " + strconv.Itoa(e.Offset))
	}
	b.WriteString(": " + e.Kind.Error())
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// in prepends a step to the path while the error travels up from the value that failed.
func (e *Error) in(step string) *Error {
	e.Path = step + e.Path
	return e
}

func (e *Error) inField(name string) *Error { return e.in("." + name) }

func (e *Error) inItem(i int) *Error { return e.in("[" + strconv.Itoa(i) + "]") }

// inKey cuts a long key: the error's text must not grow with hostile input.
func (e *Error) inKey(key string) *Error { return e.in("[" + strconv.Quote(shorten(key)) + "]") }

// under finishes an error that has arrived at the root.
func (e *Error) under(root *node) *Error { return e.in(root.rootName()) }

func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func encodeError(kind error, format string, args ...any) *Error {
	return &Error{Op: "encode", Offset: -1, Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

func decodeError(kind error, offset int, format string, args ...any) *Error {
	return &Error{Op: "decode", Offset: offset, Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

func schemaError(format string, args ...any) *Error {
	return &Error{Op: "schema", Offset: -1, Kind: ErrSchema, Reason: fmt.Sprintf(format, args...)}
}
