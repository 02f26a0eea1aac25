package rabbitstream

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/d2e2d648/weir/broker/rabbitmq"
)

// Config says how to reach the broker's stream protocol. FromAMQP and FromURL make one.
type Config struct {
	// Config is as for AMQP, but for its addresses, whose ports are those of streams: 5552, with TLS 5551.
	rabbitmq.Config
	// Advertised has connections made to the host and port that each node advertises, as a cluster needs. Otherwise all go to the address given, whatever the broker
	// believes to be its own, and a stream that another node leads cannot be opened. FromAMQP and FromURL set it where there are several addresses.
	Advertised bool
}

const (
	amqpPort, amqpsPort     = "5672", "5671"
	streamPort, streamsPort = "5552", "5551"
)

// FromAMQP is the same broker by the stream protocol, at the default ports.
func FromAMQP(c rabbitmq.Config) Config {
	all := make([]string, len(c.Addresses))
	for i, a := range c.Addresses {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			host = strings.Trim(a, "[]")
		}
		all[i] = net.JoinHostPort(host, defaultPort(&c))
	}
	c.Addresses = all
	return of(c)
}

// of takes several addresses for those of a cluster, where each stream has a leader.
func of(c rabbitmq.Config) Config { return Config{Config: c, Advertised: len(c.Addresses) > 1} }

func defaultPort(c *rabbitmq.Config) string {
	if c.TLS != nil {
		return streamsPort
	}
	return streamPort
}

// FromURL reads rabbitmq-stream://user:password@host:port,host:port/vhost, or rabbitmq-stream+tls://, on the same terms as rabbitmq.FromURL. No error repeats
// the URL, which may hold a password.
func FromURL(text string) (Config, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "rabbitmq-stream":
		scheme = "amqp"
	case "rabbitmq-stream+tls":
		scheme = "amqps"
	default:
		ok = false
	}
	if !ok {
		return Config{}, errors.New("rabbitstream: the URL is wrong: its scheme is neither rabbitmq-stream nor rabbitmq-stream+tls")
	}
	c, err := rabbitmq.FromURL(scheme + "://" + rest)
	if err != nil {
		return Config{}, err
	}
	for i, a := range c.Addresses { // a port that was left out has become AMQP's, where no stream listens
		if host, port, _ := net.SplitHostPort(a); port == amqpPort || port == amqpsPort {
			c.Addresses[i] = net.JoinHostPort(host, defaultPort(&c))
		}
	}
	return of(c), nil
}

// complete gives a copy with all defaults, or an error that says what to mend.
func (c Config) complete() (Config, error) {
	all := make([]string, len(c.Addresses))
	for i, a := range c.Addresses {
		if bare := strings.Trim(a, "[]"); a != "" && (net.ParseIP(bare) != nil || !strings.Contains(a, ":")) {
			a = net.JoinHostPort(bare, defaultPort(&c.Config))
		}
		all[i] = a
	}
	c.Addresses = all
	full, err := c.Complete()
	if err != nil {
		return c, fmt.Errorf("rabbitstream: %w", err)
	}
	c.Config = full
	return c, nil
}
