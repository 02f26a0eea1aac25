package rabbitmq

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// decodedPublish is what a broker sees of one record.
type decodedPublish struct {
	Exchange, Key string
	Mandatory     bool
	Body          string
	broker.Properties
}

func decodePublish(t testing.TB, b []byte) (p decodedPublish) {
	t.Helper()
	size := uint64(0)
	for n := 0; len(b) > 0; n++ {
		f, length, err := nextFrame(b)
		if err != nil || length == 0 || f.channel != 1 {
			t.Fatalf("frame %d of channel %d, %d bytes: %v", n, f.channel, length, err)
		}
		b = b[length:]
		r := reader{b: f.payload}
		switch {
		case n == 0 && f.method() == basicPublish:
			r.take(6)
			p.Exchange, p.Key = string(r.shortstr()), string(r.shortstr())
			p.Mandatory = r.octet()&1 != 0
		case n == 1 && f.kind == frameHeader:
			size, _ = decodeSize(f.payload)
			own := decodeProperties(f.payload)
			p.Properties = *own.decoded()
		case n > 1 && f.kind == frameBody:
			p.Body += string(f.payload)
		default:
			t.Fatalf("frame %d is of kind %d", n, f.kind)
		}
		if r.bad {
			t.Fatalf("frame %d is malformed", n)
		}
	}
	if uint64(len(p.Body)) != size {
		t.Fatalf("a body of %d bytes, %d were announced", len(p.Body), size)
	}
	return p
}

// What pypz publishes, read by weir, is what weir publishes for the same record.
func TestGoldenPublish(t *testing.T) {
	const status = `{"channel_name": "C", "channel_context_name": "writer", "channel_group_name": null, "channel_group_index": 0, ` +
		`"status": "Opened", "payload": null, "timestamp": 1795424829236}`
	for _, test := range []struct {
		exchange, key, encoding, body, golden string
	}{
		{"C", "", "utf-8", "w\xc3\xb6lf", "0100010000000a003c0028000001430001ce02000100000014003c000000000000000000064000057574662d38ce030001000000067a77c3b66c66ce"},
		{"C", "", "", "x", "0100010000000a003c0028000001430001ce0200010000000e003c000000000000000000010000ce0300010000000178ce"},
		{"", "C.writer.status", "utf-8", status, "01000100000018003c00280000000f432e7772697465722e73746174757301ce02000100000014003c000000000000000000ae4000057574662d38ce030001000000ae" + hex.EncodeToString([]byte(status)) + "ce"},
	} {
		golden, err := hex.DecodeString(test.golden)
		if err != nil {
			t.Fatal(err)
		}
		theirs := decodePublish(t, golden)
		e := newEncoder(1, frameMax, &broker.PublisherConfig{Exchange: test.exchange, RoutingKey: test.key, ContentEncoding: test.encoding})
		ours := decodePublish(t, e.appendRecords(nil, 1, []broker.Record{{Body: []byte(theirs.Body)}}))
		if !reflect.DeepEqual(ours, theirs) || theirs.Exchange != test.exchange || theirs.Key != test.key || !theirs.Mandatory {
			t.Errorf("ours %+v, theirs %+v", ours, theirs)
		}
	}
}

func TestEncodeRecords(t *testing.T) {
	own := &broker.Properties{AppID: "other", MessageID: "id", ContentEncoding: "gzip", Headers: []broker.Header{{Key: "traceparent", Value: "00-1"}}}
	config := broker.PublisherConfig{Exchange: "x", RoutingKey: "k", ContentEncoding: "utf-8", AppID: "app"}
	plain := config
	plain.AppID = ""
	for name, test := range map[string]struct {
		config   broker.PublisherConfig
		sequence uint64
		record   broker.Record
		want     broker.Properties
	}{
		"template":                  {plain, 7, broker.Record{}, broker.Properties{ContentEncoding: "utf-8"}},
		"template with identity":    {config, 7, broker.Record{}, broker.Properties{ContentEncoding: "utf-8", AppID: "app", MessageID: "7"}},
		"own properties":            {plain, 7, broker.Record{Properties: own}, *own},
		"identity is the session's": {config, 12345, broker.Record{Properties: own}, broker.Properties{ContentEncoding: "gzip", AppID: "app", MessageID: "12345", Headers: own.Headers}},
		"the session's encoding":    {plain, 7, broker.Record{Properties: &broker.Properties{}}, broker.Properties{ContentEncoding: "utf-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEncoder(1, 4096, &test.config)
			for _, size := range []int{0, 1, 4088, 4089, 20000} {
				test.record.Body = bytes.Repeat([]byte("b"), size)
				got := decodePublish(t, e.appendRecords(nil, test.sequence, []broker.Record{test.record}))
				want := decodedPublish{"x", "k", true, string(test.record.Body), test.want}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%d bytes: got %+v, want %+v", size, got.Properties, want.Properties)
				}
			}
		})
	}
}

// The template changes with the number of digits.
func TestEncodeSequences(t *testing.T) {
	e := newEncoder(1, frameMax, &broker.PublisherConfig{AppID: "app"})
	for _, sequence := range []uint64{1, 9, 10, 99, 100, 12, 3, 1<<64 - 1, 5} {
		got := decodePublish(t, e.appendRecords(nil, sequence, []broker.Record{{Body: []byte("b")}}))
		p := properties{messageID: []byte(got.MessageID)}
		if n, ok := p.sequence(); !ok || n != sequence || got.AppID != "app" {
			t.Errorf("sequence %d: message_id %q, app_id %q", sequence, got.MessageID, got.AppID)
		}
	}
}

func TestCheckProperties(t *testing.T) {
	long := strings.Repeat("l", 256)
	for name, p := range map[string]broker.Properties{
		"encoding":   {ContentEncoding: long},
		"message id": {MessageID: long},
		"key":        {Headers: []broker.Header{{Key: long}}},
		"all":        {Headers: []broker.Header{{Key: "k", Value: strings.Repeat("v", 4096)}}},
	} {
		if err := checkProperties(&p, 4096); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := checkProperties(&broker.Properties{MessageID: long[1:]}, 4096); err != nil {
		t.Error(err)
	}
}

func TestDecodeProperties(t *testing.T) {
	// All properties but cluster_id, headers of several kinds.
	table := append(appendShortstr(nil, "count"), 'l', 0, 0, 0, 0, 0, 0, 0, 9)
	table = append(appendShortstr(table, "nested"), 'F', 0, 0, 0, 3, 1, 'k', 'V')
	table = append(appendShortstr(table, "x-stream-offset"), 'l', 0, 0, 0, 0, 0, 0, 1, 2)
	table = append(appendShortstr(table, "text"), 'S', 0, 0, 0, 2, 'h', 'i')
	b := append([]byte{0, 60, 0, 0}, be.AppendUint64(nil, 5)...)
	b = be.AppendUint16(b, 0xFFF8)
	b = appendShortstr(appendShortstr(b, "type"), "utf-8")
	b = append(be.AppendUint32(b, uint32(len(table))), table...)
	b = append(b, persistent, 3)
	b = appendShortstr(appendShortstr(appendShortstr(appendShortstr(b, "correlation"), "reply"), "60000"), "42")
	b = be.AppendUint64(b, 1700000000)
	b = appendShortstr(appendShortstr(appendShortstr(b, "kind"), "guest"), "app")
	p := decodeProperties(b)
	want := &broker.Properties{ContentEncoding: "utf-8", AppID: "app", MessageID: "42", Headers: []broker.Header{{Key: "text", Value: "hi"}}}
	if got := p.decoded(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if offset, ok := p.streamOffset(); !ok || offset != 258 {
		t.Errorf("offset %d %v", offset, ok)
	}
	for n := range b { // cut short, nothing but less comes of it
		p := decodeProperties(b[:n])
		p.decoded()
		p.streamOffset()
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendDelivery(nil, 1, 1, true, []byte("body"), &broker.Properties{MessageID: "1"}))
	f.Add(appendReturn(nil, 1, []byte("body"), &broker.Properties{MessageID: "1", AppID: "a"}))
	f.Add(appendConfirm(nil, 1, basicNack, 3, true))
	f.Add(appendClose(nil, 1, channelClose, &closeReason{404, "gone", basicPublish}))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > frameMax {
			return
		}
		for _, attach := range []func(*wire){
			func(w *wire) {
				attachConsumer(w, broker.ConsumerConfig{Queue: "q", Prefetch: 5, MaxBatch: 2, Properties: true}, func(broker.Event) {})
			},
			func(w *wire) {
				attachPublisher(w, broker.PublisherConfig{Window: 5, AppID: "a"}, func(broker.Event) {})
			},
		} {
			w := scriptedWire(t, nil)
			attach(w)
			w.received(b)
			_ = w.dispatch()
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Add(appendHeader(nil, 1, 3, &broker.Properties{AppID: "a", MessageID: "1", Headers: []broker.Header{{Key: "k", Value: "v"}}})[frameStart:])
	f.Fuzz(func(t *testing.T, b []byte) {
		p := decodeProperties(b)
		p.decoded()
		p.streamOffset()
		p.sequence()
		decodeClose(b)
		decodeCount(b)
		decodeDeliver(b)
		decodeConfirm(b)
	})
}

func FuzzStartOK(f *testing.F) {
	f.Add(appendMethod(nil, 0, connectionStartOK, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if frame, size, err := nextFrame(b); err == nil && size > 0 && frame.method() == connectionStartOK {
			withFailureClose(b[:size])
		}
	})
}
