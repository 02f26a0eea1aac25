package codec

import (
	"encoding"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
)

// matcher holds a Go type against a schema before the Avro library sees it. The library answers some pairs with a
// number cut to fewer bits (an Avro int read into an int8, a Go int written as an Avro int), and some with memory that is
// not what its type says (a big.Rat or another struct by value where a decimal or a union is expected). So what is not
// known to be right is refused.
type matcher struct {
	seen map[pair]bool
	// dynamic is set if the type holds an interface: what is in it is checked with each value (dynamic.go).
	dynamic bool
	// custom is set if a part of the type reads itself from text.
	custom bool
	// writing admits types that can be written but not read; for values out of interfaces.
	writing bool
}

type pair struct {
	n *node
	t reflect.Type
}

func newMatcher() *matcher { return &matcher{seen: map[pair]bool{}} }

func refuse(n *node, t reflect.Type, hint string) *Error {
	if hint != "" {
		hint = ": " + hint
	}
	return schemaError("Go %v for Avro %s%s", t, n.describe(), hint)
}

// match says whether values of t can be written as n and read back as they were.
func (m *matcher) match(n *node, t reflect.Type) *Error {
	if t == nil || m.seen[pair{n, t}] {
		return nil
	}
	m.seen[pair{n, t}] = true
	if t.Kind() == reflect.Interface {
		if t.NumMethod() > 0 {
			return refuse(n, t, "the only interface that can be decoded into is any")
		}
		return m.open(n, t)
	}
	switch n.kind {
	case kindRecord:
		return m.record(n, t)
	case kindUnion:
		return m.union(n, t)
	case kindArray:
		if t.Kind() != reflect.Slice {
			return refuse(n, t, "use a slice")
		}
		return m.items(n, t)
	case kindMap:
		if t.Kind() != reflect.Map || t.Key().Kind() != reflect.String {
			return refuse(n, t, "use a map with string keys")
		}
		return m.items(n, t)
	}
	return m.scalar(n, t)
}

func (m *matcher) items(n *node, t reflect.Type) *Error {
	if e := m.match(n.items, t.Elem()); e != nil {
		return e.in("[]")
	}
	return nil
}

func (m *matcher) union(n *node, t reflect.Type) *Error {
	if isAnyMap(t) {
		return m.open(n, t)
	}
	nullable := len(n.union) == 2 && !n.several
	if nullable && t.Kind() == reflect.Pointer && !isConverter(t) {
		return m.match(n.value(), t.Elem())
	}
	if nullable && t.Kind() == reflect.Slice {
		return m.match(n.value(), t)
	}
	if nullable {
		return refuse(n, t, "use a pointer")
	}
	return refuse(n, t, "use any, or a map[string]any of one entry: the branch's name and the value")
}

// open admits an interface, or a map of interfaces, save where the library would put a decimal into memory of another
// type: in a union, decoded into any.
func (m *matcher) open(n *node, t reflect.Type) *Error {
	m.dynamic = true
	if !m.writing && decimalInUnion(n, map[*node]bool{}) {
		return refuse(n, t, "a decimal in a union needs a struct with a **big.Rat or a []byte")
	}
	return nil
}

func decimalInUnion(n *node, seen map[*node]bool) bool {
	if seen[n] {
		return false
	}
	seen[n] = true
	if n.items != nil && decimalInUnion(n.items, seen) {
		return true
	}
	for _, f := range n.fields {
		if decimalInUnion(f.node, seen) {
			return true
		}
	}
	for _, b := range n.union {
		if b.kind == kindBytes && b.logical == avro.Decimal || decimalInUnion(b, seen) {
			return true
		}
	}
	return false
}

func isConverter(t reflect.Type) bool { return t.Implements(reflect.TypeFor[avro.UnionConverter]()) }

// value is the one branch of a union that is not null.
func (n *node) value() *node {
	for _, b := range n.union {
		if b.kind != kindNull {
			return b
		}
	}
	return n.union[0]
}

func isAnyMap(t reflect.Type) bool {
	return t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && t.Elem() == reflect.TypeFor[any]()
}

func (m *matcher) record(n *node, t reflect.Type) *Error {
	switch {
	case t.Kind() == reflect.Pointer:
		return m.match(n, t.Elem())
	case isAnyMap(t):
		return m.open(n, t)
	case t.Kind() != reflect.Struct:
		return refuse(n, t, "use a struct or a map[string]any")
	}
	have := structFields(t)
	for _, f := range n.fields {
		sf, ok := have[f.name]
		if !ok {
			if e := m.absent(f, have); e != nil {
				return e.inField(f.name)
			}
			continue
		}
		if e := m.match(f.node, sf.Type); e != nil {
			return e.inField(f.name)
		}
	}
	for name, sf := range have {
		if _, ok := n.index[name]; !ok && name != "-" && sf.Tag.Get("avro") != "" {
			return schemaError("Go field %s is tagged %q, which %s has not", sf.Name, name, n.name)
		}
	}
	return nil
}

// absent looks at a field that the Go type lacks. That is allowed (it is skipped when read; when written it takes its
// default, or is an error), unless it looks like a slip or cannot be skipped.
func (m *matcher) absent(f field, have map[string]reflect.StructField) *Error {
	for name, sf := range have {
		if strings.EqualFold(name, f.name) {
			return schemaError("Go field %s needs the tag `avro:%s`", sf.Name, strconv.Quote(f.name))
		}
	}
	if !skippable(f.node, map[*node]bool{}, map[*node]bool{}) {
		return schemaError("the Go type lacks this field, and it cannot be skipped: it is recursive, or null")
	}
	return nil
}

// skippable reports whether the library can build what skips n: it recurses without end on a type that contains itself
// other than by a union, and knows no null other than in a union.
func skippable(n *node, building, done map[*node]bool) bool {
	switch n.kind {
	case kindNull:
		return false
	case kindArray, kindMap:
		return skippable(n.items, building, done)
	case kindRecord:
		if building[n] {
			return false
		}
		building[n] = true
		defer delete(building, n)
		for _, f := range n.fields {
			if !skippable(f.node, building, done) {
				return false
			}
		}
	case kindUnion:
		if done[n] {
			return true
		}
		done[n] = true
		for _, b := range n.union {
			if b.kind != kindNull && !skippable(b, map[*node]bool{}, done) {
				return false
			}
		}
	}
	return true
}

func (m *matcher) scalar(n *node, t reflect.Type) *Error {
	m.custom = m.custom || readsText(t)
	k := t.Kind()
	ok, hint := false, ""
	switch n.kind {
	case kindNull:
		ok = k == reflect.Pointer || t == reflect.TypeFor[struct{}]()
	case kindBoolean:
		ok = k == reflect.Bool
	case kindInt:
		ok, hint = m.int(n, t)
	case kindLong:
		ok, hint = m.long(n, t)
	case kindFloat:
		ok = k == reflect.Float32
	case kindDouble:
		ok = k == reflect.Float64 || m.writing && k == reflect.Float32
	case kindString:
		ok = isText(t) || k == reflect.String && !halfText(t)
	case kindEnum:
		ok = k == reflect.String || isText(t)
	case kindBytes:
		ok = k == reflect.Slice && t.Elem().Kind() == reflect.Uint8 || n.logical == avro.Decimal && isRat(t)
		hint = "a decimal is a *big.Rat or a []byte"
	case kindFixed:
		ok = k == reflect.Array && t.Elem().Kind() == reflect.Uint8 && t.Len() == n.size ||
			n.logical == avro.Decimal && isRat(t) || n.logical == avro.Duration && t == reflect.TypeFor[avro.LogicalDuration]()
	}
	if !ok {
		return refuse(n, t, hint)
	}
	return nil
}

func (m *matcher) int(n *node, t reflect.Type) (bool, string) {
	switch t.Kind() {
	case reflect.Int32:
		return true, ""
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Uint8, reflect.Uint16:
		return m.writing, "not every value of one is a value of the other: use int32"
	case reflect.Struct:
		return n.logical == avro.Date && isTime(t), ""
	}
	return n.logical == avro.TimeMillis && t == reflect.TypeFor[time.Duration](), ""
}

func (m *matcher) long(n *node, t reflect.Type) (bool, string) {
	switch t.Kind() {
	case reflect.Int:
		return strconv.IntSize == 64, ""
	case reflect.Int32, reflect.Uint32:
		return m.writing, "not every value of one is a value of the other: use int64"
	case reflect.Int64:
		// The library takes any int64 under time-micros for nanoseconds, and refuses durations under timestamps.
		isDuration := t == reflect.TypeFor[time.Duration]()
		return isDuration == (n.logical == avro.TimeMicros), "use time.Duration for time-micros, and int64 or time.Time else"
	case reflect.Struct:
		switch n.logical {
		case avro.TimestampMillis, avro.TimestampMicros, avro.LocalTimestampMillis, avro.LocalTimestampMicros:
			return isTime(t), ""
		}
	}
	return false, ""
}

func isTime(t reflect.Type) bool { return t.ConvertibleTo(reflect.TypeFor[time.Time]()) }

func isRat(t reflect.Type) bool { return t == reflect.TypeFor[*big.Rat]() }

// isText: the type writes and reads itself as text.
func isText(t reflect.Type) bool {
	return readsText(t) && t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func readsText(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// halfText: the type does one of the two, so that what it writes is not what it reads.
func halfText(t reflect.Type) bool {
	return !isText(t) && (t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()))
}

func (n *node) describe() string {
	s := n.kind.String()
	if n.name != "" {
		s += " " + n.name
	}
	if n.logical != "" {
		s += " (" + string(n.logical) + ")"
	}
	return s
}
