package server

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"castgate/server/admission"
)

// Whether a socket begins with a PROXY header is decided where its address is
// counted, so that a policy that changes in between moves no count from one
// address to another.
func TestTrustIsDecidedOnce(t *testing.T) {
	none, loopback := trusting("10.0.0.0/8"), trusting("127.0.0.0/8")
	const header = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n"
	for _, try := range []struct {
		name         string
		atAccept     []netip.Prefix
		later        []netip.Prefix
		status       int
		countedFirst int // and before the loop has it
	}{
		{"a stranger", none, loopback, 400, 1},
		{"a proxy", loopback, none, 101, 0},
	} {
		t.Run(try.name, func(t *testing.T) {
			policy := admission.Policy{TrustedProxies: try.atAccept, MaxConnsPerIP: 5}
			s := startServer(t, func(c *Config) { c.Loops, c.ProxyProtocol, c.Policy = 1, true, policy })
			release := s.hold()
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			eventually(t, "the socket to be on its way", func() bool { return s.stats().Sockets == 1 })
			if n := s.stats().Addresses; n != try.countedFirst {
				t.Errorf("%d addresses are counted at accept", n)
			}
			policy.TrustedProxies = try.later
			set := make(chan error, 1)
			go func() { set <- s.SetPolicy(policy) }() // waits for the loop, which counts addresses
			eventually(t, "the other networks", func() bool { return slices.Equal(s.admission.Rules().Policy().TrustedProxies, try.later) })
			release()
			if err := <-set; err != nil {
				t.Fatal(err)
			}
			if got := exchange(t, c, header+upgradeRequest); got != try.status {
				t.Errorf("answered %d, want %d", got, try.status)
			}
			_ = c.Close()
			eventually(t, "the end", func() bool { return s.stats().Sockets == 0 })
			if n := s.stats().Addresses; n != 0 {
				t.Errorf("%d addresses are still counted", n)
			}
		})
	}
}
