package admission

import (
	"bytes"
	"math"
	"net/netip"
	"slices"

	"castgate/server/internal/quota"
	"castgate/server/keyset"
	"castgate/server/origin"
	"castgate/server/token"
)

// Rules are a Policy made ready for use. They are immutable; load them from Control.Rules
// once for each decision. Any goroutine.
type Rules struct {
	policy     Policy
	origins    origin.Set
	perAddress quota.Limits
	handshakes quota.Rate
	rates      [numMeters]quota.Rate // of what each client sends
	verifier   *token.Verifier
	keys       *keyset.Set // nil without JWT.JWKS
	inspects   bool
	metered    bool
}

// newRules makes a valid Policy ready. keys are those that JWT.JWKS names. The caller
// holds mu.
func (a *Control) newRules(p Policy, keys *keyset.Set) *Rules {
	// Prefixes of mapped addresses are compared as IPv4, like addresses.
	p.TrustedProxies = slices.Clone(p.TrustedProxies)
	for i, n := range p.TrustedProxies {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		p.TrustedProxies[i] = n.Masked()
	}
	r := &Rules{
		policy: p, origins: origin.NewSet(p.AllowedOrigins), keys: keys,
		perAddress: quota.Limits{Conns: p.MaxConnsPerIP, Connects: newRate(p.ConnectRate, p.ConnectBurst)},
		handshakes: newRate(p.HandshakeRate, p.HandshakeBurst),
	}
	r.rates[MeterMessages] = newRate(p.MessageRate, p.MessageBurst)
	r.rates[MeterBytes] = byteRate(&p, a.maxMessage)
	if keys != nil {
		p.JWT.Fetched = keys.Keys
	}
	if p.JWT.on() {
		r.verifier = token.New(p.JWT.Rules, a.config.Now)
	}
	r.inspects = len(p.TrustedProxies) > 0 || p.JWT.on()
	r.metered = r.rates[MeterMessages].Limits() || r.rates[MeterBytes].Limits()
	return r
}

// newRate makes a rate. A burst of 0 is as many as in one second.
func newRate(perSecond float64, burst int) quota.Rate {
	if burst == 0 {
		burst = max(1, int(math.Ceil(perSecond)))
	}
	return quota.NewRate(perSecond, burst)
}

// byteRate is a policy's, with a burst that always allows the largest message.
func byteRate(p *Policy, maxMessage int) quota.Rate {
	burst := p.ByteBurst
	if burst == 0 {
		burst = p.ByteRate
	}
	return newRate(float64(p.ByteRate), max(burst, leastByteBurst(maxMessage)))
}

// withMaxMessage is r for another largest message.
func (r *Rules) withMaxMessage(n int) *Rules {
	is := *r
	is.rates[MeterBytes] = byteRate(&is.policy, n)
	return &is
}

// Policy is what the rules were made of. It must not be changed.
func (r *Rules) Policy() *Policy { return &r.policy }

// Trusts reports whether an address is a trusted proxy's.
func (r *Rules) Trusts(a netip.Addr) bool {
	for _, n := range r.policy.TrustedProxies {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// LimitsAddresses reports whether there is a limit by address, so that connections are
// counted.
func (r *Rules) LimitsAddresses() bool { return r.perAddress.On() }

// Inspects reports whether requests must be given to Control.Decide.
func (r *Rules) Inspects() bool { return r.inspects }

// Metered reports whether Meters must be asked about what clients send.
func (r *Rules) Metered() bool { return r.metered }

// RequiresToken reports whether clients without a token are refused.
func (r *Rules) RequiresToken() bool { return r.policy.JWT.on() && r.policy.JWT.Required }

// AllowsOrigin reports whether a browser's page of that origin may connect.
func (r *Rules) AllowsOrigin(origin []byte) bool { return r.origins.Allow(origin) }

// Compresses reports whether messages for a client with that User-Agent may be compressed.
func (r *Rules) Compresses(agent []byte) bool {
	agent = agent[:min(len(agent), agentLen)]
	for _, part := range r.policy.CompressNotFor {
		if bytes.Contains(agent, []byte(part)) {
			return false
		}
	}
	return true
}
