package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// generator makes random schemas and random encodings of them, from a seed.
type generator struct {
	*rand.Rand
	names int
	open  []string // records that are being defined, to be referred to
}

func newGenerator(seed uint64) *generator { return &generator{Rand: rand.New(rand.NewPCG(seed, 7))} }

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// schema is the JSON text of a random schema.
func (g *generator) schema(depth int) string {
	if depth <= 0 {
		return g.leaf()
	}
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf(`{"type":"array","items":%s}`, g.schema(depth-1))
	case 1:
		return fmt.Sprintf(`{"type":"map","values":%s}`, g.schema(depth-1))
	case 2:
		return g.union(depth)
	case 3, 4:
		return g.record(depth)
	}
	return g.leaf()
}

func (g *generator) leaf() string {
	switch g.IntN(9) {
	case 0:
		return fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, g.name("F"), g.IntN(4))
	case 1:
		return fmt.Sprintf(`{"type":"enum","name":%q,"symbols":["A","B","C"]}`, g.name("E"))
	case 2:
		return g.pick(`{"type":"int","logicalType":"date"}`, `{"type":"int","logicalType":"time-millis"}`,
			`{"type":"long","logicalType":"time-micros"}`, `{"type":"long","logicalType":"timestamp-millis"}`,
			`{"type":"long","logicalType":"timestamp-micros"}`, `{"type":"string","logicalType":"uuid"}`,
			`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`)
	}
	return g.pick(`"null"`, `"boolean"`, `"int"`, `"long"`, `"float"`, `"double"`, `"string"`, `"bytes"`)
}

func (g *generator) union(depth int) string {
	branches := []string{`"null"`}
	for _, b := range []string{`"int"`, `"long"`, `"double"`, `"string"`, `"boolean"`, `"bytes"`} {
		if g.IntN(4) == 0 {
			branches = append(branches, b)
		}
	}
	if g.IntN(2) == 0 {
		branches = append(branches, g.record(depth-1))
	}
	if g.IntN(3) == 0 {
		branches = append(branches, fmt.Sprintf(`{"type":"array","items":%s}`, g.schema(depth-2)))
	}
	if g.IntN(3) == 0 {
		branches = append(branches, fmt.Sprintf(`{"type":"map","values":%s}`, g.schema(depth-2)))
	}
	if g.IntN(3) == 0 && len(g.open) > 0 {
		branches = append(branches, fmt.Sprintf("%q", g.pick(g.open...)))
	}
	if len(branches) > 1 && g.IntN(2) == 0 {
		branches[0], branches[1] = branches[1], branches[0]
	}
	return "[" + strings.Join(branches, ",") + "]"
}

func (g *generator) record(depth int) string {
	name := g.name("R")
	g.open = append(g.open, name)
	var fields []string
	for i := range g.IntN(4) {
		t := g.schema(depth - 1)
		if g.IntN(6) == 0 {
			t = fmt.Sprintf(`{"type":"array","items":%q}`, g.pick(g.open...))
		}
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, t))
	}
	g.open = g.open[:len(g.open)-1]
	return fmt.Sprintf(`{"type":"record","name":%q,"fields":[%s]}`, name, strings.Join(fields, ","))
}

// body appends a random valid encoding of n. Below depth it keeps containers empty where it can.
func (g *generator) body(dst []byte, n *node, depth int) []byte {
	switch n.kind {
	case kindBoolean:
		return append(dst, byte(g.IntN(2)))
	case kindInt:
		return g.varint(dst, int64(int32(g.number())))
	case kindLong:
		v := g.number()
		if n.nanos {
			v /= 1000
		}
		return g.varint(dst, v)
	case kindFloat:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(g.NormFloat64())))
	case kindDouble:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(g.NormFloat64()*math.Pow(10, float64(g.IntN(40)-20))))
	case kindString:
		return g.text(dst)
	case kindBytes:
		size := g.IntN(5)
		return g.random(g.varint(dst, int64(size)), size)
	case kindFixed:
		return g.random(dst, n.size)
	case kindEnum:
		return g.varint(dst, int64(g.IntN(len(n.symbols))))
	case kindUnion:
		b := g.IntN(len(n.union))
		for i := range n.union {
			if depth <= 0 && n.union[i].kind == kindNull {
				b = i
			}
		}
		return g.body(g.varint(dst, int64(b)), n.union[b], depth-1)
	case kindArray, kindMap:
		return g.blocks(dst, n, depth)
	case kindRecord:
		for _, f := range n.fields {
			dst = g.body(dst, f.node, depth-1)
		}
	}
	return dst
}

func (g *generator) blocks(dst []byte, n *node, depth int) []byte {
	for depth > 0 && g.IntN(3) > 0 {
		count := 1 + g.IntN(3)
		var block []byte
		for range count {
			if n.kind == kindMap {
				block = g.text(block)
			}
			block = g.body(block, n.items, depth-1)
		}
		if g.IntN(2) == 0 {
			dst = g.varint(g.varint(dst, int64(-count)), int64(len(block)))
		} else {
			dst = g.varint(dst, int64(count))
		}
		dst = append(dst, block...)
	}
	return g.varint(dst, 0)
}

func (g *generator) number() int64 {
	v := int64(g.Uint64()) >> g.IntN(64)
	if g.IntN(20) == 0 {
		v = math.MinInt64
	}
	return v
}

// varint is now and then longer than it need be.
func (g *generator) varint(dst []byte, v int64) []byte {
	start := len(dst)
	dst = binary.AppendVarint(dst, v)
	if len(dst)-start < 4 && g.IntN(30) == 0 {
		dst[len(dst)-1] |= 0x80
		dst = append(dst, 0)
	}
	return dst
}

func (g *generator) text(dst []byte) []byte {
	s := g.pick("", "a", "zwölf", "\"\\\n", "😀", "key", "<&>\u2028", "\x01\x7f")
	return append(g.varint(dst, int64(len(s))), s...)
}

func (g *generator) random(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, byte(g.Uint32()))
	}
	return dst
}

// mutate spoils a body in one of the ways in which bodies are spoilt.
func (g *generator) mutate(body []byte) []byte {
	body = append([]byte(nil), body...)
	if len(body) == 0 || g.IntN(8) == 0 {
		return g.random(body, 1+g.IntN(3))
	}
	at := g.IntN(len(body))
	switch g.IntN(6) {
	case 0:
		return body[:at]
	case 1:
		body[at] ^= 1 << g.IntN(8)
	case 2:
		body[at] = byte(g.Uint32())
	case 3:
		return append(body[:at], body[at+1:]...)
	case 4:
		tail := append([]byte(nil), body[at:]...)
		return append(binary.AppendVarint(body[:at], g.number()), tail...)
	case 5:
		body[at] = g.pick("\x00", "\x01", "\x02", "\x03", "\xff", "\x7f", "\x80")[0]
	}
	return body
}
