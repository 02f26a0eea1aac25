package codec

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hamba/avro/v2"
)

const benchSchema = `{"type":"record","name":"Order","fields":[
	{"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"note","type":["null","string"]},
	{"name":"total","type":"double"},{"name":"paid","type":"boolean"},
	{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
		{"name":"sku","type":"string"},{"name":"count","type":"int"},{"name":"price","type":"double"}]}}},
	{"name":"tags","type":{"type":"map","values":"string"}}]}`

type benchOrder struct {
	ID       int64             `avro:"id"`
	Customer string            `avro:"customer"`
	Note     *string           `avro:"note"`
	Total    float64           `avro:"total"`
	Paid     bool              `avro:"paid"`
	Items    []benchItem       `avro:"items"`
	Tags     map[string]string `avro:"tags"`
}

type benchItem struct {
	SKU   string  `avro:"sku"`
	Count int32   `avro:"count"`
	Price float64 `avro:"price"`
}

func sampleOrder() benchOrder {
	note := "leave it at the door"
	return benchOrder{
		ID: 123456789, Customer: "Zwölf & Söhne", Note: &note, Total: 99.95, Paid: true,
		Items: []benchItem{{"A-1", 2, 9.5}, {"B-22", 1, 80.95}, {"C-333", 12, 0.1}},
		Tags:  map[string]string{"source": "web"},
	}
}

func benchCodec(b *testing.B) (*Avro[benchOrder], []byte) {
	c, err := NewAvro[benchOrder](benchSchema)
	if err != nil {
		b.Fatal(err)
	}
	body, err := c.Append(nil, sampleOrder())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	return c, body
}

func BenchmarkAvroEncode(b *testing.B) {
	order := sampleOrder()
	b.Run("weir", func(b *testing.B) {
		c, _ := benchCodec(b)
		buf := make([]byte, 0, 1024)
		for b.Loop() {
			if _, err := c.Append(buf, order); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hamba", func(b *testing.B) {
		c, _ := benchCodec(b)
		for b.Loop() {
			o := order
			if _, err := c.api.Marshal(c.schema.avro, &o); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAvroDecode(b *testing.B) {
	b.Run("weir", func(b *testing.B) {
		c, body := benchCodec(b)
		for b.Loop() {
			if _, err := c.Decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hamba", func(b *testing.B) {
		c, body := benchCodec(b)
		s := avro.MustParse(benchSchema)
		for b.Loop() {
			var o benchOrder
			if err := c.api.Unmarshal(s, body, &o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("walk", func(b *testing.B) {
		c, body := benchCodec(b)
		for b.Loop() {
			if e := c.schema.root.check(body, &c.lim); e != nil {
				b.Fatal(e)
			}
		}
	})
}

func BenchmarkAvroJSON(b *testing.B) {
	c, err := NewAvroJSON(benchSchema)
	if err != nil {
		b.Fatal(err)
	}
	_, body := benchCodec(b)
	line, err := c.Decode(body)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 1024)
		for b.Loop() {
			if _, err := c.Append(buf, line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// ExampleNewAvroJSON keeps plain JSON lines as Avro.
func ExampleNewAvroJSON() {
	c, err := NewAvroJSON(`{"type":"record","name":"Reading","fields":[
		{"name":"sensor","type":"string"},{"name":"value","type":["null","double"],"default":null}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := c.Append(nil, json.RawMessage(`{"sensor": "attic"}`))
	fmt.Printf("%x %v\n", body, err)
	line, err := c.Decode(body)
	fmt.Println(string(line), err)
	_, err = c.Append(nil, json.RawMessage(`{"sensor": "attic", "value": true}`))
	fmt.Println(err)
	// Output:
	// 0a617474696300 <nil>
	// {"sensor":"attic","value":null} <nil>
	// codec: encode Reading.value at byte 29: does not fit the schema: true fits no branch of the union
}
