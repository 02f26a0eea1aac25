package weir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/broker/rabbitmq"
)

// PypzConfig is the configuration of a channel port of pypz, as its pipelines hold it in JSON: see ParsePypz, which also gives the defaults named here. What a pypz port
// takes from its pipeline instead (its schema, name, group, and how many ports are connected) is for Avro, Name, Group, FanOut and Expect.
type PypzConfig struct {
	// Location is where the broker is: host[:port], an IPv6 host in brackets when there is a port, or a full amqp:// or amqps:// URI, which may hold a password. Key channelLocation,
	// required; the port is 5672 by default.
	Location string
	// Poll is the most records of one batch, 1 to 65,535. Key channelConfig.max_poll_records; default 100.
	Poll int
	// DataTimeout is how long a Read waits for records. Key channelConfig.data_consumer_timeout_sec, in seconds, with fractions; default 100 ms. With 0 a Read takes what is there.
	DataTimeout time.Duration
	// StatusTimeout has no effect: in weir statuses come as events and nothing polls for them. Key channelConfig.status_consumer_timeout_sec, in seconds, with fractions; default 100 ms.
	StatusTimeout time.Duration
	// Metrics puts the metrics into the health checks. Key channelConfig.metricsEnabled; default false.
	Metrics bool
	// LogLevel is the least level that is logged. Key channelConfig.logLevel, one of Python's names, in any case, or its number; default DEBUG. NOTSET is everything, and CRITICAL nothing:
	// weir's worst is an error.
	LogLevel zerolog.Level
	// Sequential makes a reader's opening wait until all writers have finished. Key sequentialModeEnabled; default false.
	Sequential bool
	// OpenTimeout bounds opening. Key portOpenTimeoutMs, in whole milliseconds; default 0: the context alone bounds it.
	OpenTimeout time.Duration
	// Synchronous makes opening wait for all expected peers, not for one. Key syncConnectionsOpen; default false.
	Synchronous bool
}

const (
	pypzTimeout    = 100 * time.Millisecond
	pypzAtOnce     = time.Millisecond // a time-out of 0: to PollTimeout that means for ever
	pypzMaxSeconds = 1e9
	pypzMaxMillis  = 1e12
)

// PypzOption is one setting of ParsePypz.
type PypzOption func(*pypzParser)

// IgnoreUnknown passes over keys that are not known, as pypz does. A misspelt key then has no effect, and nothing says so.
func IgnoreUnknown() PypzOption { return func(p *pypzParser) { p.ignoreUnknown = true } }

// ParsePypz reads the configuration of a pypz channel port from a JSON object: channelLocation, channelConfig, sequentialModeEnabled, portOpenTimeoutMs and syncConnectionsOpen. A null is
// the default. The error holds all that is wrong, one line each, with the key's path and what to do; it repeats neither the location, which may hold a password, nor long values.
func ParsePypz(data []byte, opts ...PypzOption) (*PypzConfig, error) {
	p := pypzParser{data: data, config: PypzConfig{Poll: 100, DataTimeout: pypzTimeout, StatusTimeout: pypzTimeout}}
	for _, opt := range opts {
		opt(&p)
	}
	p.parse()
	if len(p.problems) > 0 {
		return nil, fmt.Errorf("pypz configuration: %w", errors.Join(p.problems...))
	}
	return &p.config, nil
}

// URL gives the location for Open. A host alone is reached as pypz does: as guest, on vhost "/", without TLS.
func (c *PypzConfig) URL() string {
	if strings.Contains(c.Location, "://") {
		return c.Location
	}
	host, port, err := splitLocation(c.Location)
	if err != nil { // not by ParsePypz: Open says what is wrong with it
		return "amqp://guest:guest@" + c.Location + "/"
	}
	return "amqp://guest:guest@" + net.JoinHostPort(host, port) + "/"
}

// Options gives the settings for OpenReader and OpenWriter, which ignore what is for the other. The channel is in Compat. What follows them in a list of options wins.
func (c *PypzConfig) Options() []Option {
	wait := c.DataTimeout
	if wait <= 0 {
		wait = pypzAtOnce
	}
	opts := []Option{Compat(), Poll(c.Poll), PollTimeout(wait), LogLevel(c.LogLevel)}
	if !c.Metrics {
		opts = append(opts, WithoutMetrics())
	}
	if c.Sequential {
		opts = append(opts, Sequential())
	}
	if c.Synchronous {
		opts = append(opts, Synchronous())
	}
	if c.OpenTimeout > 0 {
		opts = append(opts, OpenTimeout(c.OpenTimeout))
	}
	return opts
}

// pypzKey is a key that is known, and the object that it belongs to. A nil set means an object with keys of its own.
type pypzKey struct {
	parent, name string
	set          func(*PypzConfig, json.Token) error
}

func (k pypzKey) path() string { return pathOf(k.parent, k.name) }

const channelConfig = "channelConfig"

var pypzKeys = []pypzKey{
	{"", "channelLocation", setLocation},
	{"", channelConfig, nil},
	{channelConfig, "max_poll_records", setPoll},
	{channelConfig, "data_consumer_timeout_sec", setSeconds(func(c *PypzConfig) *time.Duration { return &c.DataTimeout })},
	{channelConfig, "status_consumer_timeout_sec", setSeconds(func(c *PypzConfig) *time.Duration { return &c.StatusTimeout })},
	{channelConfig, "metricsEnabled", setFlag(func(c *PypzConfig) *bool { return &c.Metrics })},
	{channelConfig, "logLevel", setLevel},
	{"", "sequentialModeEnabled", setFlag(func(c *PypzConfig) *bool { return &c.Sequential })},
	{"", "portOpenTimeoutMs", setOpenTimeout},
	{"", "syncConnectionsOpen", setFlag(func(c *PypzConfig) *bool { return &c.Synchronous })},
}

// pathOf names a key in an error. What is foreign stays short and on one line.
func pathOf(parent, name string) string {
	if quoted := strconv.Quote(name); len(name) > 40 || len(quoted) > len(name)+2 || name == "" {
		name = short(quoted)
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// pypzParser walks the tokens by hand: encoding/json alone knows neither duplicates nor paths, and stops at the first problem.
type pypzParser struct {
	ignoreUnknown bool
	data          []byte
	dec           *json.Decoder
	config        PypzConfig
	located       bool
	problems      []error
}

func (p *pypzParser) problem(path, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if path != "" {
		err = fmt.Errorf("%s: %w", path, err)
	}
	p.problems = append(p.problems, err)
}

func (p *pypzParser) parse() {
	p.dec = json.NewDecoder(bytes.NewReader(p.data))
	p.dec.UseNumber()
	switch token, ok := p.token(""); {
	case !ok:
	case token != json.Delim('{'):
		p.problem("", "want an object, found %s", kindOf(token))
	case p.object(""): // else it is no JSON from some point on, and what is missing is not known
		if !p.located {
			p.problem("channelLocation", `it is missing: give "host[:port]" or an amqp:// URI`)
		}
		p.end()
	}
}

func (p *pypzParser) end() {
	behind := p.where()
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		p.problem("", "something follows the object, at %s: one object is all there may be", behind)
	} else if !json.Valid(p.data) { // nested too deep
		p.problem("", "no JSON")
	}
}

// object reads the keys and values of an object whose beginning was read. False means that nothing behind can be read.
func (p *pypzParser) object(parent string) bool {
	seen := map[string]bool{}
	for p.dec.More() {
		token, ok := p.token(parent)
		if !ok {
			return false
		}
		name, _ := token.(string) // a key is nothing else
		i := slices.IndexFunc(pypzKeys, func(k pypzKey) bool { return k.parent == parent && k.name == name })
		switch {
		case i >= 0 && seen[name]:
			p.problem(pypzKeys[i].path(), "it is there more than once: keep one")
		case i < 0 && !p.ignoreUnknown:
			p.problem(pathOf(parent, name), "unknown key%s (IgnoreUnknown passes over such keys, as pypz does)", suggest(parent, name))
		}
		seen[name] = true
		path := pathOf(parent, name)
		if token, ok = p.token(path); !ok {
			return false
		}
		if i >= 0 && pypzKeys[i].set == nil && token == json.Delim('{') {
			ok = p.object(path)
		} else {
			p.set(i, token)
			ok = p.skip(path, token)
		}
		if !ok {
			return false
		}
	}
	_, ok := p.token(parent)
	return ok
}

func (p *pypzParser) set(i int, token json.Token) {
	switch {
	case i < 0 || token == nil:
	case pypzKeys[i].set == nil:
		p.problem(pypzKeys[i].path(), "want an object, found %s", kindOf(token))
	default:
		if err := pypzKeys[i].set(&p.config, token); err != nil {
			p.problem(pypzKeys[i].path(), "%w", err)
		}
		p.located = p.located || pypzKeys[i].name == "channelLocation"
	}
}

// skip reads to the end of the value that the token began.
func (p *pypzParser) skip(path string, token json.Token) bool {
	for depth := 0; ; {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return true
		}
		next, ok := p.token(path)
		if !ok {
			return false
		}
		token = next
	}
}

func (p *pypzParser) token(path string) (json.Token, bool) {
	token, err := p.dec.Token()
	if err == nil {
		return token, true
	}
	rest := p.data[p.next():]
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} { // Python writes them
		if bytes.HasPrefix(rest, []byte(word)) {
			p.problem(path, "%s, at %s, is no JSON: give a number", word, p.where())
			return nil, false
		}
	}
	if len(rest) == 0 {
		p.problem(path, "the text ends in the middle")
	} else {
		p.problem(path, "no JSON at %s: %w", p.where(), err)
	}
	return nil, false
}

// next is where the next token begins, and where says it to a person.
func (p *pypzParser) next() int {
	at := int(p.dec.InputOffset())
	return at + len(p.data[at:]) - len(bytes.TrimLeft(p.data[at:], " \t\r\n:,"))
}

func (p *pypzParser) where() string {
	before := p.data[:p.next()]
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n'))
}

func kindOf(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return "an array"
		}
		return "an object"
	case string:
		return "a text"
	case json.Number:
		return "the number " + short(string(token))
	case bool:
		return strconv.FormatBool(token)
	}
	return "null"
}

func short(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

func setFlag(field func(*PypzConfig) *bool) func(*PypzConfig, json.Token) error {
	return func(c *PypzConfig, token json.Token) error {
		on, ok := token.(bool)
		if !ok {
			return fmt.Errorf("want true or false, found %s", kindOf(token))
		}
		*field(c) = on
		return nil
	}
}

func setSeconds(field func(*PypzConfig) *time.Duration) func(*PypzConfig, json.Token) error {
	return func(c *PypzConfig, token json.Token) error {
		number, ok := token.(json.Number)
		if !ok {
			return fmt.Errorf("want seconds, as a number, found %s", kindOf(token))
		}
		seconds, err := number.Float64()
		if err != nil || !(seconds >= 0 && seconds <= pypzMaxSeconds) {
			return fmt.Errorf("%s is out of range: give seconds, from 0 to %d", short(string(number)), int64(pypzMaxSeconds))
		}
		*field(c) = time.Duration(math.Round(seconds * float64(time.Second)))
		return nil
	}
}

func setPoll(c *PypzConfig, token json.Token) error {
	n, err := wholeNumber(token, "records", 1, math.MaxUint16)
	if err == nil {
		c.Poll = int(n)
	}
	return err
}

func setOpenTimeout(c *PypzConfig, token json.Token) error {
	n, err := wholeNumber(token, "milliseconds", 0, pypzMaxMillis)
	if err == nil {
		c.OpenTimeout = time.Duration(n) * time.Millisecond
	}
	return err
}

// wholeNumber reads what Python calls an int: 10.0 and 1e3 are none.
func wholeNumber(token json.Token, unit string, least, most int64) (int64, error) {
	number, ok := token.(json.Number)
	if !ok || strings.ContainsAny(string(number), ".eE") {
		return 0, fmt.Errorf("want %s, as a whole number, found %s", unit, kindOf(token))
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is out of range: give %s, from %d to %d", short(string(number)), unit, least, most)
	}
	return n, nil
}

// pythonLevels are those of Python's logging: a name or its number.
var pythonLevels = []struct {
	name, number string
	level        zerolog.Level
}{
	{"NOTSET", "0", zerolog.TraceLevel}, {"DEBUG", "10", zerolog.DebugLevel}, {"INFO", "20", zerolog.InfoLevel}, {"WARNING", "30", zerolog.WarnLevel}, {"WARN", "30", zerolog.WarnLevel},
	{"ERROR", "40", zerolog.ErrorLevel}, {"CRITICAL", "50", zerolog.FatalLevel}, {"FATAL", "50", zerolog.FatalLevel},
}

func setLevel(c *PypzConfig, token json.Token) error {
	found := kindOf(token)
	for _, l := range pythonLevels {
		switch token := token.(type) {
		case string:
			found = strconv.Quote(short(token))
			if strings.EqualFold(token, l.name) {
				c.LogLevel = l.level
				return nil
			}
		case json.Number:
			if string(token) == l.number {
				c.LogLevel = l.level
				return nil
			}
		}
	}
	return fmt.Errorf("%s is no level: give DEBUG, INFO, WARNING, ERROR, CRITICAL or NOTSET", found)
}

func setLocation(c *PypzConfig, token json.Token) error {
	text, ok := token.(string)
	if !ok {
		return fmt.Errorf(`want "host[:port]" or an amqp:// URI, found %s`, kindOf(token))
	}
	c.Location = text
	if strings.Contains(text, "://") {
		_, err := rabbitmq.FromURL(text)
		return err
	}
	_, _, err := splitLocation(text)
	return err
}

// splitLocation takes host[:port] apart. Its errors do not repeat it: it may be a URI whose beginning was forgotten, with a password.
func splitLocation(text string) (host, port string, err error) {
	host, port = text, "5672"
	switch inner, rest, closed := strings.Cut(strings.TrimPrefix(text, "["), "]"); {
	case strings.HasPrefix(text, "["):
		if host = inner; !closed || !isIPv6(host) || rest != "" && rest[0] != ':' {
			return "", "", errors.New("what is in brackets must be an IPv6 address, and a port may follow: [::1]:5672")
		}
		if rest != "" {
			port = rest[1:]
		}
	case isIPv6(text):
	case strings.Contains(text, ":"):
		host, port, _ = strings.Cut(text, ":")
		fallthrough
	default:
		if !isHost(host) {
			return "", "", errors.New(`it is no host: give "host[:port]" or an amqp:// URI`)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", errors.New("its port is not a number from 1 to 65535 (an IPv6 host that a port follows goes in brackets)")
	}
	return host, port, nil
}

func isIPv6(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is6() && isHost(address.Zone()+"0")
}

func isHost(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == ""
}

// suggest names the known key that comes nearest, or all of that object. People mix up the two ways of writing keys, and where a key belongs.
func suggest(parent, name string) string {
	best, least := "", 4
	var known []string
	for _, k := range pypzKeys {
		if d := distance(plain(name), plain(k.name)); d < least {
			best, least = k.path(), d
		}
		if k.parent == parent {
			known = append(known, k.name)
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	return "; known here are " + strings.Join(known, ", ")
}

func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

// distance counts the letters to change, insert or leave out between two keys. A long one is just far away.
func distance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
