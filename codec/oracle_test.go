package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	hamba "github.com/hamba/avro/v2"
	"github.com/twmb/avro"
)

// TestWalkAgainstOracle holds the walk against another implementation, on valid, spoilt and random bodies of random
// schemas. What the walk accepts the oracle must accept, and decode to the same value as our codec. What the oracle
// accepts the walk must accept, but for the four things in which it is meant to be stricter.
func TestWalkAgainstOracle(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(1000) {
		g := newGenerator(seed)
		o := newOracle(t, g.schema(4))
		for range 8 {
			valid := g.body(nil, o.root, 6)
			if len(valid) > 20_000 {
				continue
			}
			if e := o.root.check(valid, &o.lim); e != nil {
				t.Fatalf("seed %d, schema %s: a valid body %x is refused: %v", seed, o.text, valid, e)
			}
			counts["valid"] += o.compare(t, valid)
			counts["mutated"] += o.compare(t, g.mutate(valid))
			counts["mutated twice"] += o.compare(t, g.mutate(g.mutate(valid)))
			counts["random"] += o.compare(t, g.random(nil, g.IntN(12)))
		}
	}
	t.Logf("accepted by both: %v", counts)
	for _, what := range []string{"valid", "mutated", "mutated twice", "random"} {
		if counts[what] < 100 {
			t.Errorf("only %d %s bodies were accepted: the test has lost its grip", counts[what], what)
		}
	}
}

type oracle struct {
	text   string
	root   *node
	lim    Limits
	twin   *avro.Schema
	codec  *Avro[any] // nil if the schema cannot be decoded into any
	json   *AvroJSON
	schema *schema
}

func newOracle(t testing.TB, text string) *oracle {
	t.Helper()
	lim := limitsOf(nil)
	s, e := parse(text, lim)
	if e != nil {
		t.Fatalf("schema %s: %v", text, e)
	}
	twin, err := avro.Parse(text)
	if err != nil {
		t.Fatalf("schema %s: the oracle says %v", text, err)
	}
	o := &oracle{text: text, root: s.root, lim: lim, twin: twin, schema: s}
	if o.codec, err = NewAvro[any](text); err != nil && !decimalInUnion(s.root, map[*node]bool{}) {
		t.Fatalf("schema %s: %v", text, err)
	}
	if o.json, err = NewAvroJSON(text); err != nil {
		t.Fatalf("schema %s: %v", text, err)
	}
	return o
}

// stricter are the reasons for which the walk refuses what the oracle lets pass.
var stricter = []string{"a boolean of ", "a string that is not UTF-8", "a block of "}

// compare returns 1 if both accept the body.
func (o *oracle) compare(t testing.TB, body []byte) int {
	t.Helper()
	var theirs any
	rest, err := o.twin.Decode(body, &theirs, avro.TaggedUnions())
	accepts := err == nil && len(rest) == 0
	e := o.root.check(body, &o.lim)
	sameEnd(t, o.root, body, &o.lim)
	if err != nil && strings.Contains(err.Error(), "zero-byte items exceeds") {
		return 0 // its limit is lower than ours, and cannot be set
	}
	if e == nil && !accepts {
		t.Fatalf("schema %s, body %x: we accept, the oracle leaves %d bytes and says %v", o.text, body, len(rest), err)
	}
	if e != nil && accepts {
		for _, reason := range stricter {
			if strings.HasPrefix(e.Reason, reason) {
				return 0
			}
		}
		t.Fatalf("schema %s, body %x: the oracle accepts, we say %v", o.text, body, e)
	}
	if e != nil {
		return 0
	}
	if o.codec != nil {
		ours, err := o.codec.Decode(body)
		if err != nil {
			t.Fatalf("schema %s, body %x: %v", o.text, body, err)
		}
		got, want := normal(o.root, ours, hambaWraps), normal(o.root, theirs, alwaysWraps)
		if got != want {
			t.Fatalf("schema %s, body %x:\n ours   %s\n theirs %s", o.text, body, got, want)
		}
	}
	o.roundTrip(t, body)
	return 1
}

// roundTrip: what is printed as JSON can be read again, and is printed the same.
func (o *oracle) roundTrip(t testing.TB, body []byte) {
	t.Helper()
	text, err := o.json.Decode(body)
	if err != nil {
		t.Fatalf("schema %s, body %x: %v", o.text, body, err)
	}
	again, err := o.json.Append(nil, text)
	if errors.Is(err, ErrMismatch) && (bytes.Contains(text, []byte(`NaN"`)) || bytes.Contains(text, []byte(`Infinity"`))) {
		return
	}
	if errors.Is(err, ErrMismatch) && strings.Contains(o.text, "decimal") {
		return // more digits than the precision, which bytes can hold and Append refuses
	}
	if errors.Is(err, ErrInvalid) && strings.Contains(o.text, `"map"`) {
		return // the same key twice, which is no error in Avro
	}
	if err != nil {
		t.Fatalf("schema %s, body %x: %s is printed, but not read: %v", o.text, body, text, err)
	}
	if printed, err := o.json.Decode(again); err != nil || !bytes.Equal(printed, text) {
		t.Fatalf("schema %s: %s is printed as %s, %v", o.text, text, printed, err)
	}
}

// hambaWraps: the library wraps a union's value in a map, unless all its branches are primitive.
func hambaWraps(n *node) bool {
	for _, b := range n.union {
		switch b.kind {
		case kindArray, kindMap, kindRecord, kindEnum, kindFixed:
			return true
		}
	}
	return false
}

func alwaysWraps(*node) bool { return true }

// normal is one text for one value, whatever Go types the two libraries take for it.
func normal(n *node, v any, wraps func(*node) bool) string {
	switch n.kind {
	case kindUnion:
		if v == nil {
			return "null"
		}
		if !wraps(n) {
			for _, b := range n.union { // all primitive: any branch of the value's type prints alike
				if text := normal(b, v, wraps); !strings.HasPrefix(text, "?") {
					return text
				}
			}
		}
		for name, inner := range v.(map[string]any) {
			for i, b := range n.union {
				short, _, _ := strings.Cut(n.names[i], ".")
				if n.names[i] == name || short == name {
					return normal(b, inner, wraps)
				}
			}
		}
		return fmt.Sprintf("?%v", v)
	case kindRecord:
		var b strings.Builder
		for _, f := range n.fields {
			fmt.Fprintf(&b, "%s:%s,", f.name, normal(f.node, v.(map[string]any)[f.name], wraps))
		}
		return "{" + b.String() + "}"
	case kindArray:
		var b strings.Builder
		for i := range reflect.ValueOf(v).Len() {
			b.WriteString(normal(n.items, reflect.ValueOf(v).Index(i).Interface(), wraps) + ",")
		}
		return "[" + b.String() + "]"
	case kindMap:
		m := map[string]string{}
		for k, item := range v.(map[string]any) {
			m[k] = normal(n.items, item, wraps)
		}
		return fmt.Sprint(m) // sorted
	case kindNull:
		if v != nil {
			return "?"
		}
		return "null"
	}
	return normalScalar(n, v)
}

func normalScalar(n *node, v any) string {
	matches := map[kind]reflect.Kind{kindBoolean: reflect.Bool, kindFloat: reflect.Float32, kindDouble: reflect.Float64,
		kindString: reflect.String, kindEnum: reflect.String}
	switch v := v.(type) {
	case time.Time:
		return fmt.Sprintf("time %d.%09d", v.Unix(), v.Nanosecond())
	case time.Duration:
		return fmt.Sprint("duration ", int64(v))
	case *big.Rat:
		return v.RatString()
	case hamba.LogicalDuration:
		return fmt.Sprint(v.Months, v.Days, v.Milliseconds)
	}
	rv := reflect.ValueOf(v)
	if want, ok := matches[n.kind]; ok && (!rv.IsValid() || rv.Kind() != want) {
		return fmt.Sprintf("?%T", v)
	}
	switch {
	case (n.kind == kindBytes || n.kind == kindFixed) && (rv.Kind() == reflect.Slice || rv.Kind() == reflect.Array):
		return fmt.Sprintf("%x", v)
	case n.kind == kindInt || n.kind == kindLong:
		if !rv.CanInt() {
			return fmt.Sprintf("?%T", v)
		}
		return fmt.Sprint(rv.Int())
	case n.kind == kindBytes:
		return fmt.Sprintf("?%T", v)
	}
	return fmt.Sprintf("%#v", v)
}
