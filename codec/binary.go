package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// AvroBinary is the codec of records that are Avro already, each the bare binary encoding of one datum. It checks them
// against the schema and leaves them as they are, byte for byte. Safe for concurrent use.
type AvroBinary struct {
	schema *schema
	text   string
	lim    Limits
}

// NewAvroBinary makes a codec from an Avro schema (JSON, or the bare name of a primitive type). An error is an *Error that
// is ErrSchema.
func NewAvroBinary(schemaText string, opts ...Option) (*AvroBinary, error) {
	lim := limitsOf(opts)
	s, e := parse(schemaText, lim)
	if e != nil {
		return nil, e
	}
	return &AvroBinary{s, asJSON(schemaText), lim}, nil
}

// asJSON is a schema that has been parsed as compact JSON, with all its attributes; a bare name gets its quotes.
func asJSON(schemaText string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(schemaText)) != nil {
		return strconv.Quote(schemaText)
	}
	return b.String()
}

// Schema is the schema as compact JSON, with its documentation, defaults and whatever else it had.
func (c *AvroBinary) Schema() string { return c.text }

// Canonical is the schema's Parsing Canonical Form: two schemas with the same one have the same encodings, and the same
// names.
func (c *AvroBinary) Canonical() string {
	var b strings.Builder
	canonical(&b, c.schema.avro)
	return b.String()
}

// CanBeEmpty reports whether a record of this schema can be encoded as no bytes at all (null, an empty record). A pypz
// reader takes an empty body for text.
func (c *AvroBinary) CanBeEmpty() bool { return c.schema.root.min == 0 }

// ContentEncoding implements Codec: Avro bodies have none.
func (c *AvroBinary) ContentEncoding() string { return "" }

// Append implements Codec.
func (c *AvroBinary) Append(dst, v []byte) ([]byte, error) {
	if e := c.schema.root.check(v, &c.lim); e != nil {
		e.Op = "encode"
		return dst, e
	}
	return append(dst, v...), nil
}

// Decode implements Codec. It returns the body itself, not a copy, as Raw does.
func (c *AvroBinary) Decode(body []byte) ([]byte, error) {
	if e := c.schema.root.check(body, &c.lim); e != nil {
		return nil, e
	}
	return body, nil
}

// Next is the length of the record that data begins with: exactly these bytes are what Decode takes. It allocates
// nothing but its error, and its work is linear in that length.
func (c *AvroBinary) Next(data []byte) (int, error) {
	root := c.schema.root
	w := walk{body: data[:min(len(data), c.lim.MaxBody)], lim: &c.lim}
	if end := root.fast.end(w.body, w.lim); end >= 0 {
		return end, nil
	}
	e := w.value(root, 0)
	if e == nil {
		return w.pos, nil
	}
	if errors.Is(e, ErrTruncated) && len(w.body) < len(data) { // only the limit has cut it off
		e.Kind, e.Reason = ErrTooLarge, "more than "+strconv.Itoa(c.lim.MaxBody)+" bytes"
	}
	return 0, e.under(root)
}
