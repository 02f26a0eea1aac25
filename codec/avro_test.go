package codec

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The constructors' results are codecs.
var (
	_ Codec[benchOrder] = (*Avro[benchOrder])(nil)
	_                   = []Codec[string]{Text()}
	_                   = []Codec[[]byte]{Raw()}
)

func TestTypedRoundTrip(t *testing.T) {
	c, err := NewAvro[benchOrder](benchSchema)
	if err != nil {
		t.Fatal(err)
	}
	want := sampleOrder()
	body, err := c.Append([]byte("before"), want)
	if err != nil || !strings.HasPrefix(string(body), "before") {
		t.Fatalf("%q, %v", body, err)
	}
	body = body[len("before"):]
	got, err := c.Decode(body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	clear(body)
	if !reflect.DeepEqual(got, want) {
		t.Error("the value changed with the body it was decoded from")
	}
	if c.ContentEncoding() != "" || c.CanBeEmpty() {
		t.Error("an Avro body is no text and is not empty")
	}
}

func TestLogicalTypes(t *testing.T) {
	type times struct {
		Date    time.Time     `avro:"date"`
		Millis  time.Time     `avro:"millis"`
		Plain   int64         `avro:"plain"`
		OfDay   time.Duration `avro:"ofDay"`
		Decimal *big.Rat      `avro:"decimal"`
		Maybe   **big.Rat     `avro:"maybe"`
	}
	const schema = `{"type":"record","name":"T","fields":[
		{"name":"date","type":{"type":"int","logicalType":"date"}},
		{"name":"millis","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"plain","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"ofDay","type":{"type":"long","logicalType":"time-micros"}},
		{"name":"decimal","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}},
		{"name":"maybe","type":["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}]}]}`
	c, err := NewAvro[times](schema)
	if err != nil {
		t.Fatal(err)
	}
	rat := big.NewRat(-5, 4)
	want := times{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), time.UnixMilli(-1).UTC(), -7, 90 * time.Minute, rat, &rat}
	body, err := c.Append(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Decode(body); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	want.Decimal = nil
	if _, err := c.Append(nil, want); !errors.Is(err, ErrMismatch) {
		t.Errorf("a nil decimal, on which the library panics: %v", err)
	}
}

func construct[T any](schema string) error {
	_, err := NewAvro[T](schema)
	return err
}

// TestTypesThatAreRefused: each of these the library takes, and cuts a value, or writes into memory of another type.
func TestTypesThatAreRefused(t *testing.T) {
	type inner struct{ A, B int64 }
	record := func(field string) string {
		return `{"type":"record","name":"R","fields":[{"name":"f",` + field + `},{"name":"Price","type":"int","default":0}]}`
	}
	type price struct{ Price int32 }
	type slip struct {
		PRICE int32
		F     string `avro:"f"`
	}
	type unknown struct {
		Price int32
		F     string `avro:"f"`
		G     string `avro:"g"`
	}
	decimal := `{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`
	for name, err := range map[string]error{
		"int8 for int":               construct[int8](`"int"`),
		"uint16 for int":             construct[uint16](`"int"`),
		"int for int":                construct[int](`"int"`),
		"uint32 for long":            construct[uint32](`"long"`),
		"int64 for time-micros":      construct[int64](`{"type":"long","logicalType":"time-micros"}`),
		"float32 for double":         construct[float32](`"double"`),
		"string for int":             construct[string](`"int"`),
		"big.Rat for decimal":        construct[big.Rat](decimal),
		"struct for decimal":         construct[inner](decimal),
		"*big.Rat for [null,dec]":    construct[*big.Rat](`["null",` + decimal + `]`),
		"any for [null,decimal]":     construct[any](`["null",` + decimal + `]`),
		"struct for union":           construct[inner](`["null",{"type":"record","name":"I","fields":[]}]`),
		"string for union":           construct[string](`["null","string"]`),
		"*string for three branches": construct[*string](`["null","string","int"]`),
		"uint64 for fixed":           construct[uint64](`{"type":"fixed","name":"F","size":8}`),
		"[4]byte for fixed 8":        construct[[4]byte](`{"type":"fixed","name":"F","size":8}`),
		"error for string":           construct[error](`"string"`),
		"in an array":                construct[[]int8](`{"type":"array","items":"int"}`),
		"an untagged field":          construct[slip](record(`"type":"string"`)),
		"a tag of no field":          construct[unknown](record(`"type":"string"`)),
		"no skipping recursion":      construct[price](record(`"type":{"type":"array","items":"R"}`)),
		"no skipping null":           construct[price](record(`"type":"null"`)),
		"a default that is rounded":  construct[price](record(`"type":"long","default":9007199254740993`)),
	} {
		if !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := construct[price](record(`"type":["null","R"]`)); err != nil {
		t.Errorf("recursion by a union can be skipped: %v", err)
	}
}

// TestDynamicValues: what is in an interface is checked with the value.
func TestDynamicValues(t *testing.T) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"i","type":"int"},{"name":"u","type":["null","int","long"]}]}`
	type open struct {
		I any `avro:"i"`
		U any `avro:"u"`
	}
	c, err := NewAvro[map[string]any](schema)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewAvro[open](schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		i, u any
		path string // empty if it fits
	}{
		{7, nil, ""}, {int8(7), 5, ""}, {7, int64(1) << 40, ""}, {7, map[string]any{"long": 1 << 40}, ""},
		{1 << 31, nil, "R.i"}, {math.MinInt32 - 1, nil, "R.i"}, {"x", nil, "R.i"}, {int64(1), nil, "R.i"},
		{7, 1 << 40, "R.u"}, {7, map[string]any{"int": 1 << 40}, "R.u"}, {7, struct{ A int }{1}, "R.u"}, {7, new(string), "R.u"},
	} {
		bodies := make([][]byte, 2)
		errs := make([]error, 2)
		bodies[0], errs[0] = c.Append(nil, map[string]any{"i": v.i, "u": v.u})
		bodies[1], errs[1] = o.Append(nil, open{v.i, v.u})
		if !bytes.Equal(bodies[0], bodies[1]) {
			t.Errorf("%v: %x and %x", v, bodies[0], bodies[1])
		}
		for _, err := range errs {
			var e *Error
			if v.path == "" && err != nil {
				t.Errorf("%v: %v", v, err)
			}
			if v.path != "" && (!errors.As(err, &e) || !errors.Is(err, ErrMismatch) || e.Path != v.path) {
				t.Errorf("%v: %v, want %s", v, err, v.path)
			}
		}
	}
	if _, err := c.Append(nil, map[string]any{"u": nil}); !errors.Is(err, ErrMismatch) {
		t.Errorf("a missing field: %v", err)
	}
	loop := map[string]any{"value": 1}
	loop["next"] = map[string]any{"Node": loop}
	l, err := NewAvro[any](listSchema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil, loop); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a value that contains itself: %v", err)
	}
}

// TestEncodingIsChecked: a writer refuses what its readers would refuse.
func TestEncodingIsChecked(t *testing.T) {
	c, err := NewAvro[[]string](`{"type":"array","items":"string"}`, WithLimits(Limits{MaxItems: 3, MaxBody: 10}))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		value []string
		want  error
	}{
		{[]string{"a", "b", "c"}, nil}, {[]string{"\xff"}, ErrInvalid}, {[]string{"", "", "", ""}, ErrTooLarge},
		{[]string{"a long text"}, ErrTooLarge},
	} {
		body, err := c.Append([]byte("x"), v.value)
		if !errors.Is(err, v.want) || err != nil && string(body) != "x" {
			t.Errorf("%q: %q, %v, want %v", v.value, body, err, v.want)
		}
	}
}

// TestNoNamesAreRemembered: two codecs may define one name differently.
func TestNoNamesAreRemembered(t *testing.T) {
	for _, size := range []string{"1", "2"} {
		schema := `{"type":"record","name":"Same","fields":[{"name":"f","type":"int","default":` + size + `}]}`
		c, err := NewAvro[struct{}](schema)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := c.Append(nil, struct{}{}); err != nil || len(body) != 1 || string(body) != string(varints(int64(size[0]-'0'))) {
			t.Errorf("%s: %x, %v", schema, body, err)
		}
	}
	if err := construct[string](`{"type":"enum","name":"Kept","symbols":["A"]}`); err != nil {
		t.Fatal(err)
	}
	if err := construct[string](`"Kept"`); !errors.Is(err, ErrSchema) {
		t.Errorf("a name that no schema of this codec defines: %v", err)
	}
}

func TestCanBeEmpty(t *testing.T) {
	for schema, want := range map[string]bool{
		`"null"`: true, `{"type":"record","name":"R","fields":[{"name":"n","type":"null"}]}`: true,
		`{"type":"fixed","name":"F","size":0}`: true, `"string"`: false, `["null"]`: false, `{"type":"array","items":"null"}`: false,
	} {
		c, err := NewAvro[any](schema)
		if err != nil {
			t.Fatal(err)
		}
		if c.CanBeEmpty() != want || mustJSON(t, schema).CanBeEmpty() != want {
			t.Errorf("%s: want %v", schema, want)
		}
		if _, err := c.Decode(nil); (err == nil) != want {
			t.Errorf("%s: no bytes: %v", schema, err)
		}
	}
}

func TestTextAndRaw(t *testing.T) {
	for _, s := range []string{"", "zwölf", "\u2028😀", "\xff", "ab\xc3", "\xed\xa0\x80"} {
		valid := utf8.ValidString(s)
		body, encodeErr := Text().Append([]byte("x"), s)
		back, decodeErr := Text().Decode([]byte(s))
		if !valid && (!errors.Is(encodeErr, ErrInvalid) || !errors.Is(decodeErr, ErrInvalid) || string(body) != "x" || back != "") {
			t.Errorf("%q: %q, %v, %q, %v", s, body, encodeErr, back, decodeErr)
		}
		if valid && (encodeErr != nil || decodeErr != nil || string(body) != "x"+s || back != s) {
			t.Errorf("%q: %q, %v, %q, %v", s, body, encodeErr, back, decodeErr)
		}
	}
	body := []byte{0, 0xff}
	if got, err := Raw().Decode(body); err != nil || &got[0] != &body[0] {
		t.Error("raw bodies are handed on, not copied")
	}
	if got, err := Raw().Append([]byte{1}, body); err != nil || !bytes.Equal(got, []byte{1, 0, 0xff}) {
		t.Errorf("%x, %v", got, err)
	}
	if Text().ContentEncoding() != "utf-8" || Raw().ContentEncoding() != "" {
		t.Error("content encodings")
	}
}

// TestErrorText: an error says what, where, and why, and is bounded.
func TestErrorText(t *testing.T) {
	c, err := NewAvro[benchOrder](benchSchema)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := c.Append(nil, sampleOrder())
	_, err = c.Decode(bytes.Replace(body, []byte("\x0aC-333"), []byte("\x0aC-\xff33"), 1))
	at := strconv.Itoa(bytes.Index(body, []byte("\x0aC-333")))
	want := "codec: decode Order.items[2].sku at byte " + at + ": invalid: a string that is not UTF-8"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	m := mustParse(t, `{"type":"map","values":"int"}`)
	key := strings.Repeat("k", 1<<20)
	lim := limitsOf(nil)
	if e := m.check(append(append(varints(1, int64(len(key))), key...), 0x80), &lim); e == nil || len(e.Error()) > 200 {
		t.Errorf("an error of %d bytes", len(e.Error()))
	}
}
