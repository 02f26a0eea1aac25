package messages

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// statusVector is one status message that the original puts on the wire.
type statusVector struct {
	Name        string
	ChannelName string `json:"channel_name"`
	Context     string
	Group       *string
	GroupIndex  int `json:"group_index"`
	Status      Kind
	Payload     json.RawMessage
	Timestamp   int64
	Hex         string
}

func statusVectors(t *testing.T) []statusVector {
	t.Helper()
	text, err := os.ReadFile("testdata/pypz.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Status []statusVector }
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Status) < 11 {
		t.Fatalf("%d vectors", len(golden.Status))
	}
	return golden.Status
}

func TestStatusesOfPypzAreReadAndWrittenAlike(t *testing.T) {
	for _, v := range statusVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			body, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			s, err := DecodeStatus(body, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			group := ""
			if v.Group != nil {
				group = *v.Group
			}
			got := Status{s.Channel, s.Context, s.Group, s.GroupIndex, s.Kind, nil, s.Timestamp}
			if want := (Status{v.ChannelName, v.Context, group, v.GroupIndex, v.Status, nil, v.Timestamp}); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded\n%+v, want\n%+v", got, want)
			}
			if payload := asJSON(t, s.Payload); !sameJSON(t, payload, v.Payload) {
				t.Errorf("payload %s, want %s", payload, v.Payload)
			}
			again, err := EncodeStatus(&s)
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, again, body) {
				t.Errorf("encoded again\n%s, want\n%s", again, body)
			}
			if keys, want := keysOf(t, again), keysOf(t, body); !slices.Equal(keys, want) || len(keys) != 7 {
				t.Errorf("keys %q, want %q", keys, want)
			}
		})
	}
}

// asJSON writes a decoded payload by itself, as the wire's JSON.
func asJSON(t *testing.T, p Payload) []byte {
	t.Helper()
	if p == nil {
		return []byte("null")
	}
	m := map[string]any{}
	for _, e := range p {
		m[e.Key] = e.Value
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

// keysOf gives an object's keys in their order.
func keysOf(t *testing.T, object []byte) (keys []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
	}
	return keys
}

func TestPayloadKeepsItsOrder(t *testing.T) {
	s := Status{Channel: "C", Context: "w", Kind: StatusHealthCheck, Payload: Payload{{"z", 1}, {"a", "ü<&>"}, {"m", nil}}}
	body, err := EncodeStatus(&s)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"payload":{"z":1,"a":"ü<&>","m":null},`; !strings.Contains(string(body), want) {
		t.Errorf("%s\nhas no %s", body, want)
	}
	back, err := DecodeStatus(body, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []string{"z", "a", "m"} {
		if back.Payload[i].Key != key {
			t.Errorf("entry %d is %q, want %q", i, back.Payload[i].Key, key)
		}
	}
	if v, ok := back.Payload.Get("a"); !ok || v != "ü<&>" {
		t.Errorf("Get(a) = %v, %v", v, ok)
	}
	if _, ok := back.Payload.Get("missing"); ok {
		t.Error("Get of a missing key says it is there")
	}
}

func TestNumbersOfAPayloadKeepTheirDigits(t *testing.T) {
	body := `{"channel_name":"C","channel_context_name":"w","channel_group_name":null,"channel_group_index":0,` +
		`"status":"HealthCheck","payload":{"sentRecordCount":12345678901234567,"x":[1.10]},"timestamp":1}`
	s, err := DecodeStatus([]byte(body), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := EncodeStatus(&s); err != nil || string(again) != body {
		t.Errorf("%s, %v; want\n%s", again, err, body)
	}
}

func TestMetricsOfNothingAreIntegerZero(t *testing.T) {
	s := Status{Channel: "C", Context: "r", Kind: StatusHealthCheck, Payload: Payload{{"averageTimePerReadCycleMs", Metrics{}.TimePerCycle}}}
	body, err := EncodeStatus(&s)
	if err != nil || !strings.Contains(string(body), `"averageTimePerReadCycleMs":0}`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestStatusThatJSONCannotHoldIsAnError(t *testing.T) {
	s := Status{Channel: "C", Context: "r", Kind: StatusHealthCheck, Payload: Payload{{"x", math.NaN()}}}
	if body, err := EncodeStatus(&s); err == nil {
		t.Errorf("encoded as %s", body)
	}
}

var decodedAt = time.UnixMilli(1_700_000_000_123)

func TestWhatAStatusMayLeaveOut(t *testing.T) {
	body := func(rest string) string {
		return `{"channel_name": "C", "channel_context_name": "w", "status": "HealthCheck"` + rest + `}`
	}
	plain := Status{Channel: "C", Context: "w", Kind: StatusHealthCheck, Timestamp: decodedAt.UnixMilli()}
	at := func(timestamp int64) Status {
		s := plain
		s.Timestamp = timestamp
		return s
	}
	for _, test := range []struct {
		name, rest string
		want       Status
	}{
		{"everything", ``, plain},
		{"all null", `, "channel_group_name": null, "channel_group_index": null, "payload": null, "timestamp": null`, plain},
		{"a number", `, "timestamp": 17`, at(17)},
		{"a negative number", `, "timestamp": -17`, at(-17)},
		{"a float", `, "timestamp": 1795424829236.75`, at(1795424829236)},
		{"a float with exponent", `, "timestamp": 1.5e3`, at(1500)},
		{"text", `, "timestamp": "1795424829236"`, at(1795424829236)},
		{"text of a float", `, "timestamp": "12.9"`, at(12)},
		{"empty text", `, "timestamp": ""`, plain},
		{"a payload that is no object", `, "payload": [1, 2]`, plain},
		{"a payload that is a text", `, "payload": "x"`, plain},
		{"a key more", `, "extra": {"a": 1}`, plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeStatus([]byte(body(test.rest)), decodedAt)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWhatIsNoStatusIsRefused(t *testing.T) {
	status := func(keyValues string) string {
		return `{"channel_name": "C", "channel_context_name": "w", ` + keyValues + `}`
	}
	large := status(`"status": "Opened", "payload": {"x": "` + strings.Repeat("y", MaxStatusSize) + `"}`)
	for name, body := range map[string]string{
		"nothing":                   ``,
		"not JSON":                  `Opened`,
		"cut off":                   `{"channel_name": "C", "channel_context_name": "w"`,
		"something behind":          status(`"status": "Opened"`) + `{}`,
		"an array":                  `[]`,
		"null":                      `null`,
		"no status":                 status(`"payload": null`),
		"an unknown status":         status(`"status": "Paused"`),
		"a status of another case":  status(`"status": "opened"`),
		"a status that is a number": status(`"status": 1`),
		"no channel name":           `{"channel_context_name": "w", "status": "Opened"}`,
		"no context name":           `{"channel_name": "C", "status": "Opened"}`,
		"not UTF-8":                 status("\"status\": \"Opened\", \"payload\": {\"x\": \"\xff\"}"),
		"too large":                 large,
		"a timestamp of words":      status(`"status": "Opened", "timestamp": "yesterday"`),
		"a timestamp of a bool":     status(`"status": "Opened", "timestamp": true`),
		"a timestamp of an object":  status(`"status": "Opened", "timestamp": {}`),
		"a timestamp beyond int64":  status(`"status": "Opened", "timestamp": 1e19`),
		"a timestamp of infinity":   status(`"status": "Opened", "timestamp": "inf"`),
		"a timestamp of NaN":        status(`"status": "Opened", "timestamp": "NaN"`),
		"an index of text":          status(`"status": "Opened", "channel_group_index": "one"`),
		"nested without end":        status(`"status": "Opened", "payload": ` + strings.Repeat("[", 20_000)),
		"nested too deep": status(`"status": "Opened", "payload": {"x": ` + strings.Repeat("[", 20_000) +
			strings.Repeat("]", 20_000) + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := DecodeStatus([]byte(body), decodedAt)
			if !errors.Is(err, ErrBadStatus) {
				t.Errorf("%+v, %v; want ErrBadStatus", s, err)
			}
			if text := fmt.Sprint(err); len(text) > 300 {
				t.Errorf("the error repeats the message: %d bytes", len(text))
			}
		})
	}
}

// Whatever bytes come, decoding ends with a status that can be written again, or with ErrBadStatus.
func FuzzDecodeStatus(f *testing.F) {
	f.Add([]byte(`{"channel_name": "C", "channel_context_name": "w", "status": "HealthCheck", "payload": {"a": [1, {"b": 1e400}]}, "timestamp": "1"}`))
	f.Add([]byte(`{"channel_name": "C", "channel_context_name": "w", "status": "Opened", "timestamp": "\"1\""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := DecodeStatus(body, decodedAt)
		if err != nil {
			if !errors.Is(err, ErrBadStatus) {
				t.Fatalf("%v is no ErrBadStatus", err)
			}
			return
		}
		again, err := EncodeStatus(&s)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", s, err)
		}
		back, err := DecodeStatus(again, decodedAt)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v came back as %+v, %v", s, back, err)
		}
	})
}
