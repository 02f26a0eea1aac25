package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// FuzzWalk holds the walk and the decoders against the oracle, on a schema made from the seed.
func FuzzWalk(f *testing.F) {
	for seed := range uint64(20) {
		g := newGenerator(seed)
		root := mustParse(f, g.schema(4))
		f.Add(seed, g.body(nil, root, 4))
	}
	f.Add(uint64(1), []byte{0x80, 0xc2, 0xd7, 0x2f, 0})
	f.Fuzz(func(t *testing.T, seed uint64, body []byte) {
		newOracle(t, newGenerator(seed).schema(4)).compare(t, body)
	})
}

// FuzzJSON: no text makes the scanner panic; it takes exactly what encoding/json takes, save lone surrogates and bytes
// that are not UTF-8, which that repairs in silence; and what is encoded is printed again as the same.
func FuzzJSON(f *testing.F) {
	schemas := []string{`"long"`, `"double"`, `["float","double"]`, `"string"`, `["bytes","string"]`, benchSchema, listSchema,
		`{"type":"map","values":["int","double","string","null","boolean",{"type":"array","items":"long"}]}`}
	for i, text := range []string{`1e3`, `-0.0`, `0.1`, `"\ud83d\ude00"`, `"YQ=="`, `{"id":1,"customer":"c","note":null,` +
		`"total":1.5,"paid":true,"items":[],"tags":{}}`, `{"value":1,"next":{"value":2,"next":null}}`, `{"a":[1,2],"b":1.5}`} {
		f.Add(byte(i), text)
	}
	codecs := make([]*AvroJSON, len(schemas))
	for i, s := range schemas {
		codecs[i] = mustJSON(f, s)
	}
	f.Fuzz(func(t *testing.T, which byte, text string) {
		_, e := scan([]byte(text), nil, 10_000)
		if valid := json.Valid([]byte(text)); e == nil && !valid {
			t.Fatalf("%q is taken for JSON", text)
		} else if e != nil && valid && !bytes.Contains([]byte(text), []byte(`\u`)) && firstInvalid([]byte(text)) < 0 {
			t.Fatalf("%q is JSON: %v", text, e)
		}
		c := codecs[int(which)%len(codecs)]
		body, err := c.Append(nil, json.RawMessage(text))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v is no *Error", text, err)
			}
			return
		}
		printed, err := c.Decode(body)
		if err != nil {
			t.Fatalf("%q is encoded as %x, which is refused: %v", text, body, err)
		}
		again, err := c.Append(nil, printed)
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%q is printed as %s, which is encoded as %x, not %x, %v", text, printed, again, body, err)
		}
	})
}
