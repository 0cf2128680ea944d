package admission

import (
	"net/netip"
	"testing"
	"time"

	"castgate/codec"
)

var (
	stranger = netip.MustParseAddr("203.0.113.7")
	proxy    = netip.MustParseAddr("10.0.0.1")
)

// An address has so many connections at once, and gives them back.
func TestConnsPerAddress(t *testing.T) {
	r := newRig(t, Policy{MaxConnsPerIP: 2})
	for i, want := range []Connection{
		{Counted: true}, {Counted: true},
		{Refusal: codec.HandshakeTooMany}, {Refusal: codec.HandshakeTooMany},
		{Refusal: codec.HandshakeTooMany, Crowded: true}, {Refusal: codec.HandshakeTooMany, Crowded: true},
	} {
		if d := r.Connect(stranger); d != want {
			t.Errorf("connection %d: %+v, want %+v", i, d, want)
		}
	}
	r.EndRefusal(codec.HandshakeBusy) // is not one of these
	if d := r.Connect(stranger); !d.Crowded {
		t.Errorf("%+v: there is no room for refusals", d)
	}
	r.EndRefusal(codec.HandshakeTooMany)
	if d := r.Connect(stranger); d.Crowded || d.Refusal != codec.HandshakeTooMany {
		t.Errorf("%+v: there is room for a refusal", d)
	}
	r.Release(stranger)
	if d := r.Connect(stranger); !d.Counted {
		t.Errorf("%+v: there is room", d)
	}
	r.Release(stranger)
	r.Release(stranger)
	if n := r.Addresses(); n != 0 {
		t.Errorf("%d addresses are counted", n)
	}
}

// Without limits nothing is counted, whoever comes.
func TestNoLimits(t *testing.T) {
	r := newRig(t, Policy{})
	if d := r.Connect(stranger); d != (Connection{}) || r.Addresses() != 0 {
		t.Errorf("%+v, %d addresses", d, r.Addresses())
	}
	if r.Count(r.Rules(), stranger) || r.Addresses() != 0 {
		t.Error("a connection is counted without a limit")
	}
	if counted, refusal := r.Identify(stranger); counted || refusal != codec.HandshakeOK {
		t.Error("a client behind a proxy is counted without a limit")
	}
}

// Trusted proxies are not limited; their clients are, once they are known. Connections
// that exist already count, also above the limit.
func TestLimitsBehindProxies(t *testing.T) {
	r := newRig(t, Policy{MaxConnsPerIP: 1, TrustedProxies: trusting("10.0.0.0/8")})
	r.config.ProxyProtocol = true
	for range 3 {
		if d := r.Connect(proxy); d != (Connection{Proxied: true}) {
			t.Errorf("%+v", d)
		}
		if counted, refusal := r.Identify(proxy); counted || refusal != codec.HandshakeOK {
			t.Errorf("a proxy behind a proxy: %v, %v", counted, refusal)
		}
	}
	if counted, refusal := r.Identify(stranger); !counted || refusal != codec.HandshakeOK {
		t.Errorf("%v, %v", counted, refusal)
	}
	if counted, refusal := r.Identify(stranger); counted || refusal != codec.HandshakeTooMany {
		t.Errorf("one too many: %v, %v", counted, refusal)
	}
	if r.Count(r.Rules(), proxy) || !r.Count(r.Rules(), stranger) {
		t.Error("connections that exist already are counted wrongly")
	}
	r.Release(stranger)
	if d := r.Connect(stranger); d.Refusal != codec.HandshakeTooMany {
		t.Errorf("%+v: one connection still exists", d)
	}
}

// An address that connects as fast as it can gets exactly the rate, over 100 seconds.
func TestConnectRate(t *testing.T) {
	r := newRig(t, Policy{ConnectRate: 2, ConnectBurst: 4})
	admitted := 0
	for range 400 { // four tries a second
		switch d := r.Connect(stranger); d.Refusal {
		case codec.HandshakeOK:
			admitted++
			r.Release(stranger)
		case codec.HandshakeTooFast:
			r.EndRefusal(d.Refusal)
		default:
			t.Fatalf("%+v", d)
		}
		r.advance(time.Second / 4)
	}
	if want := 4 + 2*100 - 1; admitted < want-1 || admitted > want+1 {
		t.Errorf("%d connections in 100 s, want %d", admitted, want)
	}
}

// All connections together get exactly the rate of handshakes. Those that wait are told
// for how long, and a new rate starts with its whole burst.
func TestPace(t *testing.T) {
	r := newRig(t, Policy{})
	for range 1000 {
		if w := r.Pace(); w != 0 {
			t.Fatalf("%v without a rate", w)
		}
	}
	r.set(Policy{HandshakeRate: 5, HandshakeBurst: 5})
	accepted := 0
	for r.ahead.Load() < int64(100*time.Second) {
		if w := r.Pace(); w > 0 {
			r.advance(w)
			continue
		}
		accepted++
	}
	if want := 5 + 5*100; accepted < want-1 || accepted > want+1 {
		t.Errorf("%d in 100 s, want %d", accepted, want)
	}
	r.set(Policy{HandshakeRate: 0.01, HandshakeBurst: 2})
	for i, least := range []time.Duration{0, 0, time.Second} {
		if w := r.Pace(); (w == 0) != (least == 0) || w < least {
			t.Errorf("connection %d waits for %v", i, w)
		}
	}
}
