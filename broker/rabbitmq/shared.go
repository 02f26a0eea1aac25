package rabbitmq

import (
	"context"
	"crypto/tls"
)

// What broker/rabbitstream, which reaches the same broker by another protocol, shares of a configuration.

// Complete gives a copy with all defaults, or an error that says what to mend.
func (c Config) Complete() (Config, error) { return c.withDefaults() }

// Login asks the configured source for credentials. It may block as long as ctx allows.
func (c *Config) Login(ctx context.Context) (Credentials, error) { return c.credentials(ctx) }

// TLSFor is the TLS configuration for one address; TLS must be set.
func (c *Config) TLSFor(address string) *tls.Config { return c.tlsFor(address) }
