package messages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Payload is what a health check carries beside its kind: counts, metrics, entries of the user. The order is kept on the wire.
type Payload []Entry

// Entry is one entry of a payload. Value is anything that encoding/json can write.
type Entry struct {
	Key   string
	Value any
}

// The keys that endpoints put into a health check's payload themselves.
const (
	ReceivedRecordCount = "receivedRecordCount"
	SentRecordCount     = "sentRecordCount"
)

// Get gives the value of a key.
func (p Payload) Get(key string) (any, bool) {
	for _, e := range p {
		if e.Key == key {
			return e.Value, true
		}
	}
	return nil, false
}

// MaxStatusSize is the longest status message that is read or sent, in bytes.
const MaxStatusSize = 16 << 10

// maxTimestamp is the latest time of a status that is taken for one, in Unix milliseconds: the largest integer that every JSON reader keeps.
const maxTimestamp = 1 << 53

// Freeze gives a payload whose values are what they are on the wire, so that nothing of the user's code runs when it is sent. Entries that cannot be written, or for which there is no room
// in a status message, are left out and told by dropped.
func (p Payload) Freeze(dropped func(key string, err error)) Payload {
	out, room := make(Payload, 0, len(p)), MaxStatusSize/2
	for _, e := range p {
		value, err := encodeJSON(e.Value)
		size := 6*len(e.Key) + len(value) + len(`"":,`) // a character of a key takes six bytes at most
		switch {
		case err != nil:
			dropped(e.Key, err)
		case size > room:
			dropped(e.Key, fmt.Errorf("takes %d bytes, and of the %d that a health check has for entries of the user's %d are left", size, MaxStatusSize/2, room))
		default:
			room -= size
			out = append(out, Entry{e.Key, json.RawMessage(value)})
		}
	}
	return out
}

// wireStatus is a status of any shape.
type wireStatus struct {
	Channel    string          `json:"channel_name"`
	Context    string          `json:"channel_context_name"`
	Group      *string         `json:"channel_group_name"`
	GroupIndex int             `json:"channel_group_index"`
	Kind       Kind            `json:"status"`
	Payload    json.RawMessage `json:"payload"`
	Timestamp  json.RawMessage `json:"timestamp"`
}

// EncodeStatus gives the body of a status message: one JSON object with exactly the seven keys that pypz peers accept.
func EncodeStatus(s *Status) ([]byte, error) {
	b := make([]byte, 0, 192+len(s.Channel)+len(s.Context)+len(s.Group)+56*len(s.Payload))
	b = appendText(append(b, `{"channel_name":`...), s.Channel)
	b = appendText(append(b, `,"channel_context_name":`...), s.Context)
	b = append(b, `,"channel_group_name":`...)
	if s.Group != "" {
		b = appendText(b, s.Group)
	} else {
		b = append(b, "null"...)
	}
	b = strconv.AppendInt(append(b, `,"channel_group_index":`...), int64(s.GroupIndex), 10)
	b = appendText(append(b, `,"status":`...), string(s.Kind))
	b, err := appendPayload(append(b, `,"payload":`...), s.Payload)
	if err != nil {
		return nil, err
	}
	b = strconv.AppendInt(append(b, `,"timestamp":`...), s.Timestamp, 10)
	return append(b, '}'), nil
}

func appendPayload(b []byte, p Payload) (_ []byte, err error) {
	if p == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '{')
	for i, e := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, e.Key), ':')
		if b, err = appendValue(b, e.Value); err != nil {
			return nil, fmt.Errorf("payload entry %q: %w", e.Key, err)
		}
	}
	return append(b, '}'), nil
}

// encodeJSON is json.Marshal without its escapes for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ErrBadStatus: a message on a status stream that is no status.
var ErrBadStatus = errors.New("no status message")

// DecodeStatus reads a status message. Group, index, payload and timestamp may be missing: none, 0, none, now.
// The timestamp may be a number with a fraction, or a text that holds a number.
func DecodeStatus(body []byte, now time.Time) (Status, error) {
	if len(body) > MaxStatusSize {
		return Status{}, fmt.Errorf("%w: %d bytes, more than %d", ErrBadStatus, len(body), MaxStatusSize)
	}
	if !utf8.Valid(body) {
		return Status{}, fmt.Errorf("%w: not UTF-8", ErrBadStatus)
	}
	if s, ok := quickStatus(string(body)); ok {
		return s, nil
	}
	return slowStatus(body, now)
}

// slowStatus reads whatever is a status.
func slowStatus(body []byte, now time.Time) (Status, error) {
	var w wireStatus
	if err := json.Unmarshal(body, &w); err != nil {
		return Status{}, fmt.Errorf("%w: %w", ErrBadStatus, err)
	}
	if w.Channel == "" || w.Context == "" {
		return Status{}, fmt.Errorf("%w: channel_name or channel_context_name is missing", ErrBadStatus)
	}
	s := Status{Channel: w.Channel, Context: w.Context, GroupIndex: w.GroupIndex, Kind: w.Kind}
	if w.Group != nil {
		s.Group = *w.Group
	}
	if !slices.Contains(kinds[:], w.Kind) {
		return Status{}, fmt.Errorf("%w: unknown status %.40q", ErrBadStatus, w.Kind)
	}
	var err error
	if s.Payload, err = decodePayload(w.Payload); err != nil {
		return Status{}, err
	}
	s.Timestamp, err = decodeTimestamp(w.Timestamp, now)
	return s, err
}

func decodePayload(raw json.RawMessage) (Payload, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil // pypz lets a payload be anything; only an object says something to us
	}
	p := Payload{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: payload: %w", ErrBadStatus, err)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: payload: %w", ErrBadStatus, err)
		}
		name, _ := key.(string)
		p = append(p, Entry{name, value})
	}
	return p, nil
}

func decodeTimestamp(raw json.RawMessage, now time.Time) (int64, error) {
	text := strings.Trim(strings.TrimSpace(string(raw)), `"`)
	if text == "" || text == "null" {
		return now.UnixMilli(), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= -maxTimestamp && n <= maxTimestamp {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > maxTimestamp {
		return 0, fmt.Errorf("%w: timestamp %.40q", ErrBadStatus, text)
	}
	return int64(f), nil
}
