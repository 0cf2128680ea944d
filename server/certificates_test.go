package server

import (
	"strings"
	"testing"

	"castgate/internal/wstest"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// The certificates can be changed while the listener serves. Errors name the setting and
// change nothing, and connected clients do not notice.
func TestSetCertificates(t *testing.T) {
	a := wstest.NewAuthority(t)
	first, second := a.Issue("first"), a.Issue("second")
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.TLSCerts, c.TLSKeys = []string{first.Cert}, []string{first.Key} })
	serves := func(want string) {
		t.Helper()
		c, err := s.dialTLS(insecure())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%s is served, want %s", got, want)
		}
	}
	there := s.dial()
	serves("first")
	undo, err := s.SetCertificates([]string{second.Cert}, []string{second.Key})
	if err != nil {
		t.Fatal(err)
	}
	serves("second")
	for want, lists := range map[string][2][]string{
		"tls-cert: the listener wss":   {nil, nil},
		"tls-cert: 2 certificates but": {{first.Cert, second.Cert}, {first.Key}},
		"tls-cert: " + first.Cert:      {{second.Cert, first.Cert}, {second.Key, second.Key}},
	} {
		if _, err := s.SetCertificates(lists[0], lists[1]); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v", lists, err)
		}
	}
	serves("second")
	st := s.stats()
	if !st.TLSInternals || len(st.Certificates) != 1 || st.CertificateReloads != 1 || st.CertificateFailures != 1 {
		t.Errorf("the statistics say %v, %v, %d reloads, %d failures", st.TLSInternals, st.Certificates, st.CertificateReloads, st.CertificateFailures)
	}
	undo()
	serves("first")
	s.push(gateway.Targets{All: true}, "still here")
	there.expect("still here")
	// Without a wss listener they are read, and nobody is served with them.
	plain := startServer(t, nil)
	if _, err := plain.SetCertificates([]string{first.Cert}, []string{first.Key}); err != nil {
		t.Error(err)
	}
}

// Settings of TLS say something only where a listener speaks it.
func TestTLSWithoutListener(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"tls-cert":        func(c *Config) { c.TLSCerts, c.TLSKeys = []string{"x"}, []string{"y"} },
		"tls-min-version": func(c *Config) { c.TLSMinVersion = "1.3" },
		"tls-handshakes":  func(c *Config) { c.TLSHandshakes = 9 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+": has no effect without a wss:// listener") {
			t.Errorf("%s: %v", name, err)
		}
		c.Listen, c.TLSCerts, c.TLSKeys = []string{":0", "wss://:0"}, []string{"x"}, []string{"y"}
		if err := c.Validate(); err != nil {
			t.Errorf("%s with a wss listener: %v", name, err)
		}
	}
}

// A reload may bring a listener, which waits for a restart, with what it needs.
func TestSetCertificatesWithoutListener(t *testing.T) {
	s := startServer(t, nil)
	pair := wstest.NewAuthority(t).Issue("server")
	if _, err := s.SetCertificates([]string{pair.Cert}, []string{pair.Key}); err != nil {
		t.Error(err)
	}
}

func TestValidateListen(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"listen: 0":                            func(c *Config) { c.Listen = nil },
		"listen: 17":                           func(c *Config) { c.Listen = make([]string, 17) },
		"tls-cert: the listener":               func(c *Config) { c.Listen = []string{"wss://:0"} },
		"tls-cert: 1 certificate but 0 keys: ": func(c *Config) { c.TLSCerts = []string{"x"} },
		"tls-cert: 2 certificates but 1 key: ": func(c *Config) { c.TLSCerts, c.TLSKeys = []string{"x", "y"}, []string{"x"} },
		"tls-min-version: ":                    func(c *Config) { c.TLSMinVersion = "1.1" },
		"tls-handshakes: ":                     func(c *Config) { c.TLSHandshakes = 0 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
