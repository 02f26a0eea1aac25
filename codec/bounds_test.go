package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
)

const listSchema = `{"type":"record","name":"Node","fields":[
	{"name":"value","type":"int"},{"name":"next","type":["null","Node"]}]}`

func mustParse(t testing.TB, text string) *node {
	t.Helper()
	s, e := parse(text, limitsOf(nil))
	if e != nil {
		t.Fatalf("%s: %v", text, e)
	}
	return s.root
}

func varints(vs ...int64) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func TestHostileBodies(t *testing.T) {
	inRecord := func(typ string) string {
		return `{"type":"record","name":"R","fields":[{"name":"f","type":` + typ + `}]}`
	}
	longs, nulls := `{"type":"array","items":"long"}`, `{"type":"array","items":"null"}`
	many := `{"type":"record","name":"Wide","fields":[` +
		`{"name":"a","type":"null"},{"name":"b","type":"null"},{"name":"c","type":"null"}]}`
	cases := []struct {
		name, schema string
		body         []byte
		want         error
	}{
		{"2^63-1 items", longs, varints(math.MaxInt64), ErrTooLarge},
		{"-2^63 items", longs, varints(math.MinInt64, 0), ErrInvalid},
		{"-(2^63-1) items", longs, varints(-math.MaxInt64, 0), ErrTooLarge},
		{"1 and 2^63-1 items", longs, varints(1, 1, math.MaxInt64, 0), ErrTooLarge},
		{"a million items in no bytes", longs, varints(1_000_000), ErrTruncated},
		{"items in many blocks", longs, bytes.Repeat(varints(1, 5), 1<<20+1), ErrTooLarge},
		{"more nulls than the budget", nulls, varints(1<<16+1, 0), ErrTooLarge},
		{"more nulls in two blocks", nulls, varints(1<<16, 1, 0), ErrTooLarge},
		{"more nulls in many arrays", `{"type":"array","items":` + nulls + `}`, varints(2, 1<<15, 0, 1<<15+1, 0, 0), ErrTooLarge},
		{"nulls within records", `{"type":"array","items":` + many + `}`, varints(1<<14+1, 0), ErrTooLarge},
		{"nulls within records, in two blocks", `{"type":"array","items":` + many + `}`, varints(1<<13, 1<<13+1, 0), ErrTooLarge},
		{"a time that time.Duration cannot hold", `{"type":"long","logicalType":"time-micros"}`, varints(math.MaxInt64/1000 + 1), ErrInvalid},
		{"a time before that", `{"type":"long","logicalType":"time-micros"}`, varints(math.MinInt64), ErrInvalid},
		{"a map of 2^40", inRecord(`{"type":"map","values":"null"}`), varints(1 << 40), ErrTooLarge},
		{"a map larger than the body", inRecord(`{"type":"map","values":"int"}`), varints(2, 0, 0), ErrTruncated},
		{"a string of 2^62", inRecord(`"string"`), varints(1 << 62), ErrTruncated},
		{"a block size of 2^62", longs, varints(-1, 1<<62, 0), ErrTruncated},
		{"a block size below 0", longs, varints(-1, -1, 0, 0), ErrInvalid},
		{"a block size too small", longs, varints(-2, 1, 0, 0, 0), ErrInvalid},
		{"a block size too large", longs, varints(-1, 2, 0, 0, 0), ErrInvalid},
		{"a block size for nulls", nulls, append(varints(-3, 1), 0, 0), ErrInvalid},
		{"an int of 33 bits", `"int"`, varints(math.MaxInt32 + 1), ErrInvalid},
		{"an int of 6 bytes", `"int"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, ErrInvalid},
		{"a long of 65 bits", `"long"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}, ErrInvalid},
		{"a long of 11 bytes", `"long"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, ErrInvalid},
		{"a branch below 0", `["null","int"]`, varints(-1), ErrInvalid},
		{"text that is not UTF-8", `"string"`, append(varints(2), 0xff, 'a'), ErrInvalid},
		{"a key that is not UTF-8", `{"type":"map","values":"null"}`, append(varints(1, 1), 0xff, 0), ErrInvalid},
		{"a list of a million", listSchema, bytes.Repeat(varints(1, 1), 1_000_000), ErrTooDeep},
		{"an array of arrays", `{"type":"record","name":"T","fields":[{"name":"c","type":{"type":"array","items":"T"}}]}`,
			bytes.Repeat(varints(1), 2<<20), ErrTooDeep},
		{"a body too long", `"bytes"`, make([]byte, 16<<20+1), ErrTooLarge},
	}
	for _, c := range cases {
		root, lim := mustParse(t, c.schema), limitsOf(nil)
		if e := root.check(c.body, &lim); e == nil || !errors.Is(e, c.want) {
			t.Errorf("%s: %v, want %v", c.name, e, c.want)
		}
		if grew := allocated(func() { root.check(c.body, &lim) }); grew > 16<<10 {
			t.Errorf("%s: refusing it took %d bytes of memory", c.name, grew)
		}
		plain, _ := NewAvroJSON(c.schema)
		if _, err := plain.Decode(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s as JSON: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestCountsAreRefusedAtOnce: a count that the body cannot hold is refused at the count, not at the first item that is
// missing.
func TestCountsAreRefusedAtOnce(t *testing.T) {
	for _, schema := range []string{`{"type":"array","items":"int"}`, `{"type":"map","values":"null"}`} {
		lim := limitsOf(nil)
		e := mustParse(t, schema).check(append(varints(1000), make([]byte, 999)...), &lim)
		if e == nil || e.Kind != ErrTruncated || e.Offset != 0 || e.Path != "" {
			t.Errorf("%s: %v", schema, e)
		}
	}
}

// allocated is how many bytes f takes from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMissingFields: the library loops for ever, or multiplies memory, on hostile arrays and maps in fields that the Go
// struct lacks. The walk does not know the Go struct.
func TestMissingFields(t *testing.T) {
	type partial struct {
		A int32 `avro:"a"`
	}
	for _, lacks := range []string{`{"type":"array","items":"long"}`, `{"type":"map","values":"long"}`} {
		c, err := NewAvro[partial](`{"type":"record","name":"R","fields":[{"name":"lost","type":` + lacks + `},{"name":"a","type":"int"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		for _, hostile := range [][]byte{varints(1 << 40), varints(math.MaxInt64), varints(-1, 1<<40, 0), varints(1, 0)} {
			if _, err := c.Decode(hostile); err == nil {
				t.Errorf("%s: %x was decoded", lacks, hostile)
			}
		}
		for _, fine := range [][]byte{varints(0, 7), append(varints(-1, 2), append(varints(0, 1), varints(0, 7)...)...)} {
			if strings.Contains(lacks, "array") && len(fine) > 2 {
				fine = varints(-1, 1, 5, 0, 7)
			}
			if v, err := c.Decode(fine); err != nil || v.A != 7 {
				t.Errorf("%s: %x gave %v, %v", lacks, fine, v, err)
			}
		}
	}
}

// TestWalkAllocatesNothing: a valid body is walked without allocating.
func TestWalkAllocatesNothing(t *testing.T) {
	g := newGenerator(3)
	root, lim := mustParse(t, benchSchema), limitsOf(nil)
	body := g.body(nil, root, 6)
	if n := testing.AllocsPerRun(100, func() {
		if e := root.check(body, &lim); e != nil {
			t.Fatal(e)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLimitsAreExact: each limit admits what it says and nothing more.
func TestLimitsAreExact(t *testing.T) {
	cases := []struct {
		name, schema string
		lim          Limits
		fits, over   []byte
		want         error
	}{
		{"body", `"bytes"`, Limits{MaxBody: 3}, append(varints(2), 1, 2), append(varints(3), 1, 2, 3), ErrTooLarge},
		{"depth", listSchema, Limits{MaxDepth: 2}, varints(1, 1, 2, 0), varints(1, 1, 2, 1, 3, 0), ErrTooDeep},
		{"items", `{"type":"array","items":"int"}`, Limits{MaxItems: 2}, varints(1, 5, 1, 5, 0), varints(1, 5, 2, 5, 5, 0), ErrTooLarge},
		{"entries", `{"type":"map","values":"int"}`, Limits{MaxItems: 1}, []byte("\x02\x02a\x05\x00"), []byte("\x04\x02a\x05\x02b\x05\x00"), ErrTooLarge},
		{"empties", `{"type":"array","items":"null"}`, Limits{MaxEmpty: 2}, varints(2, 0), varints(3, 0), ErrTooLarge},
	}
	for _, c := range cases {
		codec, err := NewAvroJSON(c.schema, WithLimits(c.lim))
		if err != nil {
			t.Fatal(err)
		}
		text, err := codec.Decode(c.fits)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := codec.Append(nil, text); err != nil {
			t.Errorf("%s: %s: %v", c.name, text, err)
		}
		if _, err := codec.Decode(c.over); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		free, _ := NewAvroJSON(c.schema)
		if text, err = free.Decode(c.over); err != nil {
			t.Fatal(err)
		}
		if _, err := codec.Append(nil, text); !errors.Is(err, c.want) {
			t.Errorf("%s: encoding %s: %v, want %v", c.name, text, err, c.want)
		}
	}
}
