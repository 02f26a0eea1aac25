package codec

import (
	"encoding/json"
	"math"
)

// AvroJSON is the codec of records that are plain JSON to the caller and Avro on the wire. Safe for concurrent use.
type AvroJSON struct {
	schema *schema
	lim    Limits
}

// NewAvroJSON makes a codec that takes and gives JSON texts, each one value of the Avro schema (JSON, or the bare name of
// a primitive type).
//
//	Avro                 JSON
//	int, long            a whole number, in any spelling (1e3 is 1000), never rounded
//	float, double        a number, if it survives: a whole number must be held exactly or be printed the same, and
//	                     one of more digits than a float32 has is no float; NaN and infinities are printed as "NaN", "Infinity", "-Infinity" and not read
//	bytes, fixed         standard base64, padded
//	enum                 the symbol
//	union                the value itself: the first branch that fits is taken
//	record               an object; a missing field takes its default, an unknown one is an error
//	date, timestamp-…    printed as the underlying number; also read as RFC 3339 text
//	decimal              text with all digits of its scale, "-1.50"; also read as a number or with fewer digits, never
//	                     rounded. A decimal of more than 4,096 bytes is not printed.
//	other logical types  the underlying type
//
// What Append has taken Decode prints as the same value, and byte for byte if it was compact, in the schema's order, with
// no needless escapes, zeros or exponents. So that this holds in a union of several branches too, text is never taken for
// a date there, and a decimal is text in exactly the form that is printed.
//
// An error is an *Error that is ErrSchema.
func NewAvroJSON(schemaText string, opts ...Option) (*AvroJSON, error) {
	lim := limitsOf(opts)
	s, e := parse(schemaText, lim)
	if e != nil {
		return nil, e
	}
	return &AvroJSON{s, lim}, nil
}

// CanBeEmpty reports whether a record of this schema can be encoded as no bytes at all (null, an empty record). A pypz
// reader takes an empty body for text.
func (c *AvroJSON) CanBeEmpty() bool { return c.schema.root.min == 0 }

// ContentEncoding implements Codec: Avro bodies have none.
func (c *AvroJSON) ContentEncoding() string { return "" }

// Append implements Codec. In an error the offset is that in v. What does not fit the schema is ErrMismatch, what is no
// JSON ErrInvalid.
func (c *AvroJSON) Append(dst []byte, v json.RawMessage) ([]byte, error) {
	root := c.schema.root
	if len(v) > math.MaxInt32 {
		return dst, encodeError(ErrTooLarge, "%d bytes of JSON", len(v)).under(root)
	}
	var few [64]token
	tokens, e := scan(v, few[:0], c.lim.MaxDepth)
	if e != nil {
		return dst, e.under(root)
	}
	j := jsonEncoder{src: v, tokens: tokens, lim: &c.lim, out: dst, steps: stepsFor(len(tokens))}
	if e := j.value(root, 0, 0); e != nil {
		return dst, e.under(root)
	}
	if e := root.check(j.out[len(dst):], &c.lim); e != nil {
		e.Op, e.Offset = "encode", -1
		return dst, e
	}
	return j.out, nil
}

// Decode implements Codec: the record as compact JSON, fields in the schema's order, nothing escaped but what JSON
// demands. A map's entries keep the order they have in the body, and a key that is there twice is printed twice.
func (c *AvroJSON) Decode(body []byte) (json.RawMessage, error) {
	root := c.schema.root
	if e := root.check(body, &c.lim); e != nil {
		return nil, e
	}
	j := jsonDecoder{in: walk{body: body, lim: &c.lim}, out: make([]byte, 0, 2*len(body)+64)}
	if e := j.value(root); e != nil {
		return nil, e.under(root)
	}
	return j.out, nil
}
