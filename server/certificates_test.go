package server

import (
	"os"
	"strings"
	"testing"

	"castgate/server/gateway"
)

// A chain whose second certificate is half written is no shorter chain: the
// old one stays.
func TestCutChainChangesNothing(t *testing.T) {
	dir := t.TempDir()
	leaf, key := writePair(t, dir, "leaf", "a.example")
	next, _ := writePair(t, dir, "next", "b.example")
	first, err := os.ReadFile(leaf)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	chain := append(first, second...)
	if err := os.WriteFile(leaf, chain, 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSecure(t, &linux, func(c *Config) { c.TLSCerts, c.TLSKeys = []string{leaf}, []string{key} })
	for _, at := range []int{len(chain) - len(second)/2, len(chain) - 2, len(chain) - len(second) + 3} {
		if err := os.WriteFile(leaf, chain[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetCertificates([]string{leaf}, []string{key}); err == nil {
			t.Errorf("cut at %d of %d: no error", at, len(chain))
		}
		c, err := s.dialTLS(insecure())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.ConnectionState().PeerCertificates); n != 2 {
			t.Errorf("cut at %d of %d: a chain of %d is served", at, len(chain), n)
		}
		_ = c.Close()
	}
}

// The list of certificates can be changed while the listener serves: a name that
// is added is served at once, one that is taken out no more, and who is connected
// does not notice.
func TestSetCertificates(t *testing.T) {
	dir := t.TempDir()
	certA, keyA := writePair(t, dir, "a", "a.example")
	certB, keyB := writePair(t, dir, "b", "b.example")
	s := startSecure(t, &linux, func(c *Config) { c.TLSCerts, c.TLSKeys = []string{certA}, []string{keyA} })
	serves := func(name, want string) {
		t.Helper()
		config := insecure()
		config.ServerName = name
		c, err := s.dialTLS(config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("for %s: %s is served, want %s", name, got, want)
		}
	}
	there := s.dial()
	serves("b.example", "a.example")
	undo, err := s.SetCertificates([]string{certA, certB}, []string{keyA, keyB})
	if err != nil {
		t.Fatal(err)
	}
	serves("b.example", "b.example")
	// What is added is watched, too.
	certB, keyB = writePair(t, dir, "b", "b.example", "www.b.example")
	s.certs.Look()
	serves("www.b.example", "b.example")
	if _, err := s.SetCertificates([]string{certB}, []string{keyB}); err != nil {
		t.Fatal(err)
	}
	serves("a.example", "b.example")
	for want, lists := range map[string][2][]string{
		"tls-cert: the listener wss":   {nil, nil},
		"tls-cert: 2 certificates but": {{certA, certB}, {keyA}},
		"tls-cert: " + certA:           {{certB, certA}, {keyB, keyB}},
	} {
		if _, err := s.SetCertificates(lists[0], lists[1]); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v", lists, err)
		}
	}
	serves("a.example", "b.example")
	undo()
	serves("a.example", "a.example")
	s.push(gateway.Targets{All: true}, "still here")
	there.expect("still here")
	// Without a wss listener they are read, and nobody is served with them.
	plain := startServer(t, nil)
	if _, err := plain.SetCertificates([]string{certA}, []string{keyA}); err != nil {
		t.Error(err)
	}
}
