package codec

import (
	"strconv"
	"strings"

	"github.com/hamba/avro/v2"
)

// canonical writes a schema's Parsing Canonical Form as the specification has it. The library's own keeps logical types,
// which change no encoding.
func canonical(b *strings.Builder, s avro.Schema) {
	switch s := s.(type) {
	case *avro.RefSchema:
		b.WriteString(strconv.Quote(s.Schema().FullName()))
	case *avro.RecordSchema:
		named(b, s, "record")
		b.WriteString(`,"fields":[`)
		for i, f := range s.Fields() {
			comma(b, i)
			b.WriteString(`{"name":` + strconv.Quote(f.Name()) + `,"type":`)
			canonical(b, f.Type())
			b.WriteByte('}')
		}
		b.WriteString("]}")
	case *avro.EnumSchema:
		named(b, s, "enum")
		b.WriteString(`,"symbols":[`)
		for i, symbol := range s.Symbols() {
			comma(b, i)
			b.WriteString(strconv.Quote(symbol))
		}
		b.WriteString("]}")
	case *avro.FixedSchema:
		named(b, s, "fixed")
		b.WriteString(`,"size":` + strconv.Itoa(s.Size()) + "}")
	case *avro.ArraySchema:
		b.WriteString(`{"type":"array","items":`)
		canonical(b, s.Items())
		b.WriteByte('}')
	case *avro.MapSchema:
		b.WriteString(`{"type":"map","values":`)
		canonical(b, s.Values())
		b.WriteByte('}')
	case *avro.UnionSchema:
		b.WriteByte('[')
		for i, branch := range s.Types() {
			comma(b, i)
			canonical(b, branch)
		}
		b.WriteByte(']')
	default:
		b.WriteString(strconv.Quote(string(s.Type())))
	}
}

// named writes the beginning of a named type, without the closing brace.
func named(b *strings.Builder, s avro.NamedSchema, typ string) {
	b.WriteString(`{"name":` + strconv.Quote(s.FullName()) + `,"type":"` + typ + `"`)
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}
