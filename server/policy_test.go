package server

import (
	"strings"
	"testing"

	"castgate/server/admission"
	"castgate/server/gateway"
)

// A policy that is set holds for the next handshake and closes nobody. A wrong
// one is refused by the name of its setting, and changes nothing.
func TestSetPolicy(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial()
	const origin = "https://app.example.org"
	if !s.admission.Rules().AllowsOrigin([]byte(origin)) {
		t.Fatal("an origin is refused without a list of them")
	}
	if err := s.SetPolicy(admission.Policy{AllowedOrigins: []string{"https://other.example.org"}}); err != nil {
		t.Fatal(err)
	}
	if s.admission.Rules().AllowsOrigin([]byte(origin)) {
		t.Error("the new list of origins does not hold")
	}
	if err := s.SetPolicy(admission.Policy{AllowedOrigins: []string{"*"}}); err == nil || !strings.HasPrefix(err.Error(), "allowed-origins: ") {
		t.Errorf("a wrong policy: %v", err)
	}
	if s.admission.Rules().AllowsOrigin([]byte(origin)) {
		t.Error("a wrong policy has changed something")
	}
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, "still here")
	c.expect("still here")
}

// What does not go together is found before the start, too.
func TestPolicyOfTheStart(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"proxy-protocol: ":       func(c *Config) { c.ProxyProtocol = true },
		"byte-burst: ":           func(c *Config) { c.ByteRate, c.ByteBurst = 1<<20, c.MaxMessage },
		"connect-burst-per-ip: ": func(c *Config) { c.ConnectBurst = 1 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s%v", want, err)
		}
	}
}
