package admission

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"castgate/server/token/tokentest"
)

// A wrong policy is refused by the name of its setting, and changes nothing.
func TestWrongPolicies(t *testing.T) {
	r := newRig(t, Policy{AllowedOrigins: []string{"https://a.example"}})
	was := r.Rules()
	for name, change := range map[string]func(*Policy){
		"max-conns-per-ip":     func(p *Policy) { p.MaxConnsPerIP = -1 },
		"connect-rate-per-ip":  func(p *Policy) { p.ConnectRate = -1 },
		"connect-burst-per-ip": func(p *Policy) { p.ConnectBurst = 1 },
		"compress-not-for":     func(p *Policy) { p.CompressNotFor = []string{"Safari", " "} },
		"handshake-rate":       func(p *Policy) { p.HandshakeRate = 1e9 },
		"handshake-burst":      func(p *Policy) { p.HandshakeRate, p.HandshakeBurst = 1, -1 },
		"message-rate":         func(p *Policy) { p.MessageRate = 1e-9 },
		"message-burst":        func(p *Policy) { p.MessageBurst = 9 },
		"byte-rate":            func(p *Policy) { p.ByteRate = -5 },
		"byte-burst":           func(p *Policy) { p.ByteRate, p.ByteBurst = 1, 100 },
		"jwt-issuer":           func(p *Policy) { p.JWT.Issuer = "x" },
		"jwt-required":         func(p *Policy) { p.JWT.Required = true },
		"jwt-cookie":           func(p *Policy) { p.JWT.Keys = tokentest.Keys(t); p.JWT.Cookie = "a b" },
		"jwt-query":            func(p *Policy) { p.JWT.Keys = tokentest.Keys(t); p.JWT.Query = "a=b" },
		"jwt-leeway":           func(p *Policy) { p.JWT.Keys = tokentest.Keys(t); p.JWT.Leeway = time.Hour },
		"allowed-origins":      func(p *Policy) { p.AllowedOrigins = []string{"*"} },
		"trusted-proxies":      func(p *Policy) { p.TrustedProxies = make([]netip.Prefix, maxTrusted+1) },

		"compress-not-for: \"*Safari*\" contains a *": func(p *Policy) { p.CompressNotFor = []string{"*Safari*"} },
		"compress-not-for: \"Old\" is there twice":    func(p *Policy) { p.CompressNotFor = []string{"Old", "Older", "Old"} },
		"compress-not-for: 65 parts":                  func(p *Policy) { p.CompressNotFor = make([]string, maxAgents+1) },
		"allowed-origins: \"https://a.example\" and \"https://A.example:443\" are the same origin": func(p *Policy) {
			p.AllowedOrigins = []string{"https://a.example", "https://b.example", "https://A.example:443"}
		},
		"jwt-jwks: it is fetched without TLS": func(p *Policy) {
			p.JWT = JWT{JWKS: "http://login.example/jwks", JWKSRefresh: time.Hour}
		},
		"jwt-jwks-refresh: 1s is not between": func(p *Policy) {
			p.JWT = JWT{JWKS: "https://login.example/jwks", JWKSRefresh: time.Second}
		},
		"jwt-jwks-refresh: has no effect": func(p *Policy) { p.JWT = JWT{JWKSRefresh: time.Minute} },
	} {
		var p Policy
		change(&p)
		if !strings.Contains(name, ":") {
			name += ": "
		}
		if _, err := r.Set(p); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.Rules() != was {
		t.Error("a wrong policy has changed something")
	}
	var none Policy
	if none.FitsProxyProtocol(false) != nil || none.FitsProxyProtocol(true) == nil {
		t.Error("proxy-protocol without trusted-proxies")
	}
}

func TestRules(t *testing.T) {
	r := newRig(t, Policy{
		AllowedOrigins: []string{"https://a.example"}, CompressNotFor: []string{"Old", "Odd/1"},
		TrustedProxies: trusting("10.1.2.3/8", "::ffff:192.0.2.0/120", "2001:db8::/32"),
	}).Rules()
	for addr, want := range map[string]bool{
		"10.200.0.1": true, "11.0.0.1": false, "192.0.2.9": true, "192.0.3.9": false, "2001:db8::1": true, "::1": false,
	} {
		if got := r.Trusts(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is trusted: %v", addr, got)
		}
	}
	for origin, want := range map[string]bool{"https://a.example": true, "https://b.example": false} {
		if got := r.AllowsOrigin([]byte(origin)); got != want {
			t.Errorf("%s is allowed: %v", origin, got)
		}
	}
	for agent, want := range map[string]bool{
		"": true, "New": true, "An Odd/1.5": false, "old": true, "Oldest": false, strings.Repeat(" ", agentLen-3) + "Old": false, strings.Repeat(" ", agentLen-2) + "Old": true,
	} {
		if got := r.Compresses([]byte(agent)); got != want {
			t.Errorf("%q is compressed for: %v", strings.TrimSpace(agent), got)
		}
	}
	if !r.Inspects() || r.LimitsAddresses() || r.Metered() || r.RequiresToken() {
		t.Error("what the policy asks for is not what the rules say")
	}
	none := newRig(t, Policy{}).Rules()
	if none.Inspects() || none.LimitsAddresses() || none.Metered() || none.RequiresToken() || !none.AllowsOrigin([]byte("https://b.example")) {
		t.Error("an empty policy limits something")
	}
}
