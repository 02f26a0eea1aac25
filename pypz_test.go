package weir

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/broker/rabbitmq"
)

func defaults(change func(*PypzConfig)) PypzConfig {
	c := PypzConfig{Location: "h", Poll: 100, DataTimeout: 100 * time.Millisecond, StatusTimeout: 100 * time.Millisecond, LogLevel: zerolog.DebugLevel}
	if change != nil {
		change(&c)
	}
	return c
}

func TestParsePypz(t *testing.T) {
	channel := func(entry string) string { return `{"channelLocation": "h", "channelConfig": {` + entry + `}}` }
	port := func(entry string) string { return `{"channelLocation": "h", ` + entry + `}` }
	level := func(l zerolog.Level) func(*PypzConfig) { return func(c *PypzConfig) { c.LogLevel = l } }
	for text, change := range map[string]func(*PypzConfig){
		`{"channelLocation": "h"}`:                          nil,
		channel(``):                                         nil,
		port(`"channelConfig": null`):                       nil,
		port(`"sequentialModeEnabled": null`):               nil,
		port(`"portOpenTimeoutMs": null`):                   nil,
		port(`"syncConnectionsOpen": null`):                 nil,
		channel(`"max_poll_records": null`):                 nil,
		channel(`"data_consumer_timeout_sec": null`):        nil,
		channel(`"status_consumer_timeout_sec": null`):      nil,
		channel(`"metricsEnabled": null`):                   nil,
		channel(`"logLevel": null`):                         nil,
		channel(`"max_poll_records": 1`):                    func(c *PypzConfig) { c.Poll = 1 },
		channel(`"max_poll_records": 65535`):                func(c *PypzConfig) { c.Poll = 65535 },
		channel(`"data_consumer_timeout_sec": 0.25`):        func(c *PypzConfig) { c.DataTimeout = 250 * time.Millisecond },
		channel(`"data_consumer_timeout_sec": 0`):           func(c *PypzConfig) { c.DataTimeout = 0 },
		channel(`"data_consumer_timeout_sec": 2`):           func(c *PypzConfig) { c.DataTimeout = 2 * time.Second },
		channel(`"data_consumer_timeout_sec": 1e9`):         func(c *PypzConfig) { c.DataTimeout = 1e9 * time.Second },
		channel(`"status_consumer_timeout_sec": 1.5`):       func(c *PypzConfig) { c.StatusTimeout = 1500 * time.Millisecond },
		channel(`"metricsEnabled": true`):                   func(c *PypzConfig) { c.Metrics = true },
		channel(`"metricsEnabled": false`):                  nil,
		channel(`"logLevel": "DEBUG"`):                      nil,
		channel(`"logLevel": "NOTSET"`):                     level(zerolog.TraceLevel),
		channel(`"logLevel": "info"`):                       level(zerolog.InfoLevel),
		channel(`"logLevel": "WARN"`):                       level(zerolog.WarnLevel),
		channel(`"logLevel": "WARNING"`):                    level(zerolog.WarnLevel),
		channel(`"logLevel": 30`):                           level(zerolog.WarnLevel),
		channel(`"logLevel": "ERROR"`):                      level(zerolog.ErrorLevel),
		channel(`"logLevel": "CRITICAL"`):                   level(zerolog.FatalLevel),
		channel(`"logLevel": "FATAL"`):                      level(zerolog.FatalLevel),
		port(`"sequentialModeEnabled": true`):               func(c *PypzConfig) { c.Sequential = true },
		port(`"portOpenTimeoutMs": 1500`):                   func(c *PypzConfig) { c.OpenTimeout = 1500 * time.Millisecond },
		port(`"portOpenTimeoutMs": 0`):                      nil,
		port(`"syncConnectionsOpen": true`):                 func(c *PypzConfig) { c.Synchronous = true },
		"\n{\"channelLocation\":\n \"amqp://u:p@h/v\"}\t\n": func(c *PypzConfig) { c.Location = "amqp://u:p@h/v" },
	} {
		got, err := ParsePypz([]byte(text))
		if want := defaults(change); err != nil || *got != want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

func TestParsePypzIgnoresUnknown(t *testing.T) {
	text := `{"x": [{"channelLocation": 1}, {}, [[]]], "channelLocation": "h", "channelConfig": {"batch": {"a": {"a": 1, "a": 2}}, "batch": null, "max_poll_records": 7}, "y": null}`
	got, err := ParsePypz([]byte(text), IgnoreUnknown())
	if want := defaults(func(c *PypzConfig) { c.Poll = 7 }); err != nil || *got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ParsePypz([]byte(text)); err == nil || strings.Count(err.Error(), "unknown key") != 4 {
		t.Errorf("%v: four keys are unknown", err)
	}
}

func TestParsePypzErrors(t *testing.T) {
	channel := func(entry string) string { return `{"channelLocation": "h", "channelConfig": {` + entry + `}}` }
	port := func(entry string) string { return `{"channelLocation": "h", ` + entry + `}` }
	for text, want := range map[string]string{
		``:                                  `the text ends in the middle`,
		`  `:                                `the text ends in the middle`,
		`[]`:                                `want an object, found an array`,
		`null`:                              `want an object, found null`,
		`"h"`:                               `want an object, found a text`,
		`{`:                                 `the text ends in the middle`,
		`{"channelLocation": `:              `channelLocation: the text ends in the middle`,
		`{"channelLocation" 1}`:             `channelLocation: no JSON at line 1, column 20: `,
		`{}`:                                `channelLocation: it is missing: give "host[:port]" or an amqp:// URI`,
		`{"channelLocation": null}`:         `channelLocation: it is missing`,
		`{"channelLocation": 5672}`:         `channelLocation: want "host[:port]" or an amqp:// URI, found the number 5672`,
		`{"channelLocation": ""}`:           `channelLocation: it is no host`,
		`{"channelLocation": "a b"}`:        `channelLocation: it is no host`,
		`{"channelLocation": "h/v"}`:        `channelLocation: it is no host`,
		`{"channelLocation": "a,b"}`:        `channelLocation: it is no host`,
		`{"channelLocation": ":5672"}`:      `channelLocation: it is no host`,
		`{"channelLocation": "h:"}`:         `channelLocation: its port is not a number from 1 to 65535`,
		`{"channelLocation": "h:0"}`:        `channelLocation: its port is not a number from 1 to 65535`,
		`{"channelLocation": "h:65536"}`:    `channelLocation: its port is not a number from 1 to 65535`,
		`{"channelLocation": "h:amqp"}`:     `channelLocation: its port is not a number from 1 to 65535`,
		`{"channelLocation": "[::1"}`:       `channelLocation: what is in brackets must be an IPv6 address`,
		`{"channelLocation": "[::1]5"}`:     `channelLocation: what is in brackets must be an IPv6 address`,
		`{"channelLocation": "[10.0.0.1]"}`: `channelLocation: what is in brackets must be an IPv6 address`,
		`{"channelLocation": "http://h"}`:   `channelLocation: rabbitmq: the URL is wrong: its scheme is neither amqp nor amqps`,
		`{"channelLocation": "h"}}`:         `something follows the object, at line 1, column 25: one object is all there may be`,
		"{\"channelLocation\": \"h\"}\n{}":  `something follows the object, at line 2, column 1: one object is all there may be`,
		port(`"channelLocation": "i"`):      `channelLocation: it is there more than once: keep one`,
		channel(`"logLevel": "INFO", "logLevel": "INFO"`):   `channelConfig.logLevel: it is there more than once: keep one`,
		port(`"channelConfig": [1, {"a": 2}]`):              `channelConfig: want an object, found an array`,
		port(`"channelConfig": "x"`):                        `channelConfig: want an object, found a text`,
		channel(`"max_poll_records": 0`):                    `channelConfig.max_poll_records: 0 is out of range: give records, from 1 to 65535`,
		channel(`"max_poll_records": -1`):                   `channelConfig.max_poll_records: -1 is out of range`,
		channel(`"max_poll_records": 65536`):                `channelConfig.max_poll_records: 65536 is out of range`,
		channel(`"max_poll_records": 99999999999999999999`): `channelConfig.max_poll_records: 99999999999999999999 is out of range`,
		channel(`"max_poll_records": 10.0`):                 `channelConfig.max_poll_records: want records, as a whole number, found the number 10.0`,
		channel(`"max_poll_records": "10"`):                 `channelConfig.max_poll_records: want records, as a whole number, found a text`,
		channel(`"max_poll_records": true`):                 `channelConfig.max_poll_records: want records, as a whole number, found true`,
		channel(`"data_consumer_timeout_sec": -0.1`):        `channelConfig.data_consumer_timeout_sec: -0.1 is out of range: give seconds, from 0 to 1000000000`,
		channel(`"data_consumer_timeout_sec": 1e999`):       `channelConfig.data_consumer_timeout_sec: 1e999 is out of range`,
		channel(`"data_consumer_timeout_sec": "1s"`):        `channelConfig.data_consumer_timeout_sec: want seconds, as a number, found a text`,
		channel(`"data_consumer_timeout_sec": {"a": []}`):   `channelConfig.data_consumer_timeout_sec: want seconds, as a number, found an object`,
		channel(`"data_consumer_timeout_sec": NaN`):         `channelConfig.data_consumer_timeout_sec: NaN, at line 1, column 73, is no JSON: give a number`,
		channel(`"status_consumer_timeout_sec": -Infinity`): `channelConfig.status_consumer_timeout_sec: -Infinity, at line 1, column 75, is no JSON: give a number`,
		channel(`"status_consumer_timeout_sec": 1e10`):      `channelConfig.status_consumer_timeout_sec: 1e10 is out of range`,
		channel(`"metricsEnabled": 1`):                      `channelConfig.metricsEnabled: want true or false, found the number 1`,
		channel(`"metricsEnabled": "false"`):                `channelConfig.metricsEnabled: want true or false, found a text`,
		channel(`"logLevel": "VERBOSE"`):                    `channelConfig.logLevel: "VERBOSE" is no level: give DEBUG, INFO, WARNING, ERROR, CRITICAL or NOTSET`,
		channel(`"logLevel": 15`):                           `channelConfig.logLevel: the number 15 is no level`,
		channel(`"logLevel": []`):                           `channelConfig.logLevel: an array is no level`,
		port(`"sequentialModeEnabled": 0`):                  `sequentialModeEnabled: want true or false, found the number 0`,
		port(`"syncConnectionsOpen": "yes"`):                `syncConnectionsOpen: want true or false, found a text`,
		port(`"portOpenTimeoutMs": -1`):                     `portOpenTimeoutMs: -1 is out of range: give milliseconds, from 0 to 1000000000000`,
		port(`"portOpenTimeoutMs": 1.5`):                    `portOpenTimeoutMs: want milliseconds, as a whole number, found the number 1.5`,
		port(`"portOpenTimeoutMs": false`):                  `portOpenTimeoutMs: want milliseconds, as a whole number, found false`,
		channel(`"maxPollRecords": 5`):                      `channelConfig.maxPollRecords: unknown key; did you mean channelConfig.max_poll_records?`,
		port(`"max_poll_records": 5`):                       `max_poll_records: unknown key; did you mean channelConfig.max_poll_records?`,
		channel(`"portOpenTimeoutMs": 5`):                   `channelConfig.portOpenTimeoutMs: unknown key; did you mean portOpenTimeoutMs?`,
		port(`"portOpenTimeout": 5`):                        `portOpenTimeout: unknown key; did you mean portOpenTimeoutMs?`,
		port(`"channelConfig.max_poll_records": 5`):         `channelConfig.max_poll_records: unknown key`,
		port(`"batch": 5`):                                  `batch: unknown key; known here are channelLocation, channelConfig, sequentialModeEnabled, portOpenTimeoutMs, syncConnectionsOpen (`,
		port(`"a\nb%d": 5`):                                 `"a\nb%d": unknown key`,
		port(`"": 5`):                                       `"": unknown key`,
		port(`"` + strings.Repeat("x", 1000) + `": 5`):      `"` + strings.Repeat("x", 39) + `…: unknown key`,
	} {
		config, err := ParsePypz([]byte(text))
		if err == nil || config != nil || !strings.HasPrefix(err.Error(), "pypz configuration: "+want) {
			t.Errorf("%.200s:\n got %v\nwant %s", text, err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200s: %v: there is one problem", text, err)
		}
	}
}

// All that is wrong is said at once, in the order of the text.
func TestParsePypzSaysAll(t *testing.T) {
	_, err := ParsePypz([]byte(`{"channelConfig": {"max_poll_records": 0, "logLevel": 1, "sync": {}}, "portOpenTimeoutMs": "1"} x`))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(strings.TrimPrefix(err.Error(), "pypz configuration: "), "\n")
	for i, want := range []string{"channelConfig.max_poll_records: ", "channelConfig.logLevel: ", "channelConfig.sync: ", "portOpenTimeoutMs: ", "channelLocation: it is missing", "something follows"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%q: want %s in line %d", lines, want, i)
		}
	}
}

func TestPypzErrorsKeepThePassword(t *testing.T) {
	for _, location := range []string{"amqp://u:secret@h:x/", "amqp://u:sec@ret@h/", "u:secret@h", "http://u:secret@h", "u:5672@secret", "[secret]"} {
		text, _ := json.Marshal(map[string]any{"channelLocation": location})
		if _, err := ParsePypz(text); err == nil || strings.Contains(err.Error(), "sec") || strings.Contains(err.Error(), "ret@") {
			t.Errorf("%s: %v", location, err)
		}
	}
}

func TestPypzURL(t *testing.T) {
	for location, want := range map[string]string{
		"h":                     "amqp://guest:guest@h:5672/",
		"h.example.org:5673":    "amqp://guest:guest@h.example.org:5673/",
		"10.0.0.1":              "amqp://guest:guest@10.0.0.1:5672/",
		"::1":                   "amqp://guest:guest@[::1]:5672/",
		"[::1]":                 "amqp://guest:guest@[::1]:5672/",
		"[fe80::1%eth0]:5673":   "amqp://guest:guest@[fe80::1%eth0]:5673/",
		"amqps://u:p@h:1,i:2/v": "amqps://u:p@h:1,i:2/v",
	} {
		text, _ := json.Marshal(map[string]any{"channelLocation": location})
		c, err := ParsePypz(text)
		if err != nil || c.URL() != want {
			t.Errorf("%s: %v, %v", location, c, err)
			continue
		}
		if _, err := rabbitmq.FromURL(c.URL()); err != nil {
			t.Error(err)
		}
	}
	if c := (PypzConfig{Location: "no host"}); c.URL() != "amqp://guest:guest@no host/" {
		t.Error(c.URL())
	}
}

func TestPypzOptions(t *testing.T) {
	apply := func(text string, opts ...Option) (s settings) {
		t.Helper()
		c, err := ParsePypz([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.apply(append(c.Options(), opts...))
		return s
	}
	want := func(opts ...Option) (s settings) {
		s.apply(append([]Option{Compat(), Name("n")}, opts...))
		return s
	}
	for name, both := range map[string][2]settings{
		"defaults": {apply(`{"channelLocation": "h"}`, Name("n")),
			want(Poll(100), PollTimeout(100*time.Millisecond), WithoutMetrics(), LogLevel(zerolog.DebugLevel))},
		"all": {apply(`{"channelLocation": "h", "channelConfig": {"max_poll_records": 7, "data_consumer_timeout_sec": 3, "metricsEnabled": true, "logLevel": "ERROR"},
				"sequentialModeEnabled": true, "portOpenTimeoutMs": 5, "syncConnectionsOpen": true}`, Name("n")),
			want(Poll(7), PollTimeout(3*time.Second), LogLevel(zerolog.ErrorLevel), Sequential(), OpenTimeout(5*time.Millisecond), Synchronous())},
		"at once": {apply(`{"channelLocation": "h", "channelConfig": {"data_consumer_timeout_sec": 0}}`, Name("n")),
			want(Poll(100), PollTimeout(time.Millisecond), WithoutMetrics(), LogLevel(zerolog.DebugLevel))},
	} {
		if !reflect.DeepEqual(both[0], both[1]) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, both[0], both[1])
		}
	}
}

// One configuration serves both ends: what is for a reader alone does not make a writer wait.
func TestPypzOptionsAtBothEnds(t *testing.T) {
	ctx, _, rt := world(t)
	c, err := ParsePypz([]byte(`{"channelLocation": "h", "sequentialModeEnabled": true, "syncConnectionsOpen": true, "portOpenTimeoutMs": 10000, "channelConfig": {"data_consumer_timeout_sec": 0}}`))
	if err != nil {
		t.Fatal(err)
	}
	var r *Reader[string]
	opened := make(chan error)
	go func() {
		var err error
		r, err = OpenReader(ctx, rt, "c", Text(), c.Options()...)
		opened <- err
	}()
	w := is[*Writer[string]](t)(OpenWriter(ctx, rt, "c", Text(), c.Options()...))
	if err := errors.Join(w.Write(ctx, "a"), w.Close(ctx), <-opened); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil { // each Read takes what is there
		b := is[*Batch[string]](t)(r.Read(ctx))
		if len(b.Values) > 0 {
			return
		}
	}
	t.Error("the record did not come")
}

func FuzzParsePypz(f *testing.F) {
	for _, text := range []string{
		`{"channelLocation": "h:1", "channelConfig": {"max_poll_records": 7, "data_consumer_timeout_sec": 0.5, "logLevel": "INFO", "x": [1, {}]}, "portOpenTimeoutMs": 5}`,
		`{"channelLocation": "[::1]:5", "channelConfig": null, "syncConnectionsOpen": true}`, `{"channelLocation": "amqps://u:p@h/v?heartbeat=1"}`, `{"channelConfig": {"max_poll_records": NaN`, "{\"\\u0000\": \"\xff\"}x",
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, ignore bool) {
		var opts []PypzOption
		if ignore {
			opts = append(opts, IgnoreUnknown())
		}
		c, err := ParsePypz(data, opts...)
		if (c == nil) != (err != nil) {
			t.Fatal(c, err)
		}
		if err != nil {
			if len(err.Error()) > 1000+300*len(data) {
				t.Fatalf("%d bytes of error for %d of text", len(err.Error()), len(data))
			}
			return
		}
		if !json.Valid(data) {
			t.Error("no JSON was taken")
		}
		if c.Poll < 1 || c.Poll > 65535 || c.DataTimeout < 0 || c.StatusTimeout < 0 || c.OpenTimeout < 0 {
			t.Errorf("%+v", c)
		}
		if _, err := rabbitmq.FromURL(c.URL()); err != nil {
			t.Errorf("%s: %v", c.URL(), err)
		}
		_ = c.Options()
	})
}
