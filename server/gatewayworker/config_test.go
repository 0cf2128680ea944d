package gatewayworker

import (
	"net/netip"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // the beginning of the error; "" for none
	}{
		{"off", func(c *Config) { c.Inner = "" }, ""},
		{"loopback", nil, ""},
		{"other hosts", func(c *Config) { c.Inner, c.Secret = "10.0.0.1:2900", "x" }, ""},
		{"other hosts, no secret", func(c *Config) { c.Inner = "10.0.0.1:2900" }, "gatewayworker-inner: 10.0.0.1:2900 is reachable"},
		{"everywhere", func(c *Config) { c.Inner, c.Secret = "0.0.0.0:2900", "x" }, "gatewayworker-inner: nobody can connect"},
		{"everywhere, advertised", func(c *Config) { c.Inner, c.Secret, c.Advertise = "0.0.0.0:2900", "x", "10.0.0.1:2900" }, ""},
		{"IPv6", func(c *Config) { c.Inner = "[::1]:2900" }, "gatewayworker-inner: \"[::1]:2900\" is not an IPv4"},
		{"IPv6, advertised", func(c *Config) { c.Inner, c.Advertise = "[::1]:2900", "127.0.0.1:2900" }, ""},
		{"a name", func(c *Config) { c.Advertise = "host.example:2900" }, "gatewayworker-advertise:"},
		{"no port", func(c *Config) { c.Inner = "127.0.0.1" }, "gatewayworker-inner:"},
		{"Register, no secret", func(c *Config) { c.Register = "0.0.0.0:1236" }, "gatewayworker-register:"},
		{"Register", func(c *Config) { c.Register, c.Secret = "0.0.0.0:1236", "x" }, ""},
		{"Register only", func(c *Config) { c.Inner, c.Register = "", "127.0.0.1:1236" }, "gatewayworker-register: needs"},
		{"secret only", func(c *Config) { c.Inner, c.Secret = "", "s3cret" }, "gatewayworker-secret: needs"},
		{"routing only", func(c *Config) { c.Inner, c.Routing = "", RouteRandom }, "gatewayworker-routing: needs"},
		{"wait only", func(c *Config) { c.Inner, c.WorkerWait = "", 9e9 }, "gatewayworker-worker-wait: needs"},
		{"join nothing", func(c *Config) { c.Join = []string{"x"} }, "gatewayworker-join:"},
		{"routing", func(c *Config) { c.Routing = "robin" }, "gatewayworker-routing:"},
		{"a long secret", func(c *Config) { c.Secret = strings.Repeat("k", 513) }, "gatewayworker-secret:"},
		{"no limit", func(c *Config) { c.MaxConns = 0 }, "gatewayworker: a limit"},
	} {
		c := Defaults()
		c.Inner = "127.0.0.1:2900"
		if tt.change != nil {
			tt.change(&c)
		}
		err := c.Validate()
		switch {
		case err == nil && tt.want == "":
		case err == nil || tt.want == "" || !strings.HasPrefix(err.Error(), tt.want):
			t.Errorf("%s: %v, wants %q", tt.name, err, tt.want)
		case c.Secret != "" && strings.Contains(err.Error(), c.Secret) && len(c.Secret) > 1:
			t.Errorf("%s: the secret is in %v", tt.name, err)
		}
	}
	c := Defaults()
	c.Inner, c.Advertise = "127.0.0.1:0", "10.1.2.3:0"
	if got := c.advertised(netip.MustParseAddrPort("127.0.0.1:77")); got.String() != "10.1.2.3:77" {
		t.Errorf("advertised %v", got)
	}
}
