package control

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

// TestRefusedCertificates: callers without a certificate, or with an invalid
// one, are counted and recorded, and not mistaken for garbage.
func TestRefusedCertificates(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pki.leaf("good", x509.ExtKeyUsageClientAuth, pki.key)
	pki.forge("forged")
	p, log := audited(t, func(c *Config) {
		c.TLS = TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("ca.crt")}
	})
	for _, name := range []string{"", "server", "forged", "", "good"} {
		if _, err := pki.get(p.Addr().String(), name); (err == nil) != (name == "good") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} { // a peer that leaves, or another version, is not counted
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, MinVersion: version, CipherSuites: []uint16{0x1234}, CurvePreferences: []tls.CurveID{0x1234}}).Handshake()
		_ = c.Close()
	}
	for limit := time.Now().Add(patience); p.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("connections stay")
		}
	}
	if missing, wrong := p.callers.missing.Load(), p.callers.wrong.Load(); missing != 2 || wrong != 2 {
		t.Errorf("%d without a certificate and %d with a wrong one, want 2 each", missing, wrong)
	}
	codes := map[any]int{}
	for _, r := range records(t, log) {
		if r["action"] == "refused" && r["key"] == "-" && strings.HasPrefix(r["from"].(string), "127.0.0.1:") {
			codes[r["code"]]++
		}
	}
	if len(codes) != 2 || codes["no_certificate"] != 2 || codes["wrong_certificate"] != 2 {
		t.Errorf("records %v: %s", codes, log)
	}
	var bad uint64
	for i := range p.metrics.requests {
		if answered[i%len(answered)] == 400 {
			bad += p.metrics.requests[i].Load()
		}
	}
	if bad > 2 {
		t.Errorf("%d requests are counted as answered with 400", bad)
	}
}
