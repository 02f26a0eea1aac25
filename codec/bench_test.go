package codec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// benchSmall is a record of five scalar fields, some 100 bytes encoded.
const benchSmallSchema = `{"type":"record","name":"Reading","fields":[
	{"name":"id","type":"long"},{"name":"sensor","type":"string"},{"name":"value","type":"double"},
	{"name":"valid","type":"boolean"},{"name":"remark","type":"string"}]}`

type benchSmall struct {
	ID     int64   `avro:"id"`
	Sensor string  `avro:"sensor"`
	Value  float64 `avro:"value"`
	Valid  bool    `avro:"valid"`
	Remark string  `avro:"remark"`
}

func sampleSmall() benchSmall {
	return benchSmall{1_700_000_000_123, "building-7/floor-3/attic", 21.25, true, "calibrated in spring, drifts by a tenth when it is damp"}
}

// sampleBig is an order of 4 KiB: many items and tags.
func sampleBig() benchOrder {
	o := sampleOrder()
	for i := 0; i < 150; i++ {
		o.Items = append(o.Items, benchItem{fmt.Sprintf("SKU-%06d", i), int32(i), float64(i) / 4})
	}
	for i := range 25 {
		o.Tags[fmt.Sprintf("tag-%02d", i)] = fmt.Sprintf("the value of tag %d", i)
	}
	return o
}

// benchText is a record of 4 KiB that is nearly all text.
const benchTextSchema = `{"type":"record","name":"Page","fields":[
	{"name":"id","type":"long"},{"name":"title","type":"string"},{"name":"text","type":"string"},{"name":"raw","type":"bytes"}]}`

type benchText struct {
	ID    int64  `avro:"id"`
	Title string `avro:"title"`
	Text  string `avro:"text"`
	Raw   []byte `avro:"raw"`
}

func sampleText(pangram string) benchText {
	return benchText{7, "On pangrams", strings.Repeat(pangram, 45), make([]byte, 1000)}
}

// benchSeries is a record of 4 KiB of numbers.
const benchSeriesSchema = `{"type":"record","name":"Series","fields":[
	{"name":"start","type":"long"},{"name":"offsets","type":{"type":"array","items":"long"}},
	{"name":"levels","type":{"type":"array","items":"int"}},{"name":"values","type":{"type":"array","items":"double"}}]}`

type benchSeries struct {
	Start   int64     `avro:"start"`
	Offsets []int64   `avro:"offsets"`
	Levels  []int32   `avro:"levels"`
	Values  []float64 `avro:"values"`
}

func sampleSeries() (s benchSeries) {
	for i := range 350 {
		s.Offsets = append(s.Offsets, int64(i)*10_001)
		s.Levels = append(s.Levels, int32(i%50))
		s.Values = append(s.Values, float64(i)/7)
	}
	return s
}

// benchAvro measures weir's codec beside the library itself, with the library at its best: the value is handed to it by
// a pointer to where it is, the schema is parsed, the configuration frozen and warm, and is the one that the codec uses.
func benchAvro[T any](b *testing.B, schema string, sample T) {
	c, err := NewAvro[T](schema)
	if err != nil {
		b.Fatal(err)
	}
	body, err := c.Append(nil, sample)
	if err != nil {
		b.Fatal(err)
	}
	api, parsed, arena := newAPI(limitsOf(nil)), avro.MustParse(schema), make([]byte, 0, len(body))
	ops := []struct {
		name string
		op   func() error
	}{
		{"encode/hamba", func() error { _, err := api.Marshal(parsed, &sample); return err }},
		{"encode/weir", func() error { _, err := c.Append(nil, sample); return err }},    // each body for itself
		{"encode/arena", func() error { _, err := c.Append(arena, sample); return err }}, // as writers do it
		{"decode/hamba", func() error { var v T; return api.Unmarshal(parsed, body, &v) }},
		{"decode/weir", func() error { _, err := c.Decode(body); return err }},
		{"walk", func() error {
			if e := c.schema.root.check(body, &c.lim); e != nil {
				return e
			}
			return nil
		}},
	}
	for _, o := range ops {
		b.Run(o.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := o.op(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("encode/ratio", func(b *testing.B) { besides(b, ops[0].op, ops[1].op) })
	b.Run("encode/ratio-arena", func(b *testing.B) { besides(b, ops[0].op, ops[2].op) })
	b.Run("decode/ratio", func(b *testing.B) { besides(b, ops[3].op, ops[4].op) })
}

// besides reports how many times as long ours takes, by turns of 50, which is fair on a machine that does other things, too:
// the median of the turns.
func besides(b *testing.B, theirs, ours func() error) {
	turn := func(op func() error) time.Duration {
		start := time.Now()
		for range 50 {
			if err := op(); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	var ratios []float64
	for b.Loop() {
		t := turn(theirs)
		ratios = append(ratios, float64(turn(ours))/float64(t))
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[len(ratios)/2], "x-hamba")
}

func BenchmarkAvro(b *testing.B) {
	b.Run("small", func(b *testing.B) { benchAvro(b, benchSmallSchema, sampleSmall()) })
	b.Run("nested", func(b *testing.B) { benchAvro(b, benchSchema, sampleOrder()) })
	b.Run("big", func(b *testing.B) { benchAvro(b, benchSchema, sampleBig()) })
	b.Run("series", func(b *testing.B) { benchAvro(b, benchSeriesSchema, sampleSeries()) })
	b.Run("text", func(b *testing.B) {
		benchAvro(b, benchTextSchema, sampleText("Victor chases twelve boxers right across the big dike of Sylt. "))
	})
	b.Run("umlauts", func(b *testing.B) {
		benchAvro(b, benchTextSchema, sampleText("Victor jagt zwölf Boxkämpfer quer über den großen Sylter Deich. "))
	})
}

func BenchmarkAvroJSON(b *testing.B) {
	c, err := NewAvroJSON(benchSchema)
	if err != nil {
		b.Fatal(err)
	}
	typed, err := NewAvro[benchOrder](benchSchema)
	if err != nil {
		b.Fatal(err)
	}
	body, err := typed.Append(nil, sampleOrder())
	if err != nil {
		b.Fatal(err)
	}
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
