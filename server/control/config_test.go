package control

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // how the error begins; "" for none
	}{
		{"defaults", func(*Config) {}, ""},
		{"IPv6 loopback", func(c *Config) { c.Listen = "[::1]:0" }, ""},
		{"mapped loopback", func(c *Config) { c.Listen = "[::ffff:127.0.0.1]:0" }, ""},
		{"localhost", func(c *Config) { c.Listen = "localhost:7273" }, ""},
		{"unix", func(c *Config) { c.Listen = "unix:/run/x.sock" }, ""},
		{"all addresses with a key", func(c *Config) { c.Listen, c.Keys = ":7273", []string{"k"} }, ""},
		{"all addresses", func(c *Config) { c.Listen = ":7273" }, "control: :7273 can be reached from other hosts; set control-key"},
		{"another address", func(c *Config) { c.Listen = "10.0.0.1:7273" }, "control: "},
		{"unspecified", func(c *Config) { c.Listen = "[::]:7273" }, "control: "},
		{"a name", func(c *Config) { c.Listen = "gateway.example:7273" }, "control: "},
		{"no port", func(c *Config) { c.Listen = "127.0.0.1" }, "control: "},
		{"relative path", func(c *Config) { c.Listen = "unix:x.sock" }, "control: "},
		{"empty key", func(c *Config) { c.Keys = []string{"k", ""} }, "control-key: key 2 "},
		{"key with a space", func(c *Config) { c.Keys = []string{"se cret"} }, "control-key: key 1 "},
		{"key with a line end", func(c *Config) { c.Keys = []string{"secret\n"} }, "control-key: "},
		{"body", func(c *Config) { c.MaxBody = 0 }, "control-max-body: "},
		{"large body", func(c *Config) { c.MaxBody = mostBody + 1 }, "control-max-body: "},
		{"conns", func(c *Config) { c.MaxConns = 0 }, "control-max-conns: "},
		{"read timeout", func(c *Config) { c.ReadTimeout = 0 }, "control-read-timeout: "},
		{"write timeout", func(c *Config) { c.WriteTimeout = time.Millisecond }, "control-write-timeout: "},
		{"idle timeout", func(c *Config) { c.IdleTimeout = 2 * time.Hour }, "control-idle-timeout: "},
		{"request timeout", func(c *Config) { c.RequestTimeout = -1 }, "control-timeout: "},
	} {
		c := Defaults()
		tt.change(&c)
		err := c.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: the error repeats a key or has lines: %q", tt.name, err)
		}
		if _, newErr := New(&fake{}, c); (newErr == nil) != (err == nil) {
			t.Errorf("%s: New says %v", tt.name, newErr)
		}
	}
}
