package rabbitstream

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/broker/rabbitmq"
)

func TestFromURL(t *testing.T) {
	for text, want := range map[string]struct {
		addresses []string
		vhost     string
		secure    bool
	}{
		"rabbitmq-stream://host":                        {[]string{"host:5552"}, "/", false},
		"rabbitmq-stream://u:p@host:1234/vh%2Fost":      {[]string{"host:1234"}, "vh/ost", false},
		"rabbitmq-stream+tls://host,other:77":           {[]string{"host:5551", "other:77"}, "/", true},
		"rabbitmq-stream://[::1]":                       {[]string{"[::1]:5552"}, "/", false},
		"RabbitMQ-Stream://u:p@host/?heartbeat=20":      {[]string{"host:5552"}, "/", false},
		"rabbitmq-stream+tls://u:p%40@[2001:db8::1]:99": {[]string{"[2001:db8::1]:99"}, "/", true},
	} {
		c, err := FromURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !slices.Equal(c.Addresses, want.addresses) || c.VHost != want.vhost || (c.TLS != nil) != want.secure {
			t.Errorf("%s: %v, vhost %q, TLS %v", text, c.Addresses, c.VHost, c.TLS != nil)
		}
	}
	for _, text := range []string{"", "amqp://u:secret@host", "rabbitmq-stream:/u:secret@host", "rabbitmq-stream://u:sec/ret@host", "rabbitmq-stream://u:secret@host:x"} {
		if _, err := FromURL(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestFromAMQP(t *testing.T) {
	plain := FromAMQP(rabbitmq.Config{Addresses: []string{"host:5672", "bare", "[::1]:5672", "::1"}, VHost: "v"})
	if want := []string{"host:5552", "bare:5552", "[::1]:5552", "[::1]:5552"}; !slices.Equal(plain.Addresses, want) || plain.VHost != "v" {
		t.Errorf("%v, %q", plain.Addresses, plain.VHost)
	}
	if secure := FromAMQP(rabbitmq.Config{Addresses: []string{"host:5671"}, TLS: &tls.Config{}}); !slices.Equal(secure.Addresses, []string{"host:5551"}) {
		t.Errorf("%v", secure.Addresses)
	}
}

// Each stream has a leader of its own on a cluster, which must be dialled where it says that it is.
func TestSeveralAddressesAreACluster(t *testing.T) {
	for text, want := range map[string]bool{"host": false, "host,other": true} {
		c, err := FromURL("rabbitmq-stream://" + text)
		if err != nil || c.Advertised != want {
			t.Errorf("%s: advertised %v, %v", text, c.Advertised, err)
		}
		if c := FromAMQP(rabbitmq.Config{Addresses: strings.Split(text, ",")}); c.Advertised != want {
			t.Errorf("of AMQP's %s: advertised %v", text, c.Advertised)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	requests, err := rabbitmq.New(rabbitmq.Config{Addresses: []string{"host"}})
	if err != nil {
		t.Fatal(err)
	}
	defer requests.Close()
	var c Config
	if _, err := New(c, requests); err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("no address: %v", err)
	}
	c.Addresses = []string{"host"}
	if _, err := New(c, nil); err == nil {
		t.Error("no port for requests, and no error")
	}
	c.TLS = &tls.Config{InsecureSkipVerify: true}
	if _, err := New(c, requests); err == nil {
		t.Error("unverified TLS, and no error")
	}
	c.TLS = nil
	p, err := New(c, requests)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.config.Addresses[0] != "host:5552" {
		t.Errorf("address %v", p.config.Addresses)
	}
}
