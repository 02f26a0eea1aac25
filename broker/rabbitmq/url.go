package rabbitmq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// EnvURL names the environment variable that FromEnv reads.
const EnvURL = "WEIR_URL"

const wantURL = "want amqp://user:password@host:port/vhost, or amqps://, with every special character of user, password and vhost percent-encoded"

// FromEnv is FromURL of the environment variable WEIR_URL.
func FromEnv() (Config, error) {
	text := os.Getenv(EnvURL)
	if text == "" {
		return Config{}, fmt.Errorf("rabbitmq: no URL was given and %s is not set", EnvURL)
	}
	return FromURL(text)
}

// FromURL reads amqp://user:password@host:port,host:port/vhost?heartbeat=10 (amqps:// for TLS with the system's authorities).
// Everything but the scheme and one host may be missing; a missing or empty vhost is "/". The query knows heartbeat (seconds) and
// connection_timeout (milliseconds). An empty URL means FromEnv. No error repeats the URL, which may hold a password.
func FromURL(text string) (Config, error) {
	if text == "" {
		return FromEnv()
	}
	c, err := parseURL(text)
	if err != nil {
		return Config{}, fmt.Errorf("rabbitmq: the URL is wrong: %w", err)
	}
	return c, nil
}

// parseURL takes the URL apart by hand: net/url knows one host only, and its errors quote what they cannot parse.
func parseURL(text string) (Config, error) {
	var c Config
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return c, errors.New(wantURL)
	}
	switch strings.ToLower(scheme) {
	case "amqp":
	case "amqps":
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return c, errors.New("its scheme is neither amqp nor amqps; " + wantURL)
	}
	if strings.Contains(rest, "#") {
		return c, errors.New("it has a fragment (#); " + wantURL)
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	user, hosts, ok := cutLast(authority, "@")
	if !ok {
		user, hosts = "", authority
	}
	if err := c.setUser(user); err != nil {
		return c, err
	}
	for host := range strings.SplitSeq(hosts, ",") {
		full, err := hostPort(host, c.TLS != nil)
		if err != nil { // the host may be a part of a password that was not encoded
			return c, errors.New("a host is wrong; " + wantURL)
		}
		c.Addresses = append(c.Addresses, full)
	}
	vhost, err := url.PathUnescape(path)
	if err != nil || strings.Contains(path, "/") {
		return c, errors.New("its vhost is wrong; " + wantURL)
	}
	c.VHost = orElse(vhost, "/")
	return c, c.setQuery(query)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (c *Config) setUser(text string) error {
	if text == "" {
		return nil
	}
	name, password, _ := strings.Cut(text, ":")
	if strings.ContainsAny(text, "@/") || strings.Contains(password, ":") {
		return errors.New("a special character in user or password is not encoded; " + wantURL)
	}
	user, err1 := url.PathUnescape(name)
	pass, err2 := url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return errors.New("user or password is not encoded; " + wantURL)
	}
	c.Credentials = Credentials{user, NewSecret(pass)}
	return nil
}

func (c *Config) setQuery(text string) error {
	if text == "" {
		return nil
	}
	for pair := range strings.SplitSeq(text, "&") {
		key, value, _ := strings.Cut(pair, "=")
		n, err := strconv.ParseUint(value, 10, 31)
		switch {
		case key == "heartbeat" && err == nil:
			c.Heartbeat = time.Duration(n) * time.Second
		case key == "connection_timeout" && err == nil:
			c.DialTimeout = time.Duration(n) * time.Millisecond
		default: // what it is may be a part of a password that was not encoded
			return errors.New("its query is wrong: heartbeat (seconds) and connection_timeout (milliseconds) are possible")
		}
	}
	return nil
}
