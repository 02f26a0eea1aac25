package pypz

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// A status of the original's, recorded: escaped text, a float, a group.
const recorded = `{"channel_name": "p.op.in", "channel_context_name": "p.op_0.zw\u00f6lf", "channel_group_name": "p.op.in", "channel_group_index": 1, "status": "HealthCheck", "payload": {"receivedRecordCount": 7}, "timestamp": 1795424829236}`

func TestStatusIsWrittenAsRecorded(t *testing.T) {
	s, err := parse([]byte(recorded), "utf-8")
	if err != nil {
		t.Fatal(err)
	}
	if s.Context != "p.op_0.zwölf" || s.Index != 1 || s.Unique() != "p.op.in@p.op_0.zwölf" {
		t.Errorf("%+v", s)
	}
	// encoding/json puts no blanks within a payload; nobody can tell.
	if got, want := s.String(), strings.Replace(recorded, `Count": 7`, `Count":7`, 1); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	bare := Status{Channel: "C", Context: "writer", Kind: Opened, Timestamp: 1795424829236}
	if got, want := hex.EncodeToString([]byte(bare.String()))[:32], "7b226368616e6e656c5f6e616d65223a"; got != want {
		t.Error(got)
	}
}

func TestStatusIsReadStrictly(t *testing.T) {
	for _, c := range []struct {
		what, body string
		ok         bool
	}{
		{"all keys", recorded, true},
		{"the least", `{"channel_name": "c", "channel_context_name": "x", "status": "Opened"}`, true},
		{"time as text", `{"channel_name": "c", "channel_context_name": "x", "status": "Opened", "timestamp": "12.5"}`, true},
		{"time as a float", `{"channel_name": "c", "channel_context_name": "x", "status": "Opened", "timestamp": 12.5}`, true},
		{"a key too much", `{"channel_name": "c", "channel_context_name": "x", "status": "Opened", "more": 1}`, false},
		{"unknown status", `{"channel_name": "c", "channel_context_name": "x", "status": "opened"}`, false},
		{"no status", `{"channel_name": "c", "channel_context_name": "x"}`, false},
		{"no name", `{"channel_name": "c", "status": "Opened"}`, false},
		{"an array", `[]`, false},
		{"null", `null`, false},
		{"two objects", recorded + recorded, false},
		{"nothing", ``, false},
		{"no JSON", `{`, false},
	} {
		if _, err := parse([]byte(c.body), "utf-8"); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, err := parse([]byte(recorded), ""); err == nil {
		t.Error("without content_encoding: no error")
	}
}

// What a monitor makes of statuses, among them those that the wire contract names.
func TestMonitor(t *testing.T) {
	type said struct {
		kind string
		at   int64
	}
	for _, c := range []struct {
		what    string
		said    []said
		state   string
		changed int64
	}{
		{"a repeated state does not move the change", []said{{Opened, 10}, {Opened, 50}, {Stopped, 20}}, Stopped, 20},
		{"without a state every message moves the change", []said{{HealthCheck, 100}, {Opened, 50}}, "", 50},
		{"which lets a later older one in", []said{{HealthCheck, 100}, {Opened, 50}, {Opened, 50}}, Opened, 50},
		{"an older state is dropped", []said{{Opened, 10}, {Stopped, 30}, {Started, 20}}, Stopped, 30},
		{"a tie is won by the later", []said{{Stopped, 10}, {Closed, 10}}, Closed, 10},
		{"Error is not left for Stopped or Closed", []said{{Started, 10}, {Error, 20}, {Stopped, 30}, {Closed, 40}}, Error, 20},
		{"Error is left for Opened", []said{{Error, 20}, {Opened, 30}}, Opened, 30},
		{"Error is left for Started", []said{{Error, 20}, {Started, 30}}, Started, 30},
	} {
		m := newMonitor(&Status{Channel: "c", Context: "x"}, time.Minute)
		for _, s := range c.said {
			if err := m.update(&Status{Channel: "c", Context: "x", Kind: s.kind, Timestamp: s.at}); err != nil {
				t.Fatal(err)
			}
		}
		if m.State != c.state || m.Changed != c.changed {
			t.Errorf("%s: %q since %d, want %q since %d", c.what, m.State, m.Changed, c.state, c.changed)
		}
	}
	m := newMonitor(&Status{Channel: "c", Context: "x"}, time.Minute)
	if !m.Healthy() {
		t.Error("a new monitor is healthy")
	}
	if err := m.update(&Status{Channel: "c", Context: "y", Kind: Opened}); err == nil {
		t.Error("another's status: no error")
	}
	if err := m.update(&Status{Channel: "c", Context: "x", Kind: HealthCheck, Timestamp: time.Now().Add(-2 * time.Minute).UnixMilli()}); err != nil || m.Healthy() {
		t.Error("healthy after its patience, by the peer's clock", err)
	}
}
