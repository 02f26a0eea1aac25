package rabbitstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// certificate makes one for the address, signed by itself.
func certificate(t *testing.T, ip net.IP) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// secured is a TLS listener in front of the node, which knows nothing of it and so advertises another address.
func secured(t *testing.T, node *rabbit.Node, own tls.Certificate) (address string) {
	t.Helper()
	return startFake(t, func(_ int, nc net.Conn) {
		client := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{own}})
		defer client.Close()
		if client.Handshake() != nil {
			return
		}
		relay(client, node.StreamAddress())
	})
}

// relay carries all between the client and the address, until one of them closes.
func relay(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() {
		_, _ = io.Copy(server, client)
		server.Close()
	})
	_, _ = io.Copy(client, server)
	client.Close()
	ways.Wait()
}

func TestTLS(t *testing.T) {
	here, elsewhere := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		name := declare(t, newPort(t, node, nil))
		for what, test := range map[string]struct {
			ip      net.IP
			trusted bool
			want    error
		}{
			"right":           {here, true, nil},
			"wrong name":      {elsewhere, true, broker.ErrPermission},
			"wrong authority": {here, false, broker.ErrPermission},
		} {
			t.Run(what, func(t *testing.T) {
				own, pool := certificate(t, test.ip)
				if !test.trusted {
					_, pool = certificate(t, test.ip)
				}
				address := secured(t, node, own)
				p := newPort(t, node, func(c *Config) {
					c.Addresses = []string{address}
					c.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
				})
				publisher, writes := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
				_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: fromNext})
				if test.want != nil {
					if err := writes.endedBy(t, test.want); !broker.Permanent(err) || !errors.As(err, new(*tls.CertificateVerificationError)) {
						t.Errorf("ended: %v", err)
					}
					reads.endedBy(t, test.want)
					return
				}
				await[*broker.Opened](t, writes)
				await[*broker.Opened](t, reads)
				publisher.Publish(batch(1, "body"))
				writes.confirmed(t, 1)
				await[*broker.Delivered](t, reads)
			})
		}
	})
}
