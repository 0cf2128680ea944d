package server

import (
	"strings"
	"testing"

	"castgate/server/gateway"
)

// A policy that is set holds for the next handshake and closes nobody; a wrong
// one is refused by the name of its setting and changes nothing.
func TestSetPolicy(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial()
	const origin = "https://app.example.org"
	if !s.allowOrigin([]byte(origin)) {
		t.Fatal("an origin is refused without a list of them")
	}
	if err := s.SetPolicy(Policy{AllowedOrigins: []string{"https://other.example.org"}}); err != nil {
		t.Fatal(err)
	}
	if s.allowOrigin([]byte(origin)) {
		t.Error("the new list of origins does not hold")
	}
	if err := s.SetPolicy(Policy{AllowedOrigins: []string{"*"}}); err == nil || !strings.HasPrefix(err.Error(), "allowed-origins: ") {
		t.Errorf("a wrong policy: %v", err)
	}
	twice := []string{"https://a.example", "https://b.example", "https://A.example:443"}
	if err := s.SetPolicy(Policy{AllowedOrigins: twice}); err == nil || !strings.HasPrefix(err.Error(), "allowed-origins: ") || !strings.Contains(err.Error(), "are the same origin") {
		t.Errorf("twice the same: %v", err)
	}
	if s.allowOrigin([]byte(origin)) {
		t.Error("a wrong policy has changed something")
	}
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, "still here")
	c.expect("still here")
}
