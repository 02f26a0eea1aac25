package rabbitstream

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"

	"github.com/d2e2d648/weir/broker"
)

// The client's own decoder is the judge of what is encoded, around every size where the encoding changes.
func TestEncodingIsWhatTheClientDecodes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		sizes := []int{0, 0, 1, 7, 100, 240, 250, 251, 252, 253, 254, 255, 256, 257, 1000}
		return strings.Repeat("x", sizes[r.IntN(len(sizes))])
	}
	for i := range 3000 {
		e := encoder{}
		if i%2 == 0 {
			e.appID, e.contentEncoding = text(), text()
		}
		record := broker.Record{Body: bytes.Repeat([]byte{7}, r.IntN(300))}
		if i%3 > 0 {
			p := broker.Properties{ContentEncoding: text(), AppID: text(), MessageID: text()}
			for k := range r.IntN(4) * r.IntN(100) {
				p.Headers = append(p.Headers, broker.Header{Key: strconv.Itoa(1000 + k), Value: text()})
			}
			record.Properties = &p
		}
		sequence := r.Uint64() >> r.IntN(64)
		prefix := []byte("before")
		encoded := e.append(prefix, sequence, &record)[len(prefix):]
		if most := e.most(&record); len(encoded) > most {
			t.Fatalf("%+v: %d bytes, and at most %d were expected", record.Properties, len(encoded), most)
		}
		m := &amqp.Message{}
		if err := m.UnmarshalBinary(encoded); err != nil {
			t.Fatalf("%+v: %v", record.Properties, err)
		}
		judged := judged(m)
		body, own := decode(encoded, true)
		for what, got := range map[string]broker.Record{"the client": judged, "weir": {Body: body, Properties: own}} {
			if !bytes.Equal(got.Body, record.Body) {
				t.Fatalf("%s: the body of %d bytes has become %d", what, len(record.Body), len(got.Body))
			}
			check(t, &e, sequence, record.Properties, got.Properties)
		}
	}
}

func check(t *testing.T, e *encoder, sequence uint64, own, got *broker.Properties) {
	t.Helper()
	var want broker.Properties
	if own != nil {
		want = *own
	}
	if e.appID != "" {
		want.AppID, want.MessageID = e.appID, strconv.FormatUint(sequence, 10)
	}
	if want.ContentEncoding == "" {
		want.ContentEncoding = e.contentEncoding
	}
	if got == nil {
		got = &broker.Properties{}
	}
	if got.AppID != want.AppID || got.MessageID != want.MessageID || got.ContentEncoding != want.ContentEncoding || !slices.Equal(got.Headers, want.Headers) {
		t.Fatalf("properties %+v, want %+v", got, want)
	}
}
