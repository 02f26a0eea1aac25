package rabbitstream

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"

	"github.com/d2e2d648/weir/broker"
)

// judged is what the stream client's decoder has found.
func judged(m *amqp.Message) broker.Record {
	r := broker.Record{Body: slices.Concat(m.Data...)}
	if m.Properties == nil && m.ApplicationProperties == nil {
		return r
	}
	p := &broker.Properties{}
	if own := m.Properties; own != nil {
		p.ContentEncoding, p.AppID = own.ContentEncoding, own.GroupID
		switch id := own.MessageID.(type) {
		case []byte:
			p.MessageID = string(id)
		case string, uint64, amqp.UUID:
			p.MessageID = fmt.Sprint(id)
		}
	}
	for key, value := range m.ApplicationProperties {
		switch text, is := value.(string); {
		case !is:
		case key == olderAppID:
			p.AppID = text
		default:
			p.Headers = append(p.Headers, broker.Header{Key: key, Value: text})
		}
	}
	slices.SortFunc(p.Headers, func(a, b broker.Header) int { return cmp.Compare(a.Key, b.Key) })
	r.Properties = p
	return r
}

// kinds are messages of every kind that other clients write.
func kinds(t testing.TB) (all [][]byte) {
	body := [][]byte{[]byte("body")}
	for _, m := range []*amqp.Message{
		{Data: body},
		{Data: [][]byte{{}}},
		{Data: [][]byte{bytes.Repeat([]byte("x"), 1000)}},
		{Data: [][]byte{[]byte("one, "), {}, []byte("two"), []byte(", three")}},
		{Properties: &amqp.MessageProperties{MessageID: "1"}},
		{Value: []byte("value")},
		{Value: map[string]any{"a": []any{int64(1), "2"}}},
		{Header: &amqp.MessageHeader{Durable: true}, Data: body},
		{Annotations: amqp.Annotations{"x-one": "1"}, DeliveryAnnotations: amqp.Annotations{"x-two": "2"}, Data: body},
		{Data: body, Footer: amqp.Annotations{"x-last": "1"}},
		{Properties: &amqp.MessageProperties{}, Data: body},
		{Properties: &amqp.MessageProperties{MessageID: uint64(0), ContentEncoding: "gzip", GroupID: "app"}, Data: body},
		{Properties: &amqp.MessageProperties{MessageID: uint64(200), UserID: []byte("me"), Subject: "about"}, Data: body},
		{Properties: &amqp.MessageProperties{MessageID: uint64(1) << 40, CorrelationID: "c", ContentType: "t"}, Data: body},
		{Properties: &amqp.MessageProperties{MessageID: amqp.UUID{1, 2, 0xff, 15: 7}, GroupID: string(bytes.Repeat([]byte("g"), 300))}, Data: body},
		{Properties: &amqp.MessageProperties{MessageID: []byte("binary"), ReplyToGroupID: "r"}, Data: body},
		{ApplicationProperties: map[string]any{"a": "1", "b": int64(2), "c": []any{"x"}, "d": nil, olderAppID: "older"}, Data: body},
		{ApplicationProperties: map[string]any{"a": string(bytes.Repeat([]byte("v"), 400)), "": ""}, Data: body},
	} {
		encoded, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, encoded)
	}
	long := []byte{0, typeULong, 0, 0, 0, 0, 0, 0, 0, sectionData, typeBinary8, 1, 'x'} // which the client cannot read
	return append(all, long)
}

// hostile messages make the client's decoder panic, or allocate as much as they like.
var hostile = map[string][]byte{
	"a list as a key of annotations":       {0, 0x53, 0x72, 0xc1, 4, 2, 0x45, 0x40, 0x40},
	"a list as a key of a value":           {0, 0x53, 0x77, 0xc1, 3, 2, 0x45, 0x40},
	"an array of 2^29 that need no byte":   {0, 0x53, 0x77, 0xf0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x41},
	"an array of 2^32 lists":               {0, 0x53, 0x77, 0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x45},
	"a list of 2^32":                       {0, 0x53, 0x77, 0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
	"properties of 2^32":                   {0, 0x53, 0x73, 0xd0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40},
	"headers of 2^32":                      {0, 0x53, 0x74, 0xd1, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xa1, 0, 0xa1, 0},
	"half a million descriptions":          append([]byte{0, 0x53, 0x77}, bytes.Repeat([]byte{0, 0x53, 1}, 170_000)...),
	"lists within lists":                   append([]byte{0, 0x53, 0x77}, bytes.Repeat([]byte{0xc0, 0, 1}, 170_000)...),
	"a hundred thousand sections of data":  bytes.Repeat([]byte{0, 0x53, 0x75, 0xa0, 1, 'x'}, 80_000),
	"a hundred thousand sections of pairs": bytes.Repeat([]byte{0, 0x53, 0x74, 0xc1, 5, 2, 0xa1, 0, 0xa1, 0}, 50_000),
}

// What a message costs is bounded by its size, whatever it says of itself.
func TestHostileMessages(t *testing.T) {
	for what, m := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		body, _ := decode(m, true)
		runtime.ReadMemStats(&after)
		if spent, most := after.TotalAlloc-before.TotalAlloc, 64*uint64(len(m))+4096; spent > most {
			t.Errorf("%s: %d bytes cost %d", what, len(m), spent)
		}
		if len(body) > len(m) {
			t.Errorf("%s: a body of %d bytes", what, len(body))
		}
	}
}

// Whatever other clients put into a message is what the stream client finds.
func TestDecodingIsWhatTheClientDecodes(t *testing.T) {
	for _, m := range kinds(t) {
		compare(t, m)
	}
}

// A body that was found is given, whatever is behind it; of what makes no sense all is.
func TestMessagesThatMakeNoSense(t *testing.T) {
	for m, want := range map[string]string{
		"no message":                       "no message",
		"\x00\x53\x75\xa0\x09short":        "\x00\x53\x75\xa0\x09short",
		"\x00\x53\x75\xa1\x04text":         "\x00\x53\x75\xa1\x04text",
		"\x00\x53\x75\xa0\x04bodyand":      "body",
		"\x00\x53\x75\xb0\xff\xff\xff\xff": "\x00\x53\x75\xb0\xff\xff\xff\xff",
		"\x00\xa3\x04name\xa0\x01x":        "\x00\xa3\x04name\xa0\x01x",
		"\x00\x53\x77\x00\x53\x01\x00\xa3\x01d\xa0\x01v" + "\x00\x53\x75\xa0\x04body": "body", // behind a value that is described, and its description, too
		"\x00\x53\x77\xa0\x05value": "",
		"":                          "",
	} {
		if body, _ := decode([]byte(m), true); string(body) != want {
			t.Errorf("%q is %q, want %q", m, body, want)
		}
	}
}

// compare holds decode against the stream client, where that can be asked.
func compare(t *testing.T, m []byte) {
	t.Helper()
	body, own := decode(m, true)
	if alone, none := decode(m, false); !bytes.Equal(alone, body) || none != nil {
		t.Errorf("%x: the body is %q, and %q without properties, which are %v", m, body, alone, none)
	}
	if len(body) > len(m) {
		t.Errorf("%x: a body of %d bytes", m, len(body))
	}
	var judge amqp.Message
	if !sound(m) || judge.UnmarshalBinary(m) != nil {
		return
	}
	if want, got := judged(&judge), (broker.Record{Body: body, Properties: own}); !bytes.Equal(got.Body, want.Body) || !reflect.DeepEqual(got.Properties, want.Properties) {
		t.Errorf("%x: %q and %+v, want %q and %+v", m, body, own, want.Body, want.Properties)
	}
}

// sound says whether sizes and counts of a message agree, and no section but one of data is there twice: then the stream client can be asked.
func sound(m []byte) bool {
	seen := map[byte]bool{}
	for len(m) > 0 {
		section, v, rest, ok := cutSection(m)
		if !ok || m[1] != typeSmallULong || seen[section] && section != sectionData || !agrees(v, 10) {
			return false
		}
		seen[section], m = true, rest
	}
	return true
}

func agrees(v value, depth int) bool {
	var n uint32
	f := &fields{b: v.content}
	switch v.kind {
	case typeList8, typeMap8:
		n = uint32(f.u8())
	case typeList32, typeMap32:
		n = f.u32()
	default:
		return v.kind>>4 < 0xc // no array
	}
	isMap := v.kind == typeMap8 || v.kind == typeMap32
	if f.short || isMap && n%2 > 0 || depth == 0 {
		return false
	}
	keys := map[string]bool{}
	for i := range n {
		if len(f.b) == 0 || f.b[0] == typeDescribed {
			return false
		}
		v, rest, ok := cutValue(f.b)
		if !ok || !agrees(v, depth-1) {
			return false
		}
		if key := string(v.content); isMap && i%2 == 0 {
			if _, is := v.text(); !is || keys[key] {
				return false
			}
			keys[key] = true
		}
		f.b = rest
	}
	return len(f.b) == 0
}

// FuzzDecode looks for messages that cost more than they should, and for those that the stream client decodes otherwise.
func FuzzDecode(f *testing.F) {
	for _, m := range kinds(f) {
		f.Add(m, uint16(0), byte(0))
		f.Add(m, uint16(len(m)/2), byte(1))
	}
	for _, m := range hostile {
		f.Add(m[:min(len(m), 1000)], uint16(math.MaxUint16), byte(0))
	}
	f.Add((&encoder{appID: "app", contentEncoding: "e"}).append(nil, 7, &broker.Record{Body: []byte("b"), Properties: &broker.Properties{Headers: []broker.Header{{Key: "k", Value: "v"}}}}), uint16(9), byte(0xff))
	f.Fuzz(func(t *testing.T, m []byte, at uint16, change byte) {
		compare(t, m)
		if int(at) < len(m) {
			m = bytes.Clone(m)
			m[at] ^= change
			compare(t, m)
		}
		if len(m) > 4 { // as the body of an entry
			b := binary.BigEndian.AppendUint32(nil, uint32(len(m)))
			if got, err := unpack(delivered(0, 1, append(b, m...)), 0); err != nil || len(got) != 1 {
				t.Errorf("%x: %d records, %v", m, len(got), err)
			}
		}
	})
}
