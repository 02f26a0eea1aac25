package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// vector is one case of testdata/pypz.json: bytes that the original puts on the wire, or must be refused.
type vector struct {
	Schema json.RawMessage
	JSON   json.RawMessage
	Hex    string
	Why    string
}

func golden(t *testing.T, group string) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/pypz.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(groups[group], &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("group %s: %d vectors, %v", group, len(vectors), err)
	}
	return vectors
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ours is how our JSON writes what a vector's JSON says: bytes as base64, dates as numbers. The second is what the
// vector's JSON encodes to where pypz takes the last branch of a union and we the first.
func ours(t *testing.T, v vector) (text, encoding string) {
	var b bytes.Buffer
	if err := json.Compact(&b, v.JSON); err != nil {
		t.Fatal(err)
	}
	schema := string(bytes.Join(bytes.Fields(v.Schema), nil))
	switch {
	case schema == `"bytes"`:
		return `"AP8="`, v.Hex
	case strings.Contains(schema, `"fixed"`):
		return `"AQI="`, v.Hex
	case strings.Contains(schema, `"date"`):
		return "20454", v.Hex
	case strings.Contains(schema, `"timestamp-millis"`):
		return "1767225600000", v.Hex
	case schema == `["int","long"]`, schema == `["int","double"]`:
		return "5", "000a"
	}
	return strings.ReplaceAll(b.String(), `\u00f6`, "ö"), v.Hex
}

func TestGoldenBodies(t *testing.T) {
	for _, v := range golden(t, "avro") {
		c, err := NewAvroJSON(string(v.Schema))
		if err != nil {
			t.Fatalf("%s: %v", v.Schema, err)
		}
		text, encoding := ours(t, v)
		if got, err := c.Decode(unhex(t, v.Hex)); err != nil || string(got) != text {
			t.Errorf("%s %s: decoded %s, %v; want %s", v.Schema, v.Hex, got, err, text)
		}
		if got, err := c.Append(nil, json.RawMessage(text)); err != nil || hex.EncodeToString(got) != encoding {
			t.Errorf("%s %s: encoded %x, %v; want %s", v.Schema, text, got, err, encoding)
		}
		if strings.Contains(string(v.Schema), "logicalType") { // these are text in the vectors: it is read, too
			if got, err := c.Append(nil, v.JSON); err != nil || hex.EncodeToString(got) != v.Hex {
				t.Errorf("%s %s: encoded %x, %v; want %s", v.Schema, v.JSON, got, err, v.Hex)
			}
		}
		roundTripAny(t, v)
	}
}

// roundTripAny: what the original wrote comes out of the typed codec as it went in, to the byte.
func roundTripAny(t *testing.T, v vector) {
	t.Helper()
	c, err := NewAvro[any](string(v.Schema))
	if err != nil {
		t.Fatalf("%s: %v", v.Schema, err)
	}
	value, err := c.Decode(unhex(t, v.Hex))
	if err != nil {
		t.Fatalf("%s %s: %v", v.Schema, v.Hex, err)
	}
	got, err := c.Append(nil, value)
	if err != nil {
		t.Fatalf("%s %#v: %v", v.Schema, value, err)
	}
	if len(got) != len(v.Hex)/2 || !strings.Contains(string(v.Schema), "map") && hex.EncodeToString(got) != v.Hex {
		t.Errorf("%s %#v: encoded %x, want %s", v.Schema, value, got, v.Hex)
	}
}

func TestGoldenMustDecode(t *testing.T) {
	for _, v := range golden(t, "avro_must_decode") {
		c, err := NewAvroJSON(string(v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := ours(t, v)
		if got, err := c.Decode(unhex(t, v.Hex)); err != nil || string(got) != text {
			t.Errorf("%s: decoded %s, %v; want %s", v.Why, got, err, text)
		}
	}
}

func TestGoldenMustRefuse(t *testing.T) {
	kinds := map[string]error{
		"truncated": ErrTruncated, "truncated varint": ErrTruncated, "empty": ErrTruncated, "a byte after the end": ErrTrailing,
		"no such symbol": ErrInvalid, "negative length": ErrInvalid, "neither 0 nor 1": ErrInvalid, "no such branch": ErrInvalid,
		"a block of 2^63-1 items": ErrTooLarge, "50 million items in 5 bytes": ErrTooLarge,
	}
	for _, v := range golden(t, "avro_must_refuse") {
		want, known := kinds[v.Why]
		if !known {
			t.Errorf("no error is expected for %q", v.Why)
			continue
		}
		typed, err := NewAvro[any](string(v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := NewAvroJSON(string(v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := typed.Decode(unhex(t, v.Hex)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", v.Why, err, want)
		}
		if _, err := plain.Decode(unhex(t, v.Hex)); !errors.Is(err, want) {
			t.Errorf("%s as JSON: %v, want %v", v.Why, err, want)
		}
	}
}
