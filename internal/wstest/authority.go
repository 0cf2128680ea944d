package wstest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a CA for tests. Its methods fail the test and must be called from
// the test's goroutine.
type Authority struct {
	// File is the authority's own certificate, in PEM.
	File string

	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is the files of a certificate, valid for an hour, and its key, in PEM.
type Pair struct{ Cert, Key string }

// NewAuthority makes an authority. Its files are removed when the test ends.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	der := a.sign(a.cert, a.key)
	a.File = filepath.Join(a.dir, "authority.crt")
	writePEM(t, a.File, "CERTIFICATE", der)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// Issue makes a certificate with a new key, for servers and for clients. It is for
// 127.0.0.1 and the given hosts, or localhost if none are given. Issue replaces the
// files of an earlier certificate of that name.
func (a *Authority) Issue(name string, hosts ...string) Pair {
	a.t.Helper()
	key := a.newKey()
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	p := Pair{Cert: filepath.Join(a.dir, name+".crt"), Key: filepath.Join(a.dir, name+".key")}
	writePEM(a.t, p.Key, "PRIVATE KEY", secret)
	writePEM(a.t, p.Cert, "CERTIFICATE", a.sign(leaf(name, hosts), key))
	return p
}

// Renew atomically replaces p's certificate by a new one for the same key and name.
// It returns the new serial number.
func (a *Authority) Renew(p Pair) *big.Int {
	a.t.Helper()
	old := Load(a.t, p)
	template := leaf(old.Leaf.Subject.CommonName, old.Leaf.DNSNames)
	fresh := p.Cert + ".new"
	writePEM(a.t, fresh, "CERTIFICATE", a.sign(template, old.PrivateKey.(*ecdsa.PrivateKey)))
	if err := os.Rename(fresh, p.Cert); err != nil {
		a.t.Fatal(err)
	}
	return template.SerialNumber
}

// Trust returns a client's TLS configuration. It trusts this authority, and
// presents the given certificates, if any.
func (a *Authority) Trust(shown ...Pair) *tls.Config {
	a.t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	c.RootCAs.AddCert(a.cert)
	for _, p := range shown {
		c.Certificates = append(c.Certificates, Load(a.t, p))
	}
	return c
}

// Load loads a pair.
func Load(t testing.TB, p Pair) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func leaf(name string, hosts []string) *x509.Certificate {
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: hosts, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign completes the template with a serial number, valid from an hour ago for the
// next hour.
func (a *Authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
