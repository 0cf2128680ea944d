package server

import (
	"strings"
	"testing"

	"castgate/server/admission"
)

func TestConfigValidate(t *testing.T) {
	if c := Defaults(); c.Validate() != nil {
		t.Fatal(c.Validate())
	}
	for name, change := range map[string]func(*Config){
		"listen":            func(c *Config) { c.Listen = []string{"nonsense"} },
		"loops":             func(c *Config) { c.Loops = 0 },
		"max-conns":         func(c *Config) { c.MaxConns = -1 },
		"max-message":       func(c *Config) { c.MaxMessage = 0 },
		"send-queue":        func(c *Config) { c.SendQueue = -5 },
		"push-queue":        func(c *Config) { c.PushQueue = 0 },
		"reserve-files":     func(c *Config) { c.ReserveFiles = -1 },
		"ping-interval":     func(c *Config) { c.PingInterval = 1 },
		"ping-timeout":      func(c *Config) { c.PingTimeout = 0 },
		"handshake-timeout": func(c *Config) { c.HandshakeTimeout = -1 },
		"unbound-timeout":   func(c *Config) { c.UnboundTimeout = -1 },
		"drain-timeout":     func(c *Config) { c.DrainTimeout = 1 << 60 },
		"on-message":        func(c *Config) { c.OnMessage = "shout" },
		"slow-policy":       func(c *Config) { c.SlowPolicy = "wait" },
		"allowed-origins":   func(c *Config) { c.AllowedOrigins = []string{"*"} },
		"byte-burst":        func(c *Config) { c.ByteRate, c.ByteBurst = 10, c.MaxMessage+admission.MaxRead-1 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
