package server

import (
	"strings"
	"testing"

	"castgate/internal/wstest"
)

func TestParseEndpoint(t *testing.T) {
	for s, want := range map[string]endpoint{
		":7272":                {scheme: schemeWS, address: ":7272"},
		"ws://127.0.0.1:0":     {scheme: schemeWS, address: "127.0.0.1:0"},
		"wss://[::1]:443":      {scheme: schemeWSS, address: "[::1]:443"},
		"wss://example.org:80": {scheme: schemeWSS, address: "example.org:80"},
	} {
		if e, err := parseEndpoint(s); err != nil || e != want {
			t.Errorf("%s: %+v, %v", s, e, err)
		}
	}
	for _, s := range []string{"", "7272", "http://:80", "wss://", "wss://host", "://:80", "WSS://:1",
		":99999", ":-1", ":nosuchservice", "ws://localhost:7272/path", "ws://localhost/path:7272", "ws://localhost:7272?x", "user@host:80", "a b:80"} {
		if _, err := parseEndpoint(s); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// What cannot be listened on at the same time is told before it is tried.
func TestEndpointsThatCollide(t *testing.T) {
	for _, list := range [][]string{
		{":7272", ":7272"}, {":7272", "wss://:7272"}, {":7272", "127.0.0.1:7272"}, {"[::1]:80", "0.0.0.0:80"}, {"[::]:80", ":080"}, {"a.example:1", ":2", "A.example:1"},
	} {
		if _, err := parseEndpoints(list); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", list, err)
		}
	}
	for _, list := range [][]string{
		{":0", ":0", "127.0.0.1:0"}, {":7272", ":7273"}, {"127.0.0.1:7272", "127.0.0.2:7272", "[::1]:7272"},
	} {
		if _, err := parseEndpoints(list); err != nil {
			t.Errorf("%q: %v", list, err)
		}
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
