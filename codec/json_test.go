package codec

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func mustJSON(t testing.TB, schema string) *AvroJSON {
	t.Helper()
	c, err := NewAvroJSON(schema)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return c
}

// TestJSONIsPrintedAgain: what is written is read as the second text, which is the first if that is canonical.
func TestJSONIsPrintedAgain(t *testing.T) {
	const (
		decimal = `{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}`
		fixed   = `{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":3}`
		date    = `{"type":"int","logicalType":"date"}`
		millis  = `{"type":"long","logicalType":"timestamp-millis"}`
		micros  = `{"type":"long","logicalType":"local-timestamp-micros"}`
	)
	cases := []struct{ schema, in, out string }{
		{`"long"`, `9223372036854775807`, ``},
		{`"long"`, `-9223372036854775808`, ``},
		{`"long"`, `9007199254740993`, ``},
		{`"long"`, `1.5e3`, `1500`},
		{`"long"`, `100e-2`, `1`},
		{`"long"`, `-0.0`, `0`},
		{`"long"`, `9.223372036854775807E18`, `9223372036854775807`},
		{`"int"`, `-2147483648`, ``},
		{`"double"`, `0.1`, ``},
		{`"double"`, `5`, ``},
		{`"double"`, `-0`, ``},
		{`"double"`, `5e-324`, ``},
		{`"double"`, `1.7976931348623157e+308`, ``},
		{`"double"`, `1e21`, `1e+21`},
		{`"double"`, `1e-7`, ``},
		{`"double"`, `9007199254740992`, ``},
		{`"double"`, `100000000000000000000`, ``},
		{`"float"`, `0.1`, ``},
		{`"float"`, `16777216`, ``},
		{`"float"`, `3.4028235e+38`, ``},
		{`"string"`, `"<&>` + "\u2028" + `\"\\\n\u0001ö😀"`, ``},
		{`"string"`, `"\ud83d\ude00\u00f6\/\u0041"`, `"😀ö/A"`},
		{`"bytes"`, `"AP8="`, ``},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, ``},
		{`{"type":"map","values":"int"}`, `{"z":1,"a":2,"":3}`, ``},
		{`{"type":"array","items":["null","int"]}`, "\t[ 1 ,null\n, 2 ] ", `[1,null,2]`},
		{`["int","double"]`, `5`, ``},
		{`["int","double"]`, `5.5`, ``},
		{`["float","double"]`, `0.123456789012`, ``},
		{`["double","long"]`, `9007199254740993`, ``},
		{`["int","long"]`, `2147483648`, ``},
		{`["bytes","string"]`, `"zwölf"`, ``},
		{`["bytes","string"]`, `"YQ=="`, ``},
		{`["bytes","string"]`, `"YQ\n=="`, ``},
		{`["null",{"type":"enum","name":"E","symbols":["A"]},"string"]`, `"B"`, ``},
		{`[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},{"type":"map","values":"string"}]`, `{"x":"1"}`, ``},
		{date, `"2026-01-01"`, `20454`},
		{date, `"1969-12-31"`, `-1`},
		{`["null",` + date + `]`, `"2026-01-01"`, `20454`},
		{`[` + date + `,"string"]`, `"2026-01-01"`, ``},
		{millis, `"2026-01-01T01:00:00.5+01:00"`, `1767225600500`},
		{millis, `"1969-12-31T23:59:59.999Z"`, `-1`},
		{micros, `"2026-01-01T00:00:00.000001"`, `1767225600000001`},
		{decimal, `"-1.50"`, ``},
		{decimal, `"0.00"`, ``},
		{decimal, `"-0.01"`, ``},
		{decimal, `"123456789012345678.90"`, ``},
		{decimal, `1.5`, `"1.50"`},
		{decimal, `"15e-1"`, `"1.50"`},
		{decimal, `-128e-2`, `"-1.28"`},
		{`[` + decimal + `,"string"]`, `"1.5"`, ``},
		{`[` + decimal + `,"double"]`, `1.5`, ``},
		{fixed, `"-2.147"`, ``},
	}
	for _, c := range cases {
		if c.out == "" {
			c.out = c.in
		}
		codec := mustJSON(t, c.schema)
		body, err := codec.Append([]byte("before"), json.RawMessage(c.in))
		if err != nil || !strings.HasPrefix(string(body), "before") {
			t.Errorf("%s %s: %q, %v", c.schema, c.in, body, err)
			continue
		}
		if got, err := codec.Decode(body[len("before"):]); err != nil || string(got) != c.out {
			t.Errorf("%s %s: printed %s, %v; want %s", c.schema, c.in, got, err, c.out)
		}
	}
}

func TestJSONThatDoesNotFit(t *testing.T) {
	const order = `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[{"name":"price","type":"int"}]}}},
		{"name":"tags","type":{"type":"map","values":["null","boolean"]},"default":{}}]}`
	const list = `{"type":"array","items":{"type":"record","name":"A","fields":[{"name":"n","type":["A",
		{"type":"record","name":"B","fields":[{"name":"n","type":["A","B"]}]}]}]}}`
	cases := []struct {
		schema, in, path string
		want             error
	}{
		{order, `{"id":1,"items":[{"price":1},{"price":1.5}]}`, "Order.items[1].price", ErrMismatch},
		{order, `{"id":1,"items":[{}]}`, "Order.items[0].price", ErrMismatch},
		{order, `{"id":1,"items":[],"tags":{"a b":1}}`, `Order.tags["a b"]`, ErrMismatch},
		{order, `{"id":1,"items":[],"Tags":{}}`, "Order.Tags", ErrMismatch},
		{order, `{"id":1,"id":1,"items":[]}`, "Order.id", ErrInvalid},
		{order, `{"id":1,"items":[],"tags":{"a":true,"\u0061":true}}`, `Order.tags["a"]`, ErrInvalid},
		{order, `{"items":[]}`, "Order.id", ErrMismatch},
		{order, `[]`, "Order", ErrMismatch},
		{`"int"`, `2147483648`, "", ErrMismatch},
		{`"long"`, `9223372036854775808`, "", ErrMismatch},
		{`"long"`, `1e1000000000000`, "", ErrMismatch},
		{`"long"`, `1e-1000000000000`, "", ErrMismatch},
		{`"long"`, `1.5`, "", ErrMismatch},
		{`"long"`, `"1"`, "", ErrMismatch},
		{`"double"`, `9007199254740993`, "", ErrMismatch},
		{`"double"`, `1e309`, "", ErrMismatch},
		{`"double"`, `"NaN"`, "", ErrMismatch},
		{`"double"`, `NaN`, "", ErrInvalid},
		{`"float"`, `16777217`, "", ErrMismatch},
		{`"float"`, `0.123456789012`, "", ErrMismatch},
		{`"float"`, `1e39`, "", ErrMismatch},
		{`"bytes"`, `"AP8"`, "", ErrMismatch},
		{`"bytes"`, `"AP9="`, "", ErrMismatch},
		{`{"type":"fixed","name":"F","size":3}`, `"AP8="`, "", ErrMismatch},
		{`{"type":"enum","name":"E","symbols":["A"]}`, `"B"`, "", ErrMismatch},
		{`["null","int"]`, `"x"`, "", ErrMismatch},
		{`"null"`, `{}`, "", ErrMismatch},
		{`"boolean"`, `null`, "", ErrMismatch},
		{`{"type":"int","logicalType":"date"}`, `"2026-02-30"`, "", ErrMismatch},
		{`{"type":"long","logicalType":"timestamp-millis"}`, `"2026-01-01T00:00:00.0001Z"`, "", ErrMismatch},
		{`{"type":"long","logicalType":"time-micros"}`, `"00:00:00"`, "", ErrMismatch},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"1.255"`, "", ErrMismatch},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"100.00"`, "", ErrMismatch},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"1,25"`, "", ErrMismatch},
		{`"int"`, ``, "", ErrInvalid},
		{`"int"`, `1 2`, "", ErrInvalid},
		{`"int"`, `01`, "", ErrInvalid},
		{`"int"`, `+1`, "", ErrInvalid},
		{`"int"`, `1.`, "", ErrInvalid},
		{`"int"`, `nul`, "", ErrInvalid},
		{`"string"`, `"\ud800"`, "", ErrInvalid},
		{`"string"`, `"\udc00\ud800"`, "", ErrInvalid},
		{`"string"`, `"\x"`, "", ErrInvalid},
		{`"string"`, "\"\xff\"", "", ErrInvalid},
		{`"string"`, "\"\n\"", "", ErrInvalid},
		{`"string"`, `"a`, "", ErrInvalid},
		{`{"type":"array","items":"int"}`, `[1,]`, "", ErrInvalid},
		{`{"type":"array","items":"int"}`, `[1`, "", ErrInvalid},
		{`{"type":"map","values":"int"}`, `{"a":1,}`, "", ErrInvalid},
		{`{"type":"map","values":"int"}`, `{"a"}`, "", ErrInvalid},
		{`{"type":"map","values":"int"}`, `{1:1}`, "", ErrInvalid},
		{`{"type":"array","items":"int"}`, strings.Repeat("[", 1<<20), "", ErrTooDeep},
		{list, "[" + strings.Repeat(`{"n":`, 60) + "1" + strings.Repeat("}", 60) + "]", "", ErrTooLarge},
	}
	for _, c := range cases {
		codec := mustJSON(t, c.schema)
		got, err := codec.Append([]byte("before"), json.RawMessage(c.in))
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, c.want) || string(got) != "before" {
			t.Errorf("%s %.80s: %q, %v; want %v", c.schema, c.in, got, err, c.want)
			continue
		}
		if c.want != ErrTooLarge && e.Path != c.path {
			t.Errorf("%s: the path is %q, want %q", err, e.Path, c.path)
		}
	}
}

func TestJSONDefaults(t *testing.T) {
	c := mustJSON(t, `{"type":"record","name":"R","fields":[
		{"name":"big","type":"long","default":9007199254740993},
		{"name":"union","type":["string","null"],"default":"x"},
		{"name":"bytes","type":"bytes","default":"\u0000\u00ff"},
		{"name":"inner","type":{"type":"record","name":"I","fields":[
			{"name":"a","type":"int","default":7},{"name":"b","type":{"type":"array","items":"int"}}]},"default":{"b":[1]}},
		{"name":"again","type":"I","default":{"a":8,"b":[]}},
		{"name":"nil","type":"null","default":null}]}`)
	body, err := c.Append(nil, json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"big":9007199254740993,"union":"x","bytes":"AP8=","inner":{"a":7,"b":[1]},"again":{"a":8,"b":[]},"nil":null}`
	if got, err := c.Decode(body); err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestSchemasThatCannotBeUsed(t *testing.T) {
	field := func(f string) string { return `{"type":"record","name":"R","fields":[{"name":"f",` + f + `}]}` }
	for _, schema := range []string{
		``, `{`, `"nosuch"`, `{"type":"fixed","name":"F","size":2000000000}`, `[]`,
		field(`"type":"R"`),
		field(`"type":"int","default":1.5`),
		field(`"type":"int","default":2147483648`),
		field(`"type":["null","int"],"default":5`),
		field(`"type":{"type":"fixed","name":"F","size":2},"default":"x"`),
		field(`"type":["null","R"],"Default":null`),
		`{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":"R"}},{"name":"g","type":["R","null"],"default":{"f":[]}}]}`,
	} {
		if _, err := NewAvroJSON(schema); !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v", schema, err)
		}
	}
	if _, err := NewAvroJSON(`int`); err != nil {
		t.Errorf("a bare name: %v", err)
	}
}

func TestNumbersWithoutJSON(t *testing.T) {
	for body, want := range map[string]string{
		"000000000000f87f": `"NaN"`, "000000000000f07f": `"Infinity"`, "000000000000f0ff": `"-Infinity"`,
	} {
		raw, _ := hex.DecodeString(body)
		if got, err := mustJSON(t, `"double"`).Decode(raw); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", want, got, err)
		}
	}
	long := append(varints(maxDecimal+1), make([]byte, maxDecimal+1)...)
	c := mustJSON(t, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`)
	if _, err := c.Decode(long); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long decimal: %v", err)
	}
}

// TestDecimalsAreShort: the fewest bytes of two's complement, as everyone writes them.
func TestDecimalsAreShort(t *testing.T) {
	c := mustJSON(t, `{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`)
	for text, want := range map[string]string{
		`0`: "0200", `1.27`: "027f", `1.28`: "040080", `-1.28`: "0280", `-1.29`: "04ff7f", `-0.01`: "02ff",
	} {
		if got, err := c.Append(nil, json.RawMessage(text)); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, %v; want %s", text, got, err, want)
		}
	}
}

// TestManyLines guards against work that grows with what was encoded before; how long it takes is the benchmark's.
func TestManyLines(t *testing.T) {
	c := mustJSON(t, `{"type":"record","name":"R","fields":[{"name":"i","type":"long"},{"name":"s","type":"string"}]}`)
	var all []byte
	for i := range 100_000 {
		line := fmt.Sprintf(`{"i":%d,"s":"line %d"}`, i, i)
		from := len(all)
		var err error
		if all, err = c.Append(all, json.RawMessage(line)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decode(all[from:]); err != nil || string(got) != line {
			t.Fatalf("%s became %s, %v", line, got, err)
		}
	}
}
