package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// goldenGroups are the Avro groups of testdata/pypz.json, with how many vectors each has and what is said of one. A group or vector more or less
// fails, and so does one that a test passes over.
var goldenGroups = map[string]struct {
	vectors int
	keys    []string
}{
	"avro":             {18, []string{"hex", "json", "schema"}},
	"avro_must_decode": {1, []string{"hex", "json", "schema", "why"}},
	"avro_must_refuse": {11, []string{"hex", "schema", "why"}},
}

// vector is one case: bytes that the original puts on the wire, or must be refused.
type vector struct {
	Schema json.RawMessage
	JSON   json.RawMessage
	Hex    string
	Why    string
}

func goldenFile(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/pypz.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	return groups
}

func TestGoldenGroupsAreAllKnown(t *testing.T) {
	for name := range goldenFile(t) {
		if _, known := goldenGroups[name]; strings.HasPrefix(name, "avro") && !known {
			t.Errorf("no test holds the group %s", name)
		}
	}
}

// proofs counts what was held of the vectors of a group.
type proofs map[string]int

// golden gives a group's vectors. At the test's end each of the steps must have been done for every one.
func golden(t *testing.T, group string, steps ...string) ([]vector, proofs) {
	t.Helper()
	var raw []map[string]json.RawMessage
	var vectors []vector
	text := goldenFile(t)[group]
	if err := errors.Join(json.Unmarshal(text, &raw), json.Unmarshal(text, &vectors)); err != nil {
		t.Fatal(err)
	}
	want := goldenGroups[group]
	if len(raw) != want.vectors {
		t.Errorf("group %s has %d vectors, not %d", group, len(raw), want.vectors)
	}
	for _, v := range raw {
		if keys := slices.Sorted(maps.Keys(v)); !slices.Equal(keys, want.keys) {
			t.Errorf("group %s: a vector of %v, not %v", group, keys, want.keys)
		}
	}
	done := proofs{}
	t.Cleanup(func() {
		for _, step := range steps {
			if done[step] != want.vectors {
				t.Errorf("group %s: %s was held for %d of %d vectors", group, step, done[step], want.vectors)
			}
		}
		if len(done) != len(steps) {
			t.Errorf("group %s: held %v, expected %v", group, done, steps)
		}
	})
	return vectors, done
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func codecs(t *testing.T, v vector) (plain *AvroJSON, typed *Avro[any], binary *AvroBinary) {
	t.Helper()
	text := string(v.Schema)
	plain = mustJSON(t, text)
	typed, err := NewAvro[any](text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return plain, typed, mustBinary(t, text)
}

func TestGoldenBodies(t *testing.T) {
	vectors, done := golden(t, "avro", "JSON decoded", "JSON encoded", "typed decoded", "typed encoded", "binary taken")
	otherBranch := 0
	for _, v := range vectors {
		plain, typed, binary := codecs(t, v)
		decodesAsJSON(t, plain, v, done)
		otherBranch += encodesFromJSON(t, plain, v, done)
		value := goValue(t, plain.schema.root, v.JSON)
		decodesTyped(t, typed, v, value, done)
		if got, err := typed.Append(nil, value); err != nil || !sameEntries(plain, got, unhex(t, v.Hex)) {
			t.Errorf("%s %#v: encoded %x, %v; want %s", v.Schema, value, got, err, v.Hex)
		}
		done["typed encoded"]++
		takesBinary(t, binary, v, done)
	}
	if otherBranch != 2 {
		t.Errorf("another branch than the original's was taken %d times, not 2", otherBranch)
	}
}

func TestGoldenMustDecode(t *testing.T) {
	vectors, done := golden(t, "avro_must_decode", "JSON decoded", "typed decoded", "binary taken")
	for _, v := range vectors {
		plain, typed, binary := codecs(t, v)
		decodesAsJSON(t, plain, v, done)
		decodesTyped(t, typed, v, goValue(t, plain.schema.root, v.JSON), done)
		takesBinary(t, binary, v, done)
	}
}

func decodesAsJSON(t *testing.T, plain *AvroJSON, v vector, done proofs) {
	t.Helper()
	if got, err := plain.Decode(unhex(t, v.Hex)); err != nil || string(got) != ours(t, plain.schema.root, v.JSON) {
		t.Errorf("%s %s: decoded %s, %v; want %s", v.Schema, v.Hex, got, err, ours(t, plain.schema.root, v.JSON))
	}
	done["JSON decoded"]++
}

// encodesFromJSON: what our JSON says becomes the vector's bytes. Where the original takes the last branch of a union and we the first that fits, it is 1,
// and both decode to the same.
func encodesFromJSON(t *testing.T, plain *AvroJSON, v vector, done proofs) (otherBranch int) {
	t.Helper()
	root := plain.schema.root
	text, want := ours(t, root, v.JSON), v.Hex
	if n := root; n.kind == kindUnion && pypzBranch(n, parsed(t, v.JSON)) != ourBranch(n, parsed(t, v.JSON)) {
		otherBranch = 1
		one := &AvroJSON{&schema{root: n.union[ourBranch(n, parsed(t, v.JSON))]}, plain.lim}
		body, err := one.Append([]byte{byte(2 * ourBranch(n, parsed(t, v.JSON)))}, json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		want = hex.EncodeToString(body)
		if want == v.Hex {
			t.Errorf("%s %s: no other branch", v.Schema, v.Hex)
		}
	}
	got, err := plain.Append(nil, json.RawMessage(text))
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%s %s: encoded %x, %v; want %s", v.Schema, text, got, err, want)
	}
	if again, err := plain.Decode(got); err != nil || string(again) != text {
		t.Errorf("%s %x: decoded %s, %v; want %s", v.Schema, got, again, err, text)
	}
	if root.logical != "" { // these are text in the vectors: it is read, too
		if got, err := plain.Append(nil, v.JSON); err != nil || hex.EncodeToString(got) != v.Hex {
			t.Errorf("%s %s: encoded %x, %v; want %s", v.Schema, v.JSON, got, err, v.Hex)
		}
	}
	done["JSON encoded"]++
	return otherBranch
}

func decodesTyped(t *testing.T, typed *Avro[any], v vector, want any, done proofs) {
	t.Helper()
	root := typed.schema.root
	got, err := typed.Decode(unhex(t, v.Hex))
	if err != nil || normal(root, got, hambaWraps) != normal(root, want, hambaWraps) {
		t.Errorf("%s %s: decoded %#v, %v; want %#v", v.Schema, v.Hex, got, err, want)
	}
	done["typed decoded"]++
}

func takesBinary(t *testing.T, binary *AvroBinary, v vector, done proofs) {
	t.Helper()
	body := unhex(t, v.Hex)
	if got, err := binary.Append(nil, body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s: %x became %x, %v", v.Schema, body, got, err)
	}
	if got, err := binary.Decode(body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s: %x became %x, %v", v.Schema, body, got, err)
	}
	done["binary taken"]++
}

// sameEntries: the bodies are the same, but for the order of a map's entries, which a Go map has not.
func sameEntries(c *AvroJSON, a, b []byte) bool {
	if c.schema.root.kind != kindMap {
		return bytes.Equal(a, b)
	}
	texts := [2]map[string]any{}
	for i, body := range [][]byte{a, b} {
		text, err := c.Decode(body)
		if err != nil || json.Unmarshal(text, &texts[i]) != nil {
			return false
		}
	}
	return len(a) == len(b) && reflect.DeepEqual(texts[0], texts[1])
}

func TestGoldenMustRefuse(t *testing.T) {
	kinds := map[string]error{
		"truncated": ErrTruncated, "truncated varint": ErrTruncated, "empty": ErrTruncated, "a byte after the end": ErrTrailing,
		"no such symbol": ErrInvalid, "negative length": ErrInvalid, "neither 0 nor 1": ErrInvalid, "no such branch": ErrInvalid,
		"a block of 2^63-1 items": ErrTooLarge, "50 million items in 5 bytes": ErrTooLarge,
	}
	vectors, done := golden(t, "avro_must_refuse", "typed", "JSON", "binary decoded", "binary encoded")
	for _, v := range vectors {
		want, known := kinds[v.Why]
		if !known {
			t.Errorf("no error is expected for %q", v.Why)
			continue
		}
		plain, typed, binary := codecs(t, v)
		body := unhex(t, v.Hex)
		for step, refused := range map[string]func() error{
			"typed":          func() error { _, err := typed.Decode(body); return err },
			"JSON":           func() error { _, err := plain.Decode(body); return err },
			"binary decoded": func() error { _, err := binary.Decode(body); return err },
			"binary encoded": func() error { _, err := binary.Append(nil, body); return err },
		} {
			if err := refused(); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, want %v", v.Why, step, err, want)
			}
			done[step]++
		}
	}
}

func parsed(t *testing.T, text json.RawMessage) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

var escaped = regexp.MustCompile(`\\u00[89a-f][0-9a-f]`)

// ours is how our JSON writes what a vector's JSON says: bytes as base64, dates as numbers, nothing escaped without need.
func ours(t *testing.T, n *node, text json.RawMessage) string {
	t.Helper()
	s, isText := parsed(t, text).(string)
	switch {
	case isText && (n.kind == kindBytes || n.kind == kindFixed) && n.logical == "":
		return strconv.Quote(base64.StdEncoding.EncodeToString(codePoints(s)))
	case n.logical == "date":
		return strconv.FormatInt(instant(t, s+"T00:00:00Z").Unix()/86400, 10)
	case n.logical == "timestamp-millis":
		return strconv.FormatInt(instant(t, s).UnixMilli(), 10)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return escaped.ReplaceAllStringFunc(b.String(), func(e string) string {
		r, _ := strconv.ParseUint(e[2:], 16, 32)
		return string(rune(r))
	})
}

// codePoints are the bytes that Avro's own JSON writes as code points.
func codePoints(s string) (b []byte) {
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// fits says whether the original takes a value for a type: of texts only strings, of whole numbers all numbers.
func fits(n *node, v any) bool {
	switch v := v.(type) {
	case nil:
		return n.kind == kindNull
	case string:
		return n.kind == kindString
	case json.Number:
		_, err := v.Int64()
		return n.kind == kindFloat || n.kind == kindDouble || err == nil && (n.kind == kindInt || n.kind == kindLong)
	}
	panic(fmt.Sprintf("no vector has %T in a union yet", v))
}

// pypzBranch is the branch of a union that the original takes: the last that fits.
func pypzBranch(n *node, v any) int {
	last := -1
	for i, b := range n.union {
		if fits(b, v) {
			last = i
		}
	}
	return last
}

// ourBranch is the first that fits.
func ourBranch(n *node, v any) int {
	return slices.IndexFunc(n.union, func(b *node) bool { return fits(b, v) })
}

// goValue is what a vector's JSON says as a Go value of the types that Avro[any] takes.
func goValue(t *testing.T, n *node, text json.RawMessage) any {
	t.Helper()
	return asGo(t, n, parsed(t, text))
}

func asGo(t *testing.T, n *node, v any) any {
	t.Helper()
	number := func() int64 {
		i, err := v.(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	float := func() float64 {
		f, err := v.(json.Number).Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	switch n.kind {
	case kindNull, kindBoolean, kindString, kindEnum:
		return v
	case kindInt, kindLong:
		switch {
		case n.logical == "date":
			return instant(t, v.(string)+"T00:00:00Z")
		case n.logical == "timestamp-millis":
			return instant(t, v.(string))
		case n.kind == kindInt:
			return int(number())
		}
		return number()
	case kindFloat:
		return float32(float())
	case kindDouble:
		return float()
	case kindBytes:
		if n.prec > 0 {
			r, ok := new(big.Rat).SetString(v.(string))
			if !ok {
				t.Fatalf("%v", v)
			}
			return r
		}
		return codePoints(v.(string))
	case kindFixed:
		array := reflect.New(reflect.ArrayOf(n.size, reflect.TypeFor[byte]())).Elem()
		reflect.Copy(array, reflect.ValueOf(codePoints(v.(string))))
		return array.Interface()
	case kindUnion:
		return asGo(t, n.union[pypzBranch(n, v)], v)
	case kindArray:
		items := []any{}
		for _, item := range v.([]any) {
			items = append(items, asGo(t, n.items, item))
		}
		return items
	}
	entries := map[string]any{}
	for key, item := range v.(map[string]any) {
		if n.kind == kindRecord {
			entries[key] = asGo(t, n.fields[n.index[key]].node, item)
		} else {
			entries[key] = asGo(t, n.items, item)
		}
	}
	return entries
}
