package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// slow is where the value that begins the body ends for the walk alone, or −1.
func slow(n *node, body []byte, lim *Limits) int {
	w := walk{body: body, lim: lim}
	if e := w.value(n, 0); e != nil {
		return -1
	}
	return w.pos
}

// sameEnd is the fast walk's one duty: what it accepts the walk accepts, and ends there. It reports whether it accepted.
func sameEnd(t testing.TB, n *node, body []byte, lim *Limits) bool {
	t.Helper()
	fast, want := n.fast.end(body, lim), slow(n, body, lim)
	if fast >= 0 && fast != want {
		w := walk{body: body, lim: lim}
		t.Fatalf("%s, body %x, %+v: the fast walk ends at %d, the walk at %d: %v", n.describe(), body, *lim, fast, want, w.value(n, 0))
	}
	return fast >= 0
}

// TestFastWalkEndsWhereTheWalkEnds, on valid and spoilt bodies of random schemas, within wide and narrow limits; and it
// leaves few valid ones to it.
func TestFastWalkEndsWhereTheWalkEnds(t *testing.T) {
	wide := limitsOf(nil)
	valid, taken, narrow := 0, 0, 0
	for seed := range uint64(1500) {
		g := newGenerator(seed)
		root := mustParse(t, g.schema(4))
		for range 8 {
			body := g.body(nil, root, 6)
			valid++
			if sameEnd(t, root, body, &wide) {
				taken++
			}
			lim := Limits{MaxBody: wide.MaxBody, MaxDepth: 1 + g.IntN(5), MaxItems: g.IntN(8), MaxEmpty: g.IntN(8)}
			if sameEnd(t, root, body, &lim) {
				narrow++
			}
			for range 4 {
				spoilt := g.mutate(body)
				sameEnd(t, root, spoilt, &wide)
				sameEnd(t, root, g.mutate(spoilt), &wide)
			}
		}
	}
	if taken < valid*95/100 || narrow < valid/3 || narrow == taken {
		t.Errorf("of %d valid bodies the fast walk took %d, and %d within narrow limits", valid, taken, narrow)
	}
}

// padded encodes v in so many bytes, at least; 10 is the most that there may be.
func padded(v uint64, size int) []byte {
	b := binary.AppendUvarint(nil, v)
	for len(b) < size {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

// TestManyNumbers: numbers are counted eight bytes at a time, and each is as long as it may be, or longer.
func TestManyNumbers(t *testing.T) {
	lim := limitsOf(nil)
	g := newGenerator(1)
	taken := map[string]int{}
	for _, typ := range []string{"int", "long"} {
		root := mustParse(t, `{"type":"array","items":"`+typ+`"}`)
		for range 20_000 {
			count, most := g.IntN(30), 1+g.IntN(11)
			body := binary.AppendVarint(nil, int64(count))
			for range count {
				size := 1 + g.IntN(most)
				if g.IntN(20) == 0 {
					size = 1 + g.IntN(11)
				}
				body = append(body, padded(g.Uint64()>>(64-min(64, 1+g.IntN(7*size))), size)...)
			}
			body = append(body, 0)
			if sameEnd(t, root, body, &lim) {
				taken[typ]++
			} else if slow(root, body, &lim) >= 0 {
				t.Fatalf("%s: %x is left to the walk", typ, body)
			}
			sameEnd(t, root, body[:g.IntN(len(body))], &lim)
		}
	}
	if taken["int"] < 3000 || taken["long"] < 10_000 || taken["long"] == 20_000 {
		t.Errorf("taken: %v", taken)
	}
}

// TestTextsOfAllLengths: texts are looked at in words, which must not reach over their ends, and must miss no byte.
func TestTextsOfAllLengths(t *testing.T) {
	root, lim := mustParse(t, `{"type":"array","items":"string"}`), limitsOf(nil)
	for size := range 140 {
		for _, before := range []int{0, 1, 7, 9} {
			body := append(varints(2, int64(before)), bytes.Repeat([]byte("b"), before)...)
			body = binary.AppendVarint(body, int64(size))
			start := len(body)
			body = append(append(body, bytes.Repeat([]byte("t"), size)...), 0)
			if !sameEnd(t, root, body, &lim) {
				t.Fatalf("a text of %d is left to the walk", size)
			}
			for i := range size {
				spoilt := bytes.Clone(body)
				spoilt[start+i] = 0xff
				if sameEnd(t, root, spoilt, &lim) {
					t.Fatalf("a text of %d behind one of %d: byte %d is not looked at", size, before, i)
				}
				if i+1 < size {
					copy(spoilt[start+i:], "ü")
					if !sameEnd(t, root, spoilt, &lim) {
						t.Fatalf("a text of %d behind one of %d: an ü at %d is refused", size, before, i)
					}
				}
			}
			for end := range len(body) {
				if sameEnd(t, root, body[:end], &lim) {
					t.Fatalf("a text of %d that ends at %d", size, end-start)
				}
			}
		}
	}
}

// TestTextsAmongOtherBytes: what stands around a text need not be text.
func TestTextsAmongOtherBytes(t *testing.T) {
	lim := limitsOf(nil)
	root := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"fixed","name":"F","size":9}},
		{"name":"s","type":"string"},{"name":"g","type":"F"}]}`)
	for size := range 140 {
		other := bytes.Repeat([]byte{0xff}, 9)
		body := append(binary.AppendVarint(other, int64(size)), bytes.Repeat([]byte("t"), size)...)
		if body = append(body, other...); !sameEnd(t, root, body, &lim) {
			t.Fatalf("a text of %d is left to the walk", size)
		}
	}
}

// TestFastWalkTakesTheUsual: else it would be of no use, and only a benchmark would show it.
func TestFastWalkTakesTheUsual(t *testing.T) {
	usual[benchSmall](t, benchSmallSchema, sampleSmall())
	usual[benchOrder](t, benchSchema, sampleOrder())
	usual[benchOrder](t, benchSchema, sampleBig())
	usual[benchSeries](t, benchSeriesSchema, sampleSeries())
	usual[benchText](t, benchTextSchema, sampleText("zwölf 😀"))
	for _, c := range []struct {
		schema string
		body   []byte
	}{
		{`"null"`, nil},
		{`{"type":"fixed","name":"F","size":0}`, nil},
		{`"int"`, varints(math.MinInt32)},
		{`"long"`, varints(math.MinInt64)},
		{`{"type":"long","logicalType":"time-micros"}`, varints(math.MaxInt64 / 1000)},
		{`{"type":"array","items":"null"}`, varints(0)},
		{`{"type":"map","values":"null"}`, []byte("\x04\x02a\x02b\x00")},
		{`{"type":"array","items":"double"}`, append(varints(-2, 16), make([]byte, 17)...)},
		{listSchema, varints(1, 1, 2, 1, 3, 0)},
		{manySymbols(100), varints(99)},
		{`{"type":"array","items":{"type":"array","items":["null",{"type":"map","values":"boolean"}]}}`,
			[]byte("\x02\x04\x00\x02\x02\x02k\x01\x00\x00\x00")},
	} {
		if lim := limitsOf(nil); !sameEnd(t, mustParse(t, c.schema), c.body, &lim) {
			t.Errorf("%s: %x is left to the walk", c.schema, c.body)
		}
	}
}

func manySymbols(n int) string {
	var symbols []string
	for i := range n {
		symbols = append(symbols, fmt.Sprintf("%q", fmt.Sprintf("S%d", i)))
	}
	return `{"type":"enum","name":"E","symbols":[` + strings.Join(symbols, ",") + `]}`
}

func usual[T any](t *testing.T, schema string, v T) {
	t.Helper()
	c, err := NewAvro[T](schema)
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if !sameEnd(t, c.schema.root, body, &c.lim) {
		t.Errorf("a %T is left to the walk", v)
	}
}

// TestProgramsAreBounded: a schema of a few lines that stands for 2^40 fields makes a program of a few steps.
func TestProgramsAreBounded(t *testing.T) {
	typ := `{"type":"record","name":"R0","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}`
	for i := range 40 {
		typ = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i+1, typ, i)
	}
	s, e := parse(typ, limitsOf(nil))
	if e != nil {
		t.Fatal(e)
	}
	steps, seen := 0, map[*program]bool{}
	var count func(p *program)
	count = func(p *program) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		steps += len(p.steps)
		for _, s := range p.steps {
			count(s.calls)
		}
	}
	count(s.root.fast)
	if steps > 41*2*inlined || steps < 41 {
		t.Errorf("%d steps", steps)
	}
}
