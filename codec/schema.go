package codec

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/hamba/avro/v2"
)

// kind is the type of a node: what its bytes look like.
type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindString
	kindBytes
	kindFixed
	kindEnum
	kindArray
	kindMap
	kindUnion
	kindRecord
)

// String is the type's name in a schema.
func (k kind) String() string {
	return [...]string{"null", "boolean", "int", "long", "float", "double", "string", "bytes", "fixed", "enum", "array",
		"map", "union", "record"}[k]
}

// node is one type of a compiled schema. Named types are nodes that are shared, so a recursive schema is a cyclic graph.
// Immutable once compiled.
type node struct {
	kind    kind
	name    string           // a named type's short name, for paths
	logical avro.LogicalType // empty if none
	nanos   bool             // a time-micros: becomes nanoseconds
	prec    int              // of a decimal
	scale   int              // of a decimal
	size    int              // of a fixed, bytes
	min     int              // the fewest bytes a value takes; 0 exactly if every value takes none
	empties int              // of a node with min 0: how many values without bytes it stands for
	items   *node            // of an array or map
	nodes   []*node          // of a record: its fields' types once more, close together
	fields  []field          // of a record
	index   map[string]int   // field or symbol → position
	symbols []string         // of an enum
	union   []*node          // branches
	names   []string         // of a union: what the library calls its branches
	several bool             // of a union: more than one branch besides null
	fast    *program         // of a schema's root: all of it, compiled
}

type field struct {
	name   string
	node   *node
	hasDef bool
	rawDef []byte // the default as the schema has it, JSON
	def    []byte // the default's encoding
}

// maxMin saturates sums of sizes.
const maxMin = 1 << 30

func (n *node) rootName() string {
	if n.kind == kindRecord {
		return n.name
	}
	return ""
}

// schema is a parsed schema: the library's form, and ours.
type schema struct {
	avro avro.Schema
	root *node
	// inexact is the path of a default that the library cannot hold exactly, since it parses numbers as floats.
	inexact string
}

// parse parses and compiles a schema. It uses no cache of names: two schemas may both define a type of one name.
func parse(text string, lim Limits) (*schema, *Error) {
	parsed, err := parseAvro(text)
	if err != nil {
		e := schemaError("not an Avro schema")
		e.Cause = brief(err)
		return nil, e
	}
	c := &compiler{named: map[string]*node{}}
	root, e := c.compile(parsed, rawOf(text))
	if e != nil {
		return nil, e
	}
	for _, n := range c.all {
		if !c.measure(n) {
			return nil, schemaError("%s contains itself without end", n.name)
		}
	}
	for _, n := range c.records {
		if e := compileDefaults(n, lim); e != nil {
			return nil, e
		}
	}
	root.fast = programs{}.program(root)
	return &schema{avro: parsed, root: root, inexact: c.inexact}, nil
}

// brief cuts an error of the library's that holds all of a long schema.
func brief(err error) error {
	const most = 300
	if text := err.Error(); len(text) > most {
		return errors.New(strings.ToValidUTF8(text[:most], "") + "…")
	}
	return err
}

// parseAvro has the library parse a schema. It panics on a record with a default for a field of its own type.
func parseAvro(text string) (s avro.Schema, err error) {
	defer caught(&err)
	return avro.ParseWithCache(text, "", &avro.SchemaCache{})
}

// rawOf is the schema as JSON with its numbers untouched; the library also takes a bare type name.
func rawOf(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var raw any
	if d.Decode(&raw) != nil {
		return strings.TrimSpace(text)
	}
	return raw
}

type compiler struct {
	named   map[string]*node
	all     []*node
	records []*node
	inexact string
}

func (c *compiler) node(k kind) *node {
	n := &node{kind: k, min: -1}
	c.all = append(c.all, n)
	return n
}

// compile walks the library's schema and the JSON it came from side by side; the JSON is only for defaults.
func (c *compiler) compile(s avro.Schema, raw any) (*node, *Error) {
	if m, ok := raw.(map[string]any); ok {
		if u, ok := m["type"].([]any); ok {
			raw = u
		}
	}
	switch s := s.(type) {
	case *avro.RefSchema:
		if n := c.named[s.Schema().FullName()]; n != nil {
			return n, nil
		}
		return nil, schemaError("%s is used before it is defined", s.Schema().FullName())
	case *avro.NullSchema:
		return c.node(kindNull), nil
	case *avro.PrimitiveSchema:
		return c.primitive(s)
	case *avro.FixedSchema:
		if s.Size() > maxMin {
			return nil, schemaError("%s is a fixed of %d bytes", s.FullName(), s.Size())
		}
		n := c.node(kindFixed)
		n.name, n.size = s.Name(), s.Size()
		n.setLogical(s.Logical())
		c.named[s.FullName()] = n
		return n, nil
	case *avro.EnumSchema:
		n := c.node(kindEnum)
		n.name, n.symbols, n.index = s.Name(), s.Symbols(), map[string]int{}
		for i, sym := range n.symbols {
			n.index[sym] = i
		}
		c.named[s.FullName()] = n
		return n, nil
	case *avro.ArraySchema:
		return c.container(kindArray, s.Items(), raw, "items")
	case *avro.MapSchema:
		return c.container(kindMap, s.Values(), raw, "values")
	case *avro.UnionSchema:
		return c.branches(s, raw)
	case *avro.RecordSchema:
		return c.record(s, raw)
	}
	return nil, schemaError("type %s is not known", s.Type())
}

func (c *compiler) primitive(s *avro.PrimitiveSchema) (*node, *Error) {
	kinds := map[avro.Type]kind{
		avro.Boolean: kindBoolean, avro.Int: kindInt, avro.Long: kindLong, avro.Float: kindFloat,
		avro.Double: kindDouble, avro.String: kindString, avro.Bytes: kindBytes,
	}
	k, ok := kinds[s.Type()]
	if !ok {
		return nil, schemaError("type %s is not known", s.Type())
	}
	n := c.node(k)
	n.setLogical(s.Logical())
	return n, nil
}

func (n *node) setLogical(l avro.LogicalSchema) {
	if l == nil {
		return
	}
	n.logical = l.Type()
	n.nanos = n.logical == avro.TimeMicros
	if d, ok := l.(*avro.DecimalLogicalSchema); ok {
		n.prec, n.scale = d.Precision(), d.Scale()
	}
}

func (c *compiler) container(k kind, items avro.Schema, raw any, key string) (*node, *Error) {
	n := c.node(k)
	m, _ := raw.(map[string]any)
	var e *Error
	n.items, e = c.compile(items, m[key])
	return n, e
}

func (c *compiler) branches(s *avro.UnionSchema, raw any) (*node, *Error) {
	n := c.node(kindUnion)
	if len(s.Types()) == 0 {
		return nil, schemaError("a union without branches")
	}
	list, _ := raw.([]any)
	values := 0
	for i, t := range s.Types() {
		var r any
		if i < len(list) {
			r = list[i]
		}
		b, e := c.compile(t, r)
		if e != nil {
			return nil, e
		}
		if b.kind != kindNull {
			values++
		}
		n.union = append(n.union, b)
		n.names = append(n.names, branchName(t))
	}
	n.several = values > 1
	return n, nil
}

// branchName is the key by which a map[string]any of one entry names a branch: a named type's full name, else the type
// with its logical type, as in long.timestamp-millis.
func branchName(s avro.Schema) string {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema().FullName()
	}
	if named, ok := s.(avro.NamedSchema); ok {
		return named.FullName()
	}
	name := string(s.Type())
	if l, ok := s.(avro.LogicalTypeSchema); ok && l.Logical() != nil {
		name += "." + string(l.Logical().Type())
	}
	return name
}

func (c *compiler) record(s *avro.RecordSchema, raw any) (*node, *Error) {
	n := c.node(kindRecord)
	n.name, n.index = s.Name(), map[string]int{}
	c.named[s.FullName()] = n
	c.records = append(c.records, n)
	m, _ := raw.(map[string]any)
	list, _ := m["fields"].([]any)
	for i, f := range s.Fields() {
		var r map[string]any
		if i < len(list) {
			r, _ = list[i].(map[string]any)
		}
		t, e := c.compile(f.Type(), r["type"])
		if e != nil {
			return nil, e
		}
		def, e := c.rawDefault(n.name, f, r)
		if e != nil {
			return nil, e
		}
		n.index[f.Name()] = i
		n.nodes = append(n.nodes, t)
		n.fields = append(n.fields, field{name: f.Name(), node: t, hasDef: f.HasDefault(), rawDef: def})
	}
	return n, nil
}

func (c *compiler) rawDefault(record string, f *avro.Field, raw map[string]any) ([]byte, *Error) {
	if !f.HasDefault() {
		return nil, nil
	}
	v, ok := raw["default"]
	if !ok {
		return nil, schemaError("the default of %s.%s is not under the key \"default\"", record, f.Name())
	}
	if c.inexact == "" && inexact(v) {
		c.inexact = record + "." + f.Name()
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, schemaError("the default of %s.%s: %v", record, f.Name(), err)
	}
	return text, nil
}
