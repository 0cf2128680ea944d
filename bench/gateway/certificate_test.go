package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

// The certificate is valid for the address that servers listen on, for clients
// that trust it.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	if _, err := Trust(dir); err == nil {
		t.Error("a certificate before there is one")
	}
	if err := WriteCertificate(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := Trust(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: trust.RootCAs}); err != nil {
		t.Error(err)
	}
	if pair.Leaf.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		t.Error(pair.Leaf.SignatureAlgorithm)
	}
	if err := os.WriteFile(filepath.Join(dir, CertFile), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Trust(dir); err == nil {
		t.Error("no certificate is trusted")
	}
}
