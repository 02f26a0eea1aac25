package messages

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// usual are statuses as they come from peers.
func usual(t testing.TB) (all []string) {
	for _, gap := range []string{"", " "} {
		for _, payload := range []string{`null`, `{}`, `{"receivedRecordCount":~12,~"elapsedTimeSinceLastReadCycleMs":~7,~"averageTimePerReadCycleMs":~0.5,~"averageRecordPerReadCycle":~1e-7}`,
			`{"a":~"é ü",~"b":~true,~"c":~false,~"d":~null,~"e":~-3.25E+10,~"":~0}`} {
			for _, group := range []string{`null`, `"g"`, `""`} {
				text := `{"channel_name":~"orders",~"channel_context_name":~"shop",~"channel_group_name":~` + group +
					`,~"channel_group_index":~3,~"status":~"HealthCheck",~"payload":~` + payload + `,~"timestamp":~1795424829236}`
				all = append(all, strings.ReplaceAll(text, "~", gap))
			}
		}
	}
	return all
}

// What peers write is read without encoding/json, and means the same.
func TestUsualStatusesAreReadQuickly(t *testing.T) {
	all := usual(t)
	for _, v := range statusVectors(t) {
		text, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	for _, text := range all {
		if strings.ContainsAny(text, `\[`) || strings.Count(text, "{") > 2 {
			continue // escapes, lists and objects within the payload are unusual
		}
		s, ok := quickStatus(text)
		want, err := slowStatus([]byte(text), decodedAt)
		if !ok || err != nil || !reflect.DeepEqual(s, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", text, s, ok, want, err)
		}
	}
}

// Whatever is read quickly is what encoding/json reads.
func FuzzQuickStatus(f *testing.F) {
	for _, text := range usual(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) { quickAgrees(t, body) })
}

func quickAgrees(t *testing.T, body []byte) (quick bool) {
	t.Helper()
	s, err := DecodeStatus(body, decodedAt)
	if err != nil {
		return false
	}
	want, err := slowStatus(body, decodedAt)
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Fatalf("%q: %+v; want %+v, %v", body, s, want, err)
	}
	return true
}

// The same, with texts that were made from usual ones by small changes.
func TestChangedStatusesAreReadAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all, read := usual(t), 0
	pieces := []string{`"`, `\`, `\u0041`, ` `, `,`, `:`, `{`, `}`, `[]`, `{}`, `-`, `0`, `00`, `1`, `.`, `.5`, `e`, `E+1`, `null`, `true`, "\t", "\n", "é", "\x00", `"payload":null,`, `999999999999999999`}
	for range 100_000 {
		text := []byte(all[r.IntN(len(all))])
		for range 1 + r.IntN(2) {
			at, piece := r.IntN(len(text)), pieces[r.IntN(len(pieces))]
			rest := text[min(len(text), at+r.IntN(3)):]
			text = fmt.Appendf(nil, "%s%s%s", text[:at], piece, rest)
		}
		if quickAgrees(t, text) {
			read++
		}
	}
	if read < 1000 {
		t.Errorf("only %d were statuses", read)
	}
}

// byJSON writes a status by encoding/json alone.
func byJSON(s *Status) ([]byte, error) {
	payload := json.RawMessage("null")
	if s.Payload != nil {
		payload = json.RawMessage("{")
		for i, e := range s.Payload {
			key, err := encodeJSON(e.Key)
			if err != nil {
				return nil, err
			}
			value, err := encodeJSON(e.Value)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				payload = append(payload, ',')
			}
			payload = fmt.Appendf(payload, "%s:%s", key, value)
		}
		payload = append(payload, '}')
	}
	var group *string
	if s.Group != "" {
		group = &s.Group
	}
	return encodeJSON(wireStatus{s.Channel, s.Context, group, s.GroupIndex, s.Kind, payload, fmt.Append(nil, s.Timestamp)})
}

// What is written is byte by byte what encoding/json writes.
func TestStatusesAreWrittenAsByEncodingJSON(t *testing.T) {
	values := []any{nil, true, false, 0, -5, 12, int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), 0.0, math.Copysign(0, -1), 1.0, 0.1, 1e20, 1e21, 123456789.125, 1e-6, 9.9e-7, -1e-6,
		5e-324, math.MaxFloat64, 1.0 / 3, float32(0.1), "", "x", "<&>", `"\`, "é\u2028", "\x00\x1f\x7f", "\xff", int8(3), uint(4), json.Number("1e5"), json.RawMessage(`{"a":[1,2]}`), []int{1}, map[string]int{"b": 1},
		math.NaN(), math.Inf(1), func() {}, (*int)(nil)}
	texts := []string{"", "orders", "<&>", `a"b\c`, "é", "\u2028", "\xff", "\x7f", "tab\t"}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		s := Status{Channel: texts[r.IntN(len(texts))], Context: texts[r.IntN(len(texts))], Group: texts[r.IntN(len(texts))], GroupIndex: r.IntN(5) - 1, Kind: kinds[r.IntN(len(kinds))], Timestamp: int64(r.Uint64())}
		if i%4 > 0 {
			s.Payload = Payload{}
			for range r.IntN(4) {
				value := values[r.IntN(len(values))]
				if r.IntN(3) == 0 {
					value = math.Float64frombits(r.Uint64())
				}
				s.Payload = append(s.Payload, Entry{texts[r.IntN(len(texts))], value})
			}
		}
		got, err := EncodeStatus(&s)
		want, wanted := byJSON(&s)
		if (err == nil) != (wanted == nil) || err == nil && string(got) != string(want) {
			t.Fatalf("%+v: %s, %v; want %s, %v", s, got, err, want, wanted)
		}
	}
}

func BenchmarkStatus(b *testing.B) {
	s := Status{Channel: "orders", Context: "shop", Kind: StatusHealthCheck, Timestamp: 1795424829236, Payload: Payload{{"elapsedTimeSinceLastReadCycleMs", int64(12)},
		{"averageTimePerReadCycleMs", 12.25}, {"averageTimePerReadRecordMs", 0.0}, {"averageRecordPerReadCycle", 1.5}, {ReceivedRecordCount, uint64(123456)}}}
	body, err := EncodeStatus(&s)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			_, _ = EncodeStatus(&s)
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			_, _ = DecodeStatus(body, decodedAt)
		}
	})
	b.Run("decode by encoding/json", func(b *testing.B) {
		for b.Loop() {
			_, _ = slowStatus(body, decodedAt)
		}
	})
	b.Run("encode by encoding/json", func(b *testing.B) {
		for b.Loop() {
			_, _ = byJSON(&s)
		}
	})
}
