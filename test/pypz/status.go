package pypz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// The statuses (status.py:67).
const (
	Opened           = "Opened"
	Started          = "Started"
	Stopped          = "Stopped"
	Closed           = "Closed"
	HealthCheck      = "HealthCheck"
	Error            = "Error"
	WaitingForSchema = "WaitingForSchema"
	Acknowledged     = "Acknowledged"
)

// utf8Encoding is the content_encoding of text.
const utf8Encoding = "utf-8"

// Status is ChannelStatusMessage (status.py:78).
type Status struct {
	Channel, Context string
	Group            string // "" is None
	Index            int
	Kind             string
	Payload          any
	Timestamp        int64 // Unix milliseconds
}

// Unique is the peer's unique name.
func (s *Status) Unique() string { return s.Channel + "@" + s.Context }

// String gives the status as the original writes it: the seven keys in their order, Python's separators, ASCII alone.
func (s *Status) String() string {
	var group any
	if s.Group != "" {
		group = s.Group
	}
	var b strings.Builder
	for i, f := range []struct {
		key   string
		value any
	}{
		{"channel_name", s.Channel}, {"channel_context_name", s.Context}, {"channel_group_name", group}, {"channel_group_index", s.Index},
		{"status", s.Kind}, {"payload", s.Payload}, {"timestamp", s.Timestamp},
	} {
		b.WriteString([]string{"{", ", "}[min(i, 1)])
		fmt.Fprintf(&b, `"%s": %s`, f.key, dump(f.value))
	}
	return b.String() + "}"
}

func dump(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a payload of the test's own that is no JSON
	}
	var ascii strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r < 0x80 {
			ascii.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.String()
}

// parse reads a status as the original does, which passes the keys of the JSON object on as keyword arguments (status.py:117): what is not exactly a status is an error.
func parse(body []byte, encoding string) (Status, error) {
	if encoding != utf8Encoding {
		return Status{}, fmt.Errorf("content_encoding is %q: the body is bytes, not text", encoding)
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return Status{}, err
	}
	if d.More() || fields == nil {
		return Status{}, errors.New("the body is not one JSON object")
	}
	s := Status{Timestamp: time.Now().UnixMilli()}
	given := map[string]bool{}
	for key, value := range fields {
		given[key] = true
		if err := s.set(key, value); err != nil {
			return Status{}, err
		}
	}
	for _, key := range []string{"channel_name", "channel_context_name", "status"} {
		if !given[key] {
			return Status{}, fmt.Errorf("missing %q", key)
		}
	}
	return s, nil
}

func (s *Status) set(key string, value any) (err error) {
	ok := true
	switch key {
	case "channel_name":
		s.Channel, ok = value.(string)
	case "channel_context_name":
		s.Context, ok = value.(string)
	case "channel_group_name":
		if value != nil {
			s.Group, ok = value.(string)
		}
	case "channel_group_index":
		s.Index, err = whole(value)
	case "status":
		s.Kind, ok = value.(string)
		ok = ok && known(s.Kind)
	case "payload":
		s.Payload = value
	case "timestamp":
		if value != nil {
			s.Timestamp, err = millis(value)
		}
	default:
		return fmt.Errorf("unexpected keyword argument %q", key)
	}
	if !ok {
		err = fmt.Errorf("%s must not be %v", key, value)
	}
	return err
}

func known(kind string) bool {
	switch kind {
	case Opened, Started, Stopped, Closed, HealthCheck, Error, WaitingForSchema, Acknowledged:
		return true
	}
	return false
}

func whole(value any) (int, error) {
	n, err := millis(value)
	return int(n), err
}

// millis is int(float(timestamp)): a number or the text of one (status.py:249).
func millis(value any) (int64, error) {
	var text string
	switch value := value.(type) {
	case json.Number:
		text = value.String()
	case string:
		text = value
	default:
		return 0, fmt.Errorf("%v is no number", value)
	}
	f, err := strconv.ParseFloat(text, 64)
	return int64(f), err
}
