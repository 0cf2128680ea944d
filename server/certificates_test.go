package server

import (
	"os"
	"testing"
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
		if err := s.ReloadCertificates(); err == nil {
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
