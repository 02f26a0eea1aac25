package codec

import (
	"fmt"
	"reflect"
)

// Avro is the codec of bodies that are the bare Avro binary encoding of one T: no container or single-object header.
// The reader's schema is taken for the writer's; nothing is resolved. Safe for concurrent use.
type Avro[T any] struct {
	schema  *schema
	library *library[T]
	lim     Limits
	dynamic bool // T holds interfaces, so each value's types are checked
}

// NewAvro makes a codec from an Avro schema (JSON, or the bare name of a primitive type). T is one of:
//
//   - a struct (or a pointer to one) or a map[string]any for a record. A struct's fields go by their `avro:"name"` tag or
//     their own name, exactly; embedded structs are flattened. A schema's field that the struct lacks is skipped when
//     read, and when written takes the schema's default, or is an error.
//   - bool, int32, int64, int (for long only), float32, float64, string, []byte, [N]byte for a fixed, string for an enum,
//     slices, maps with string keys. Logical types: time.Time or the plain number for date and timestamps, time.Duration
//     for times of day, *big.Rat or bytes for decimals, avro.LogicalDuration for a duration.
//   - for a union of null and one more type: a pointer to, or a slice that is, the other. For other unions any, or a
//     map[string]any whose one entry is the branch's name and its value.
//   - any: what the library makes of it (maps, slices, scalars); in unions, a map as above if not all branches are
//     primitive.
//
// NewAvro refuses a T that cannot take every value of the schema, or whose values an Avro type would cut: an int8 or a Go
// int for an Avro int, say. Values out of interfaces are checked when they are encoded. Two things the library does to
// values are let be: it rounds a decimal down to its scale, and a time to its unit (a date before 1970 that is not a
// midnight, up). A value that contains itself is a fatal stack overflow, unless interfaces lead to it.
//
// An error is an *Error that is ErrSchema.
func NewAvro[T any](schemaText string, opts ...Option) (*Avro[T], error) {
	lim := limitsOf(opts)
	s, e := parse(schemaText, lim)
	if e != nil {
		return nil, e
	}
	if s.inexact != "" {
		return nil, schemaError("the default of %s is beyond 2^53, which the library would round", s.inexact)
	}
	t := reflect.TypeFor[T]()
	m := newMatcher()
	if e := m.match(s.root, t); e != nil {
		return nil, e.under(s.root)
	}
	return &Avro[T]{s, newLibrary[T](s.avro, lim, m.custom), lim, m.dynamic}, nil
}

// CanBeEmpty reports whether a record of this schema can be encoded as no bytes at all (null, an empty record). A pypz
// reader takes an empty body for text.
func (c *Avro[T]) CanBeEmpty() bool { return c.schema.root.min == 0 }

// ContentEncoding implements Codec: Avro bodies have none.
func (c *Avro[T]) ContentEncoding() string { return "" }

// Append implements Codec. What it has encoded is checked like a body that came in, so that no reader with the same
// limits refuses it. Arrays and maps are one block without a size. Where dst has room, it allocates nothing but what the
// library does for the value's maps and the like.
func (c *Avro[T]) Append(dst []byte, v T) ([]byte, error) {
	root := c.schema.root
	s := c.library.borrow()
	defer c.library.giveBack(s)
	s.value = v
	if c.dynamic {
		if e := root.fits(reflect.ValueOf(&s.value).Elem(), 0, &c.lim); e != nil {
			return dst, e.under(root)
		}
	}
	if err := c.library.encode(s); err != nil {
		e := encodeError(ErrMismatch, "")
		e.Cause = err
		return dst, e.under(root)
	}
	body := s.writer.Buffer()
	if e := root.check(body, &c.lim); e != nil {
		e.Op, e.Offset = "encode", -1
		return dst, e
	}
	return append(dst, body...), nil
}

// Decode implements Codec. Strings and byte slices of the result are copies.
func (c *Avro[T]) Decode(body []byte) (v T, err error) {
	root := c.schema.root
	if e := root.check(body, &c.lim); e != nil {
		return v, e
	}
	s := c.library.borrow()
	defer c.library.giveBack(s)
	to := c.library.target(s)
	if err := c.library.decode(s, body, to); err != nil {
		e := decodeError(ErrInvalid, -1, "")
		e.Cause = err
		return v, e.under(root)
	}
	return *to, nil
}

// caught turns a panic into an error. The library panics on a few values (a nil *big.Rat), and so may a type's own text
// methods: one record must not take the process with it.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}
