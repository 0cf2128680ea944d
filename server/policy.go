package server

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"castgate/server/internal/quota"
	"castgate/server/keyset"
	"castgate/server/origin"
	"castgate/server/setting"
	"castgate/server/token"
)

// Policy says who may connect and how much each may do. It is the part of
// Config that Server.SetPolicy can change while the server runs. A change
// touches no connection: limits of addresses count those that are there, and refuse
// new ones only; rates of messages hold for the next bytes of every client, all else is
// decided at the handshake. Under a rate that has changed everybody has the whole
// burst, whatever they used of the old one. Zero values are off.
type Policy struct {
	// AllowedOrigins are browser origins: https://app.example.com, the default
	// port alone; app.example.com for any scheme and port; *.example.com, with
	// or without a scheme, for what is below; null, file:// and the schemes of
	// applications (capacitor://localhost). Case, default ports, Unicode and the
	// spelling of addresses do not matter. Empty allows any. Requests without an
	// Origin header do not come from a browser's page and pass.
	AllowedOrigins []string
	// CompressNotFor are parts of User-Agent headers, letter for letter: clients with
	// one of them are not compressed for, as some do not speak permessage-deflate as
	// they offer it. The first 1,024 bytes of the header are looked at.
	CompressNotFor []string
	// TrustedProxies are the networks whose word counts for who a client is:
	// in X-Forwarded-For and Forwarded, and in PROXY headers. The addresses in
	// them are not limited themselves.
	TrustedProxies []netip.Prefix
	// MaxConnsPerIP is how many connections an IPv4 address or an IPv6 /64
	// may have at once, handshakes included.
	MaxConnsPerIP int
	// ConnectRate is how many connections a second such an address may open,
	// ConnectBurst how many at once after a rest; 0 is one second's.
	ConnectRate  float64
	ConnectBurst int
	// HandshakeRate is how many connections a second are taken in, of all
	// addresses together; further ones wait. HandshakeBurst as above.
	HandshakeRate  float64
	HandshakeBurst int
	// MessageRate is how many messages a second a client may send, by their first
	// frame, pings included; MessageBurst as above. One more closes it with 1008.
	// Pongs and further frames, which may be empty, are for ByteRate to bound.
	MessageRate  float64
	MessageBurst int
	// ByteRate is how many bytes a second a client may send, all frames
	// counted. ByteBurst must hold a message of Capacity.MaxMessage and one
	// read, 64 KiB; 0 is one second's, or just that.
	ByteRate, ByteBurst int
	// JWT says how clients may show who they are at the handshake; without
	// keys no token is looked for.
	JWT JWT
}

// policy is a Policy made ready for use: immutable, shared by all loops
// through Server.policy, which they load once for each thing they decide.
type policy struct {
	Policy
	origins    origin.Set
	perAddress quota.Limits
	handshakes quota.Rate
	rates      [numMeters]quota.Rate // of what each client sends
	verifier   *token.Verifier
	keys       *keyset.Set // nil without JWT.JWKS
	inspects   bool        // request heads must be looked at again
	metered    bool        // what clients send is
}

// Bounds of Policy fields.
const (
	maxRate     = 1e6
	maxBurst    = 1 << 30
	maxTrusted  = 256
	maxNameSize = 128 // of a cookie or parameter
	maxAgents   = 64
	maxAgentLen = 256  // of a part of a User-Agent
	agentLen    = 1024 // of a User-Agent that is looked at
)

// Validate reports the first field that is out of its range, by its name on
// the command line.
func (p *Policy) Validate() error {
	if err := p.validateOrigins(); err != nil {
		return err
	}
	if len(p.CompressNotFor) > maxAgents {
		return setting.Errorf("compress-not-for", "%d parts of User-Agents are more than %d", len(p.CompressNotFor), maxAgents)
	}
	for _, part := range p.CompressNotFor {
		if strings.TrimSpace(part) == "" || len(part) > maxAgentLen || strings.ContainsFunc(part, unicode.IsControl) {
			return setting.Errorf("compress-not-for", "%.200q is not a part of a User-Agent of 1 to %d bytes", part, maxAgentLen)
		}
		if strings.Contains(part, "*") {
			return setting.Errorf("compress-not-for", "%q contains a *, which has no special meaning; a part matches anywhere in a User-Agent", part)
		}
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
		{"byte-rate", float64(p.ByteRate), maxQueueSize},
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

// validateOrigins refuses what would allow nobody.
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

// leastByteBurst lets the largest message in, with the read that ends it.
func leastByteBurst(maxMessage int) int { return maxMessage + readLen }

func (s *Server) leastByteBurst() int { return leastByteBurst(int(s.maxMessage.Load())) }

// fits reports what does not go with the largest message.
func (p *Policy) fits(maxMessage int) error {
	if least := leastByteBurst(maxMessage); p.ByteBurst != 0 && p.ByteBurst < least {
		return setting.Errorf("byte-burst", "%d bytes are less than the %d needed for max-message and one read", p.ByteBurst, least)
	}
	return nil
}

// byteRate is p's, whose burst always lets the largest message in.
func (s *Server) byteRate(p *Policy) quota.Rate {
	burst := p.ByteBurst
	if burst == 0 {
		burst = p.ByteRate
	}
	return newRate(float64(p.ByteRate), max(burst, s.leastByteBurst()))
}

// fitByteBurst recalculates the policy's byte rate after a change of MaxMessage.
func (s *Server) fitByteBurst() {
	for {
		was := s.policy.Load()
		is := *was
		is.rates[meterBytes] = s.byteRate(&is.Policy)
		if s.policy.CompareAndSwap(was, &is) {
			return
		}
	}
}

// newPolicy makes a valid Policy ready.
func (s *Server) newPolicy(p Policy) *policy {
	// Prefixes of mapped addresses are compared as IPv4, like addresses.
	p.TrustedProxies = slices.Clone(p.TrustedProxies)
	for i, n := range p.TrustedProxies {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		p.TrustedProxies[i] = n.Masked()
	}
	r := &policy{
		Policy: p, origins: origin.NewSet(p.AllowedOrigins),
		perAddress: quota.Limits{Conns: p.MaxConnsPerIP, Connects: newRate(p.ConnectRate, p.ConnectBurst)},
		handshakes: newRate(p.HandshakeRate, p.HandshakeBurst),
		rates:      [numMeters]quota.Rate{meterMessages: newRate(p.MessageRate, p.MessageBurst), meterBytes: s.byteRate(&p)},
	}
	if r.keys = s.fetched.of(&p.JWT, s); r.keys != nil {
		p.JWT.Fetched = r.keys.Keys
	}
	if p.JWT.on() {
		r.verifier = token.New(p.JWT.Rules, s.sys.now)
	}
	r.inspects = len(p.TrustedProxies) > 0 || p.JWT.on()
	r.metered = r.rates[meterMessages].Limits() || r.rates[meterBytes].Limits()
	return r
}

// newRate makes a rate whose burst is one second's unless it is given.
func newRate(perSecond float64, burst int) quota.Rate {
	if burst == 0 {
		burst = max(1, int(math.Ceil(perSecond)))
	}
	return quota.NewRate(perSecond, burst)
}

// checkPolicy is Validate, and what depends on the rest of the Config.
func (s *Server) checkPolicy(p *Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := p.fits(int(s.maxMessage.Load())); err != nil {
		return err
	}
	if s.config.ProxyProtocol && len(p.TrustedProxies) == 0 {
		return errProxyProtocol
	}
	return nil
}

// SetPolicy replaces the policy for all that is decided from now on, and returns
// when the connections that are there are counted for limits by address, or soon after
// if a loop is held up. An error
// names the field that is wrong, and the old policy stays. What p's slices and
// pointers lead to must not be changed afterwards. Any goroutine.
func (s *Server) SetPolicy(p Policy) error {
	if err := s.checkPolicy(&p); err != nil {
		return err
	}
	made := s.newPolicy(p)
	s.policy.Store(made)
	s.recount(made)
	return nil
}

// trusts tells whether an address is a trusted proxy's.
func (p *policy) trusts(a netip.Addr) bool {
	for _, n := range p.TrustedProxies {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// allowOrigin is the Upgrader's CheckOrigin.
func (s *Server) allowOrigin(origin []byte) bool { return s.policy.Load().origins.Allow(origin) }

// uncompressed is the Upgrader's Uncompressed.
func (s *Server) uncompressed(agent []byte) bool {
	agent = agent[:min(len(agent), agentLen)]
	for _, part := range s.policy.Load().CompressNotFor {
		if bytes.Contains(agent, []byte(part)) {
			return true
		}
	}
	return false
}
