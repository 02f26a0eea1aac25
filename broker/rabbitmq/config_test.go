package rabbitmq

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestSecretIsNeverShown(t *testing.T) {
	const password = "hunter2"
	c := Config{Addresses: []string{"h"}, Credentials: Credentials{"u", NewSecret(password)}}
	hidden := struct{ inner Credentials }{c.Credentials} // fmt cannot call methods in there
	var out bytes.Buffer
	for _, v := range []any{c.Credentials.Password, &c.Credentials.Password, c, &c, c.Credentials, hidden, &hidden, []Secret{c.Credentials.Password}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		_ = json.NewEncoder(&out).Encode(struct{ S, C any }{c.Credentials.Password, c.Credentials})
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v, "s", c.Credentials.Password)
		logger := zerolog.New(&out)
		logger.Info().Interface("v", v).Any("a", v).Stringer("s", c.Credentials.Password).Msg("m")
	}
	for _, form := range []string{password, fmt.Sprintf("%x", password), fmt.Sprintf("%v", []byte(password))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the password is shown: %s", out.String())
		}
	}
	if got := c.Credentials.Password.Reveal(); got != password || (Secret{}).Reveal() != "" {
		t.Errorf("revealed %q", got)
	}
}

func TestFromURL(t *testing.T) {
	for text, want := range map[string]Config{
		"amqp://h":                         {Addresses: []string{"h:5672"}, VHost: "/"},
		"amqp://h/":                        {Addresses: []string{"h:5672"}, VHost: "/"},
		"amqps://h":                        {Addresses: []string{"h:5671"}, VHost: "/", TLS: &tls.Config{MinVersion: tls.VersionTLS12}},
		"AMQP://a:1,b,[::1]:3,[::2]/v%2Fw": {Addresses: []string{"a:1", "b:5672", "[::1]:3", "[::2]:5672"}, VHost: "v/w"},
		"amqp://u:p%40%2F%3A@h/%2F?heartbeat=3&connection_timeout=1500": {
			Addresses: []string{"h:5672"}, VHost: "/", Credentials: Credentials{"u", NewSecret("p@/:")}, Heartbeat: 3 * time.Second, DialTimeout: 1500 * time.Millisecond,
		},
	} {
		got, err := FromURL(text)
		if err != nil || got.Credentials.Password.Reveal() != want.Credentials.Password.Reveal() {
			t.Errorf("%s: %v", text, err)
		}
		got.Credentials.Password, want.Credentials.Password = Secret{}, Secret{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// A password may stand anywhere in a URL that is wrong: no error quotes it.
func TestURLErrorsHideThePassword(t *testing.T) {
	for _, text := range []string{
		"hunter2", "amqp:/u:hunter2@h", "http://u:hunter2@h", "u:hunter2@h", "amqp://u:hunter2%zz@h", "amqp://u:%zzhunter2@h", "amqp://u:a/hunter2@h",
		"amqp://u:a?hunter2@h", "amqp://u:a?heartbeat=hunter2@h", "amqp://u:a#hunter2@h", "amqp://u:a@hunter2@h", "amqp://u:a:hunter2@h",
		"amqp://u:hunter2@", "amqp://u:hunter2", "amqp://u:x@h:hunter2", "amqp://u:x@h/v/hunter2", "amqp://u:x@h/%zzhunter2", "amqp://u:x@h?hunter2=1", "amqp://u:x@:5672,hunter2:0",
	} {
		c, err := FromURL(text)
		if err == nil {
			t.Errorf("%s: no error, %v", text, c.Addresses)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	t.Setenv(EnvURL, "")
	if _, err := FromURL(""); err == nil || !strings.Contains(err.Error(), EnvURL) {
		t.Errorf("error %v", err)
	}
	t.Setenv(EnvURL, "amqp://there")
	if c, err := FromURL(""); err != nil || c.Addresses[0] != "there:5672" {
		t.Errorf("%v %v", c.Addresses, err)
	}
}

func TestNewRefusesConfig(t *testing.T) {
	good := func() Config { return Config{Addresses: []string{"h"}} }
	for name, change := range map[string]func(*Config){
		"no address":        func(c *Config) { c.Addresses = nil },
		"address":           func(c *Config) { c.Addresses = []string{"h:port"} },
		"vhost":             func(c *Config) { c.VHost = strings.Repeat("v", 256) },
		"name":              func(c *Config) { c.Name = strings.Repeat("n", 201) },
		"heartbeat":         func(c *Config) { c.Heartbeat = time.Millisecond },
		"dial time-out":     func(c *Config) { c.DialTimeout = -1 },
		"no verification":   func(c *Config) { c.TLS = &tls.Config{InsecureSkipVerify: true} },
		"two credentials":   func(c *Config) { c.CredentialsFile, c.Credentials.User = "f", "u" },
		"three credentials": func(c *Config) { c.CredentialsFunc, c.CredentialsFile, c.Credentials.User = noCredentials, "f", "u" },
	} {
		c := good()
		change(&c)
		if p, err := New(c); err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
	}
	p, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
}

func noCredentials(context.Context) (Credentials, error) { return Credentials{}, errors.New("none") }

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{CredentialsFile: file}
	if _, err := c.credentials(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for text, want := range map[string]string{"u\np": "u p", "u\r\np q\r\n": "u p q", "u\np\nmore": "u p", "u\n": "u ", "u": "", "\np": "", "": ""} {
		write(text)
		got, err := c.credentials(t.Context())
		if show := got.User + " " + got.Password.Reveal(); err == nil && show != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", text, show, err, want)
		}
	}
	if got, _ := (&Config{}).credentials(t.Context()); got.User != "guest" || got.Password.Reveal() != "guest" {
		t.Errorf("by default %q", got.User)
	}
}

func TestTLSNamesTheHost(t *testing.T) {
	c := Config{TLS: &tls.Config{}}
	if got := c.tlsFor("broker.example:5671").ServerName; got != "broker.example" {
		t.Errorf("server name %q", got)
	}
	c.TLS.ServerName = "other"
	if got := c.tlsFor("broker.example:5671").ServerName; got != "other" {
		t.Errorf("server name %q", got)
	}
}
