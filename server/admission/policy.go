package admission

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"castgate/server/origin"
	"castgate/server/setting"
)

// Policy says who may connect and how much each client may send. It can be replaced
// while the server runs (Control.Set). That closes no connection. Limits by address also
// count connections that exist already, but refuse only new ones; rates of messages
// hold for the next bytes of every client; everything else is decided at the handshake.
// Under a rate that has changed everybody has the whole burst, whatever they used of the
// old one. Zero values are off.
type Policy struct {
	// AllowedOrigins are browser origins: https://app.example.com, only on the default
	// port; app.example.com for any scheme and port; *.example.com, with or without a
	// scheme, for all hosts below it; null, file:// and the schemes of applications
	// (capacitor://localhost). Case, default ports, Unicode and the spelling of
	// addresses do not matter. Empty allows any. Requests without an Origin header do
	// not come from a page in a browser, and pass.
	AllowedOrigins []string
	// CompressNotFor are parts of User-Agent headers, letter for letter. Messages for
	// clients with one of them are not compressed, since some clients do not speak
	// permessage-deflate as they offer it. Only the first 1,024 bytes of the header
	// count.
	CompressNotFor []string
	// TrustedProxies are the networks of proxies that may say who a client is, in
	// X-Forwarded-For, Forwarded and PROXY headers. The limits by address do not hold
	// for their own addresses.
	TrustedProxies []netip.Prefix
	// MaxConnsPerIP is how many connections an IPv4 address or an IPv6 /64
	// may have at once, including handshakes.
	MaxConnsPerIP int
	// ConnectRate is how many connections a second such an address may open, and
	// ConnectBurst how many at once after a rest; 0 is as many as in one second.
	ConnectRate  float64
	ConnectBurst int
	// HandshakeRate is how many connections a second are accepted from all addresses
	// together; the others wait. HandshakeBurst is as above.
	HandshakeRate  float64
	HandshakeBurst int
	// MessageRate is how many messages a second a client may send; MessageBurst is as
	// above. A message counts at its first frame, and pings count. A client above it is
	// closed with 1008. ByteRate limits pongs and further frames, which may be empty.
	MessageRate  float64
	MessageBurst int
	// ByteRate is how many bytes a second a client may send, in frames of all kinds.
	// ByteBurst must allow a message of the largest size and one read (MaxRead); 0 is
	// as many as in one second, or just that.
	ByteRate, ByteBurst int
	// JWT says how clients show at the handshake who they are. Without keys, tokens
	// are ignored.
	JWT JWT
}

// MaxRead is how many bytes the server reads from a client at once.
const MaxRead = 64 << 10

// Bounds of Policy fields.
const (
	maxRate     = 1e6
	maxBurst    = 1 << 30
	maxByteRate = 1 << 30
	maxTrusted  = 256
	maxNameSize = 128 // of a cookie or parameter
	maxAgents   = 64
	maxAgentLen = 256  // of a part of a User-Agent
	agentLen    = 1024 // of a User-Agent that counts
)

// Validate reports the first field that is out of its range, by its name on
// the command line.
func (p *Policy) Validate() error {
	if err := p.validateOrigins(); err != nil {
		return err
	}
	if err := p.validateAgents(); err != nil {
		return err
	}
	if len(p.TrustedProxies) > maxTrusted {
		return setting.Errorf("trusted-proxies", "%d networks are more than %d", len(p.TrustedProxies), maxTrusted)
	}
	for _, r := range []struct {
		name string
		rate float64
		most float64
	}{
		{"connect-rate-per-ip", p.ConnectRate, maxRate},
		{"handshake-rate", p.HandshakeRate, maxRate},
		{"message-rate", p.MessageRate, maxRate},
		{"byte-rate", float64(p.ByteRate), maxByteRate},
	} {
		if r.rate != 0 && !(r.rate >= 1e-3 && r.rate <= r.most) { // NaN is neither
			return setting.Errorf(r.name, "%v is not between 0.001 and %v; 0 is off", r.rate, r.most)
		}
	}
	for _, b := range []struct {
		name  string
		burst int
		on    bool // its rate is set
	}{
		{"max-conns-per-ip", p.MaxConnsPerIP, true},
		{"connect-burst-per-ip", p.ConnectBurst, p.ConnectRate > 0},
		{"handshake-burst", p.HandshakeBurst, p.HandshakeRate > 0},
		{"message-burst", p.MessageBurst, p.MessageRate > 0},
		{"byte-burst", p.ByteBurst, p.ByteRate > 0},
	} {
		if b.burst < 0 || b.burst > maxBurst {
			return setting.Errorf(b.name, "%d is not between 0 and %d", b.burst, maxBurst)
		}
		if b.burst > 0 && !b.on {
			return setting.Errorf(b.name, "has no effect without its rate")
		}
	}
	return p.JWT.validate()
}

// validateOrigins also refuses origins that would allow nobody.
func (p *Policy) validateOrigins() error {
	seen := map[origin.Rule]string{}
	for _, item := range p.AllowedOrigins {
		rule, err := origin.Parse(item)
		if err != nil {
			return setting.Named("allowed-origins", err)
		}
		if before, twice := seen[rule]; twice {
			return setting.Errorf("allowed-origins", "%q and %q are the same origin", before, item)
		}
		seen[rule] = item
	}
	return nil
}

func (p *Policy) validateAgents() error {
	const name = "compress-not-for"
	if len(p.CompressNotFor) > maxAgents {
		return setting.Errorf(name, "%d parts of User-Agents are more than %d", len(p.CompressNotFor), maxAgents)
	}
	for n, part := range p.CompressNotFor {
		if slices.Contains(p.CompressNotFor[:n], part) && part != "" {
			return setting.Errorf(name, "%.200q is there twice", part)
		}
		if strings.TrimSpace(part) == "" || len(part) > maxAgentLen || strings.ContainsFunc(part, unicode.IsControl) {
			return setting.Errorf(name, "%.200q is not a part of a User-Agent of 1 to %d bytes", part, maxAgentLen)
		}
		if strings.Contains(part, "*") {
			return setting.Errorf(name, "%q contains a *, which has no special meaning; a part matches anywhere in a User-Agent", part)
		}
	}
	return nil
}

// leastByteBurst allows the largest message, and the read that ends it.
func leastByteBurst(maxMessage int) int { return maxMessage + MaxRead }

// Fits reports which field does not go with the largest message, in bytes.
func (p *Policy) Fits(maxMessage int) error {
	if least := leastByteBurst(maxMessage); p.ByteBurst != 0 && p.ByteBurst < least {
		return setting.Errorf("byte-burst", "%d bytes are less than the %d needed for max-message and one read", p.ByteBurst, least)
	}
	return nil
}

// FitsProxyProtocol reports which field does not go with connections that must begin
// with a PROXY header, if on.
func (p *Policy) FitsProxyProtocol(on bool) error {
	if on && len(p.TrustedProxies) == 0 {
		return setting.Errorf("proxy-protocol", "has no effect without trusted-proxies")
	}
	return nil
}
