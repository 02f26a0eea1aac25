package brokertest

import (
	"bytes"
	"slices"

	"github.com/d2e2d648/weir/broker"
)

var recordCases = []Case{
	{"empty body", nil, bodySurvives(nil)},
	{"every byte", nil, bodySurvives(everyByte())},
	{"large body", nil, bodySurvives(bytes.Repeat(everyByte(), 6000))}, // 1.5 MB: several frames
	{"properties", nil, propertiesSurvive},
	{"properties are left out", nil, propertiesLeftOut},
	{"app id and message id", []int{6}, appAndMessageID},
	{"content encoding of the session", nil, contentEncoding},
	{"no properties", nil, noProperties},
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func bodySurvives(body []byte) func(*env) {
	return func(e *env) {
		q := e.queue(broker.QueueOptions{})
		p := e.to(q)
		p.publish(1, broker.Record{Body: []byte("before")}, broker.Record{Body: body}, broker.Record{Body: []byte("behind")})
		p.awaitAll(confirmed, 1, 3)
		e.of(q).takes("before", string(body), "behind")
	}
}

// through publishes records and gives their properties as a consumer sees them; none are empty ones.
func (e *env) through(c broker.PublisherConfig, records ...broker.Record) (all []broker.Properties) {
	e.Helper()
	q := e.queue(broker.QueueOptions{})
	c.RoutingKey = q
	p := e.publisher(c)
	p.publish(41, records...)
	p.awaitAll(confirmed, 41, 40+uint64(len(records)))
	for _, d := range e.consumer(broker.ConsumerConfig{Queue: q, Properties: true}).take(len(records)) {
		if d.Properties == nil {
			d.Properties = &broker.Properties{}
		}
		all = append(all, *d.Properties)
	}
	return all
}

// same compares what came to what was sent. Headers are a table: their order does not matter.
func (e *env) same(got, want broker.Properties) {
	e.Helper()
	byKey := func(a, b broker.Header) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) }
	g, w := slices.SortedFunc(slices.Values(got.Headers), byKey), slices.SortedFunc(slices.Values(want.Headers), byKey)
	if got.ContentEncoding != want.ContentEncoding || got.AppID != want.AppID || got.MessageID != want.MessageID || !slices.Equal(g, w) {
		e.Errorf("properties %+v, want %+v", got, want)
	}
}

func propertiesSurvive(e *env) {
	want := broker.Properties{
		ContentEncoding: "text", AppID: "app", MessageID: "message",
		Headers: []broker.Header{{Key: "traceparent", Value: "00-1-2-01"}, {Key: "another", Value: ""}},
	}
	e.same(e.through(broker.PublisherConfig{}, broker.Record{Body: []byte("body"), Properties: &want})[0], want)
}

func propertiesLeftOut(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, AppID: "app"})
	p.publish(1, broker.Record{Properties: &broker.Properties{ContentEncoding: "text", Headers: []broker.Header{{Key: "key", Value: "value"}}}})
	if d := e.of(q).take(1)[0]; d.Properties != nil {
		e.Errorf("properties %+v, though nobody asked", d.Properties)
	}
}

func appAndMessageID(e *env) {
	got := e.through(broker.PublisherConfig{AppID: "app/7"},
		broker.Record{}, broker.Record{Properties: &broker.Properties{ContentEncoding: "own"}})
	e.same(got[0], broker.Properties{AppID: "app/7", MessageID: "41"})
	e.same(got[1], broker.Properties{AppID: "app/7", MessageID: "42", ContentEncoding: "own"})
}

func contentEncoding(e *env) {
	got := e.through(broker.PublisherConfig{ContentEncoding: "avro"},
		broker.Record{}, broker.Record{Properties: &broker.Properties{ContentEncoding: "own"}}, broker.Record{Properties: &broker.Properties{MessageID: "m"}})
	e.same(got[0], broker.Properties{ContentEncoding: "avro"})
	e.same(got[1], broker.Properties{ContentEncoding: "own"})
	e.same(got[2], broker.Properties{ContentEncoding: "avro", MessageID: "m"})
}

func noProperties(e *env) {
	e.same(e.through(broker.PublisherConfig{}, broker.Record{Body: []byte("plain")})[0], broker.Properties{})
}
