package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Config says how to reach the broker. FromURL and FromEnv make one; only Addresses is required.
type Config struct {
	// Addresses are the nodes of one broker, each host or host:port (5672, with TLS 5671), tried in turn at every dial, the last good one first.
	Addresses []string
	// VHost is the virtual host, "/" when empty.
	VHost string
	// TLS, when set, makes every connection a TLS one. An empty ServerName becomes the address's host. InsecureSkipVerify is refused:
	// to trust a certificate that no public authority signed, put its authority in RootCAs.
	TLS *tls.Config

	// Of the three, at most one is set; none means guest, guest.
	// Credentials are constant. CredentialsFunc is asked at every dial and must honour its context. CredentialsFile is read
	// at every dial: the user's name in its first line, the password in its second.
	Credentials     Credentials
	CredentialsFunc func(context.Context) (Credentials, error)
	CredentialsFile string

	// Name is shown at the broker as the connection's name, with the connection's purpose behind it; "weir" when empty, at most 200 bytes.
	Name string
	// Heartbeat is proposed to the broker, which may lower it: whole seconds, 1 s to 1 h, 10 s when zero. A peer that is silent for one and a
	// half of it is given up.
	Heartbeat time.Duration
	// DialTimeout bounds one attempt at one address, handshakes included: 5 s when zero.
	DialTimeout time.Duration
}

// Credentials are a user's name and password.
type Credentials struct {
	User     string
	Password Secret
}

const (
	defaultHeartbeat   = 10 * time.Second
	defaultDialTimeout = 5 * time.Second
)

// withDefaults gives a copy that is complete, or an error that says what to mend.
func (c Config) withDefaults() (Config, error) {
	var wrong []error
	mend := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("rabbitmq: "+format, args...)) }

	if len(c.Addresses) == 0 {
		mend("no address: set Config.Addresses to host:port of at least one node")
	}
	addresses := make([]string, 0, len(c.Addresses))
	for _, a := range c.Addresses {
		full, err := hostPort(a, c.TLS != nil)
		if err != nil {
			mend("address %q: %w", a, err)
		}
		addresses = append(addresses, full)
	}
	c.Addresses = addresses
	c.VHost = orElse(c.VHost, "/")
	c.Name = orElse(c.Name, "weir")
	c.Heartbeat = orElse(c.Heartbeat, defaultHeartbeat)
	c.DialTimeout = orElse(c.DialTimeout, defaultDialTimeout)
	if len(c.VHost) > 255 {
		mend("the virtual host's name has %d bytes: 255 are possible", len(c.VHost))
	}
	if len(c.Name) > 200 {
		mend("Config.Name has %d bytes: use at most 200", len(c.Name))
	}
	if c.Heartbeat < time.Second || c.Heartbeat > time.Hour || c.Heartbeat%time.Second != 0 {
		mend("heartbeat %v: use whole seconds from 1 s to 1 h", c.Heartbeat)
	}
	if c.DialTimeout < 0 {
		mend("dial time-out %v: use a positive duration", c.DialTimeout)
	}
	if c.TLS != nil && c.TLS.InsecureSkipVerify {
		mend("Config.TLS skips the verification of the broker's certificate, so that anybody could read the password: put the certificate's authority in TLS.RootCAs instead")
	}
	if err := c.oneSource(); err != nil {
		wrong = append(wrong, err)
	}
	return c, errors.Join(wrong...)
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c *Config) oneSource() error {
	n := 0
	for _, set := range []bool{c.Credentials != Credentials{}, c.CredentialsFunc != nil, c.CredentialsFile != ""} {
		if set {
			n++
		}
	}
	if n > 1 {
		return errors.New("rabbitmq: set one of Credentials, CredentialsFunc and CredentialsFile, not several")
	}
	return nil
}

// hostPort completes an address by its port.
func hostPort(address string, secure bool) (string, error) {
	port := "5672"
	if secure {
		port = "5671"
	}
	bare := strings.Trim(address, "[]")
	switch {
	case address == "":
		return "", errors.New("it is empty: want host:port")
	case net.ParseIP(bare) != nil: // also an IPv6 address without a port
		return net.JoinHostPort(bare, port), nil
	case !strings.Contains(address, ":"):
		return net.JoinHostPort(address, port), nil
	}
	host, p, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", errors.New("want host:port, an IPv6 host in brackets")
	}
	if n, err := net.LookupPort("tcp", p); err != nil || n == 0 {
		return "", errors.New("its port is not a number from 1 to 65535")
	}
	return net.JoinHostPort(host, p), nil
}

// credentials asks the configured source.
func (c *Config) credentials(ctx context.Context) (Credentials, error) {
	switch {
	case c.CredentialsFunc != nil:
		got, err := c.CredentialsFunc(ctx)
		if err != nil {
			return got, fmt.Errorf("ask for credentials: %w", err)
		}
		return got, nil
	case c.CredentialsFile != "":
		return readCredentials(c.CredentialsFile)
	case c.Credentials == Credentials{}:
		return Credentials{"guest", NewSecret("guest")}, nil
	}
	return c.Credentials, nil
}

func readCredentials(file string) (Credentials, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	user, rest, two := strings.Cut(string(data), "\n")
	password, _, _ := strings.Cut(rest, "\n")
	if !two || strings.TrimRight(user, "\r") == "" {
		return Credentials{}, fmt.Errorf("read credentials: %s has not the user's name in its first line and the password in its second", file)
	}
	return Credentials{strings.TrimRight(user, "\r"), NewSecret(strings.TrimRight(password, "\r"))}, nil
}

// tlsFor is the TLS configuration for one address.
func (c *Config) tlsFor(address string) *tls.Config {
	t := c.TLS.Clone()
	if t.ServerName == "" {
		t.ServerName, _, _ = net.SplitHostPort(address)
	}
	return t
}
