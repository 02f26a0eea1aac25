package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// changing is a value of the user's that is another each time it is written.
type changing struct{ n int }

func (c *changing) MarshalJSON() ([]byte, error) {
	c.n++
	return fmt.Appendf(nil, "%d", c.n), nil
}

type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return nil, errors.New("is broken") }

// What is frozen is written once: what the user does with it later changes nothing, and nothing of theirs runs when it is sent.
func TestFrozenPayloadIsWrittenOnce(t *testing.T) {
	value, list := &changing{}, []int{1, 2}
	frozen := Payload{{"value", value}, {"list", list}, {"text", "ü<&>"}, {"none", nil}, {"raw", json.RawMessage(`{"b": 1, "a": 2}`)}}.Freeze(func(key string, err error) { t.Error(key, err) })
	list[0] = 99
	for range 2 {
		body, err := EncodeStatus(&Status{Channel: "C", Context: "w", Kind: StatusHealthCheck, Payload: frozen})
		if want := `"payload":{"value":1,"list":[1,2],"text":"ü<&>","none":null,"raw":{"b":1,"a":2}},`; err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s, %v; want %s", body, err, want)
		}
	}
	if value.n != 1 {
		t.Errorf("it was written %d times", value.n)
	}
}

// One entry that cannot be written, or has no room, costs no other.
func TestFreezeLeavesOut(t *testing.T) {
	const room = MaxStatusSize / 2
	text := func(size int) string { return strings.Repeat("x", size-len(`""`)) } // of that size on the wire
	entry := 6*len("k") + len(`"":,`)
	for _, test := range []struct {
		name    string
		payload Payload
		kept    string
		dropped string
	}{
		{"nothing", nil, "", ""},
		{"what JSON cannot hold", Payload{{"a", 1}, {"nan", math.NaN()}, {"func", func() {}}, {"broken", broken{}}, {"b", 2}}, "a b", "nan func broken"},
		{"what just fits", Payload{{"k", text(room - entry)}}, "k", ""},
		{"what does not by a byte", Payload{{"k", text(room - entry + 1)}}, "", "k"},
		{"a large one does not keep a small one out", Payload{{"k", text(room)}, {"s", 1}}, "s", "k"},
		{"many that are too much together", Payload{{"a", text(room / 2)}, {"b", text(room / 2)}, {"c", 1}}, "a c", "b"},
		{"a key is counted as it is at worst", Payload{{strings.Repeat("\x01", room/6), 1}}, "", strings.Repeat("\x01", room/6)},
		{"two of a key are two", Payload{{"a", 1}, {"a", 2}}, "a a", ""}, // whose they are is the supervisor's to tell
	} {
		t.Run(test.name, func(t *testing.T) {
			var kept, dropped []string
			frozen := test.payload.Freeze(func(key string, err error) {
				if err == nil {
					t.Error("no reason")
				}
				dropped = append(dropped, key)
			})
			for _, e := range frozen {
				kept = append(kept, e.Key)
			}
			if strings.Join(kept, " ") != test.kept || strings.Join(dropped, " ") != test.dropped {
				t.Errorf("kept %q, dropped %q", kept, dropped)
			}
		})
	}
}

// Whatever the user adds, a status of the longest names is one that peers read.
func TestStatusOfAFrozenPayloadIsNotTooLong(t *testing.T) {
	for _, filler := range []string{"x", "\x01", "\u2028", "\xff", "<", "ü"} {
		var p Payload
		for i := range 2000 {
			p = append(p, Entry{filler + fmt.Sprint(i), filler})
		}
		name := strings.Repeat("\x01", 200)
		own := Payload{{"averageTimePerOutputRecordMs", -math.MaxFloat64}, {"averageTimePerOutputCycleMs", -math.MaxFloat64}, {"averageRecordPerOutputCycle", -math.MaxFloat64},
			{"elapsedTimeSinceLastOutputCycleMs", math.MinInt64}, {SentRecordCount, uint64(math.MaxUint64)}}
		s := Status{Channel: name, Context: name, Group: name, GroupIndex: math.MaxInt, Kind: StatusWaitingForSchema, Timestamp: -maxTimestamp,
			Payload: append(own, p.Freeze(func(string, error) {})...)}
		body, err := EncodeStatus(&s)
		if err != nil || len(body) > MaxStatusSize {
			t.Errorf("%q: %d bytes, %v", filler, len(body), err)
		}
		if _, err := DecodeStatus(body, decodedAt); err != nil {
			t.Error(err)
		}
	}
}

func TestLongestStatusThatIsRead(t *testing.T) {
	frame := `{"channel_name": "C", "channel_context_name": "w", "status": "Opened", "payload": {"x": ""}, "timestamp": 1}`
	for size, ok := range map[int]bool{MaxStatusSize: true, MaxStatusSize + 1: false} {
		body := strings.Replace(frame, `""`, `"`+strings.Repeat("y", size-len(frame))+`"`, 1)
		if _, err := DecodeStatus([]byte(body), decodedAt); len(body) != size || (err == nil) != ok || err != nil && !errors.Is(err, ErrBadStatus) {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	}
}

// Times up to 2^53 ms are kept to the digit; what is beyond is no time.
func TestTimestampsUpToTwoToThe53(t *testing.T) {
	for _, test := range []struct {
		timestamp string
		want      int64
		bad       bool
	}{
		{"9007199254740992", 1 << 53, false},
		{"9007199254740991", 1<<53 - 1, false},
		{"-9007199254740992", -1 << 53, false},
		{"9007199254740994", 0, true},
		{"-9007199254740994", 0, true},
		{"9223372036854775807", 0, true},
		{"-9223372036854775808", 0, true},
		{"9.1e15", 0, true},
		{`"9007199254740991"`, 1<<53 - 1, false},
		{`"9007199254740994"`, 0, true},
		{`"9007199254740991.0"`, 1<<53 - 1, false},
		{"-0.9", 0, false},
		{`"-12.9"`, -12, false},
		{`" 17 "`, 0, true},
		{`"17ms"`, 0, true},
	} {
		body := `{"channel_name": "C", "channel_context_name": "w", "status": "Opened", "timestamp": ` + test.timestamp + `}`
		s, err := DecodeStatus([]byte(body), decodedAt)
		if test.bad && !errors.Is(err, ErrBadStatus) || !test.bad && (err != nil || s.Timestamp != test.want) {
			t.Errorf("%s: %d, %v", test.timestamp, s.Timestamp, err)
		}
	}
}

// A decoded status owns what it holds: the body may be used again.
func TestDecodedStatusDoesNotShareTheBody(t *testing.T) {
	body := []byte(`{"channel_name": "C", "channel_context_name": "w", "status": "HealthCheck", "payload": {"a": 12, "b": "text", "c": [1]}, "timestamp": 5}`)
	s, err := DecodeStatus(body, decodedAt)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	want := Payload{{"a", json.Number("12")}, {"b", "text"}, {"c", []any{json.Number("1")}}}
	if !reflect.DeepEqual(s.Payload, want) || s.Channel != "C" || s.Context != "w" {
		t.Errorf("%+v", s)
	}
}
