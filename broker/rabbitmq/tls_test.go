package rabbitmq

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
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

// A certificate that is right opens; a wrong authority or name is told at once and is permanent.
func TestTLS(t *testing.T) {
	here, elsewhere := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)
	for name, test := range map[string]struct {
		ip      net.IP
		trusted bool
		want    error
	}{
		"right":           {here, true, nil},
		"wrong name":      {elsewhere, true, broker.ErrPermission},
		"wrong authority": {here, false, broker.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			own, pool := certificate(t, test.ip)
			if !test.trusted {
				_, pool = certificate(t, test.ip)
			}
			b := startFake(t, func(c *fakeConn) {
				c.nc = tls.Server(c.nc, &tls.Config{Certificates: []tls.Certificate{own}})
				if c.open() {
					c.serve(func(frame) {})
				}
			})
			p := b.port(func(c *Config) { c.TLS = &tls.Config{RootCAs: pool} })
			_, s := openPublisher(t, p, broker.PublisherConfig{})
			if test.want == nil {
				await[*broker.Opened](t, s)
				return
			}
			begin := time.Now()
			if err := s.endedBy(t, test.want); !broker.Permanent(err) || !errors.As(err, new(*tls.CertificateVerificationError)) {
				t.Errorf("error %v", err)
			}
			if after := time.Since(begin); after > waitLimit/2 {
				t.Errorf("told after %v", after)
			}
		})
	}
}
