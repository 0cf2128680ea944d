package natslink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority makes the TLS configuration of nodes that know each other.
func authority(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(own)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// Embedded servers talk over TLS, and only to those whose certificate they know.
func TestEmbeddedTLS(t *testing.T) {
	known, other := authority(t), authority(t)
	link := func(node uint16, c *tls.Config, peers ...*station) *station {
		config := Config{Node: node, Listen: "127.0.0.1:0", RouteSecrets: []string{"s"}, TLS: c}
		for _, p := range peers {
			config.Peers = append(config.Peers, p.Address().String())
		}
		return open(t, config)
	}
	one := link(1, known)
	stranger := link(3, other, one)
	plain := embedded(t, 4, "s", one)
	two := link(2, known, one)
	two.reaches(t, one)
	one.reaches(t, two)
	if stranger.Routes() != 0 || plain.Routes() != 0 {
		t.Errorf("routes of who has another certificate %d, of who has none %d", stranger.Routes(), plain.Routes())
	}
}
