package codec

import (
	"math"
	"reflect"
)

// fits checks a value that holds interfaces before the library encodes it: the types inside them are only known now.
// It refuses what types.go refuses, save that a type may be written that could not be read (an int8 as an Avro int),
// and a Go int as an Avro int if its value is one.
func (n *node) fits(v reflect.Value, depth int, lim *Limits) *Error {
	for v.IsValid() && v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if depth > lim.MaxDepth {
		return encodeError(ErrTooDeep, "more than %d levels", lim.MaxDepth)
	}
	if !v.IsValid() {
		return nil // a nil interface: the library says whether null will do
	}
	switch n.kind {
	case kindUnion:
		return n.fitsUnion(v, depth, lim)
	case kindRecord:
		return n.fitsRecord(v, depth+1, lim)
	case kindArray:
		if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				if e := n.items.fits(v.Index(i), depth+1, lim); e != nil {
					return e.inItem(i)
				}
			}
			return nil
		}
	case kindMap:
		if v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String {
			for it := v.MapRange(); it.Next(); {
				if e := n.items.fits(it.Value(), depth+1, lim); e != nil {
					return e.inKey(it.Key().String())
				}
			}
			return nil
		}
	case kindInt:
		if v.Kind() == reflect.Int && (v.Int() > math.MaxInt32 || v.Int() < math.MinInt32) {
			return encodeError(ErrMismatch, "%d is no int of 32 bits", v.Int())
		}
	}
	return n.fitsType(v.Type())
}

func (n *node) fitsType(t reflect.Type) *Error {
	m := newMatcher()
	m.writing = true
	if e := m.match(n, t); e != nil {
		return encodeError(ErrMismatch, "%s", e.Reason).in(e.Path)
	}
	return nil
}

func (n *node) fitsRecord(v reflect.Value, depth int, lim *Limits) *Error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		return n.fits(v.Elem(), depth-1, lim)
	}
	if isAnyMap(v.Type()) {
		for _, f := range n.fields {
			item := v.MapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()))
			if e := f.node.fits(item, depth, lim); e != nil {
				return e.inField(f.name)
			}
		}
		return nil
	}
	if e := n.fitsType(v.Type()); e != nil {
		return e
	}
	have := structFields(v.Type())
	for _, f := range n.fields {
		sf, ok := have[f.name]
		if !ok {
			continue
		}
		item, err := v.FieldByIndexErr(indexOf(v.Type(), sf))
		if err != nil {
			continue // a nil embedded pointer: the library's error
		}
		if e := f.node.fits(item, depth, lim); e != nil {
			return e.inField(f.name)
		}
	}
	return nil
}

// indexOf leads from t to one of its fields, through embedded structs.
func indexOf(t reflect.Type, sf reflect.StructField) []int {
	for _, f := range reflect.VisibleFields(t) {
		if f.Name == sf.Name && f.Type == sf.Type && f.Tag == sf.Tag {
			return f.Index
		}
	}
	return sf.Index
}

// fitsUnion: a map names its branch, a pointer or slice stands for the one branch that is not null, and of anything else
// the library takes the first branch of its type.
func (n *node) fitsUnion(v reflect.Value, depth int, lim *Limits) *Error {
	switch {
	case isAnyMap(v.Type()):
		for it := v.MapRange(); it.Next(); {
			if b := n.branch(it.Key().String()); b != nil {
				return b.fits(it.Value(), depth, lim)
			}
		}
		return nil
	case v.Kind() == reflect.Pointer && v.IsNil():
		return nil
	case isConverter(v.Type()):
		return n.refuseValue(v)
	case v.Kind() == reflect.Pointer && !isRat(v.Type()):
		if n.several {
			return n.refuseValue(v)
		}
		return n.value().fits(v.Elem(), depth, lim)
	case !n.several:
		return n.value().fits(v, depth, lim)
	}
	for _, b := range n.union {
		e := b.fits(v, depth, lim)
		if e == nil || b.kind == kindInt && v.Kind() == reflect.Int {
			return e // for a Go int the library takes an Avro int before a long
		}
	}
	return n.refuseValue(v)
}

func (n *node) refuseValue(v reflect.Value) *Error {
	return encodeError(ErrMismatch, "Go %v for Avro %s", v.Type(), n.describe())
}

// branch finds the branch that the library calls so; nil if there is none, which is the library's error.
func (n *node) branch(name string) *node {
	for i, b := range n.union {
		if n.names[i] == name {
			return b
		}
	}
	return nil
}
