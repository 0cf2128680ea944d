package server

import (
	"strings"
	"testing"
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
	for _, s := range []string{"", "7272", "http://:80", "wss://", "wss://host", "://:80", "WSS://:1"} {
		if _, err := parseEndpoint(s); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestValidateListen(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"listen: 0":                func(c *Config) { c.Listen = nil },
		"listen: 17":               func(c *Config) { c.Listen = make([]string, 17) },
		"tls-cert: the listener":   func(c *Config) { c.Listen = []string{"wss://:0"} },
		"tls-cert: 1 certificates": func(c *Config) { c.TLSCerts = []string{"x"} },
		"tls-min-version: ":        func(c *Config) { c.TLSMinVersion = "1.1" },
		"tls-handshakes: ":         func(c *Config) { c.TLSHandshakes = 0 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
