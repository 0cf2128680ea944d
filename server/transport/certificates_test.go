package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

var discard = slog.New(slog.DiscardHandler)

// shown returns the chain that a client is shown who asks for a host.
func (r *rig) shown(host string) []*x509.Certificate {
	r.t.Helper()
	conn, _ := r.dial()
	config := insecure()
	config.ServerName = host
	c := tls.Client(conn, config)
	if err := c.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return c.ConnectionState().PeerCertificates
}

// The name that a client asks for picks the certificate; the first one is for all other
// names. A reload changes only new handshakes, and a broken file changes nothing.
func TestCertificates(t *testing.T) {
	a := wstest.NewAuthority(t)
	first, second := a.Issue("first", "a.example"), a.Issue("second", "b.example", "*.c.example")
	certs := NewCertificates(discard)
	lists := func() error {
		_, err := certs.Set([]string{first.Cert, second.Cert}, []string{first.Key, second.Key})
		return err
	}
	if certs.Expiries() != nil {
		t.Error("certificates before there are any")
	}
	if err := lists(); err != nil {
		t.Fatal(err)
	}
	r := newRigWith(t, certs)
	for host, want := range map[string]string{"a.example": "first", "b.example": "second", "x.c.example": "second", "other": "first", "": "first"} {
		if got := r.shown(host)[0].Subject.CommonName; got != want {
			t.Errorf("for %q: %s, want %s", host, got, want)
		}
	}
	if all := certs.Expiries(); len(all) != 2 || all[0].Name != "a.example" || all[1].Name != "b.example" || !all[0].NotAfter.Equal(r.shown("")[0].NotAfter) {
		t.Errorf("%+v", all)
	}
	serial := func() *big.Int { return r.shown("a.example")[0].SerialNumber }
	counts := func(reloads, failures uint64) {
		t.Helper()
		if n, m := certs.Counts(); n != reloads || m != failures {
			t.Errorf("%d reloads and %d failures, want %d and %d", n, m, reloads, failures)
		}
	}
	old := serial()
	whole, err := os.ReadFile(first.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first.Cert, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	certs.Look()
	certs.Look() // the same broken file is no second failure
	if err := lists(); err == nil || !strings.Contains(err.Error(), first.Cert) {
		t.Errorf("half a file: %v", err)
	}
	counts(0, 2)
	if serial().Cmp(old) != 0 {
		t.Error("a broken file has changed the certificate")
	}
	a.Issue("first", "a.example")
	certs.Look()
	certs.Look()
	counts(1, 2)
	if serial().Cmp(old) == 0 {
		t.Error("the old certificate is still used")
	}
	if err := os.Remove(second.Key); err != nil {
		t.Fatal(err)
	}
	certs.Look()
	counts(1, 3)
}

// The list can change: a certificate that is added is used at once and watched, one that
// is removed is not used any more, and undo brings it back.
func TestSetCertificates(t *testing.T) {
	a := wstest.NewAuthority(t)
	first, second := a.Issue("first", "a.example"), a.Issue("second", "b.example")
	certs := NewCertificates(discard)
	if _, err := certs.Set([]string{first.Cert}, []string{first.Key}); err != nil {
		t.Fatal(err)
	}
	r := newRigWith(t, certs)
	serves := func(host, want string) {
		t.Helper()
		if got := r.shown(host)[0].Subject.CommonName; got != want {
			t.Errorf("for %s: %s, want %s", host, got, want)
		}
	}
	serves("b.example", "first")
	undo, err := certs.Set([]string{first.Cert, second.Cert}, []string{first.Key, second.Key})
	if err != nil {
		t.Fatal(err)
	}
	serves("b.example", "second")
	a.Issue("second", "b.example", "www.b.example")
	certs.Look()
	serves("www.b.example", "second")
	if _, err := certs.Set([]string{second.Cert}, []string{second.Key}); err != nil {
		t.Fatal(err)
	}
	serves("a.example", "second")
	if _, err := certs.Set([]string{first.Cert}, []string{second.Key}); err == nil {
		t.Error("another certificate's key is accepted")
	}
	serves("a.example", "second")
	undo()
	serves("a.example", "first")
	if _, err := certs.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	conn, o := r.dial()
	if err := tls.Client(conn, insecure()).Handshake(); err == nil {
		t.Error("a handshake without a certificate")
	}
	r.await("the failure", func() bool { return o.ended && o.result == Failed })
}

// A chain whose second certificate is half written is no shorter chain.
func TestCutChain(t *testing.T) {
	a := wstest.NewAuthority(t)
	p := a.Issue("leaf")
	certs := NewCertificates(discard)
	var chain []byte
	for _, file := range []string{p.Cert, a.File} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, b...)
	}
	set := func(b []byte) error {
		if err := os.WriteFile(p.Cert, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := certs.Set([]string{p.Cert}, []string{p.Key})
		return err
	}
	if err := set(chain); err != nil {
		t.Fatal(err)
	}
	r := newRigWith(t, certs)
	second := bytes.LastIndex(chain, []byte("-----BEGIN"))
	for _, at := range []int{(second + len(chain)) / 2, len(chain) - 2, second + 3} {
		if set(chain[:at]) == nil {
			t.Errorf("cut at %d of %d: no error", at, len(chain))
		}
		if n := len(r.shown("")); n != 2 {
			t.Errorf("cut at %d of %d: a chain of %d is served", at, len(chain), n)
		}
	}
}

func TestCheckFiles(t *testing.T) {
	a := wstest.NewAuthority(t)
	first, second := a.Issue("first"), a.Issue("second")
	if err := CheckFiles([]string{first.Cert, second.Cert}, []string{first.Key, second.Key}, discard); err != nil {
		t.Error(err)
	}
	for _, p := range []wstest.Pair{{Cert: first.Cert, Key: second.Key}, {Cert: first.Cert, Key: "/nowhere"}, {Cert: "/dev/null", Key: first.Key}} {
		if CheckFiles([]string{p.Cert}, []string{p.Key}, discard) == nil {
			t.Errorf("no error for %v", p)
		}
	}
	for name, want := range map[string]bool{"1.2": true, "1.3": true, "1.1": false, "": false, "1.20": false} {
		if IsVersion(name) != want {
			t.Errorf("%q is a version: %v", name, !want)
		}
	}
}

// P-521 costs five times as much as X25519, and clients that have it have others.
func TestCurves(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		offered []tls.CurveID
		want    bool
	}{
		{[]tls.CurveID{tls.X25519MLKEM768}, true}, {[]tls.CurveID{tls.SecP256r1MLKEM768}, true}, {[]tls.CurveID{tls.SecP384r1MLKEM1024}, true},
		{[]tls.CurveID{tls.X25519}, true}, {[]tls.CurveID{tls.CurveP256}, true}, {[]tls.CurveID{tls.CurveP384}, true},
		{[]tls.CurveID{tls.CurveP521}, false}, {[]tls.CurveID{tls.CurveP521, tls.CurveP256}, true},
	} {
		for _, version := range versionsTested {
			if version == tls.VersionTLS12 && test.offered[0] > 0xff {
				continue // hybrids are part of TLS 1.3
			}
			config := insecure()
			config.CurvePreferences, config.MaxVersion = test.offered, version
			conn, _ := r.dial()
			if err := tls.Client(conn, config).Handshake(); (err == nil) != test.want {
				t.Errorf("%s with %v: %v", tls.VersionName(version), test.offered, err)
			}
		}
	}
}
