package admission

import (
	"net/netip"

	"castgate/codec"
	"castgate/server/token"
)

// Verdict is what is decided about a request by its head.
type Verdict struct {
	// Client is whom the request is from: the peer, or for whom it speaks.
	Client netip.AddrPort
	// Counted means that Client was counted, and that Release must follow when the
	// connection has ended. It may be set with a refusal.
	Counted bool
	// Refusal is the answer to a refused request, or codec.HandshakeOK; NoToken
	// is, too, for one that is refused for its token.
	Refusal codec.HandshakeResult
	NoToken *token.Refusal
	// Token must be checked before the client is let in, unless its Text is empty.
	Token Token
	// Protocol is to be added to the answer as Sec-WebSocket-Protocol, if not nil. It
	// is a part of the head.
	Protocol []byte
}

// Token is a token, and what it is checked against.
type Token struct {
	Text  string
	rules *Rules
}

// Decide decides about a good request. head is its head, peer the address it came
// from so far; counted says whether that was counted. Only if Rules.Inspects.
func (a *Control) Decide(r *Rules, head []byte, peer netip.AddrPort, counted bool) (v Verdict) {
	v.Client = peer
	if !counted && r.Trusts(peer.Addr()) {
		client, how := codec.ForwardedFor(head, peer, r.Trusts)
		if how == codec.ForwardedConflict {
			v.Refusal = codec.HandshakeForwarded
			return v
		}
		v.Client = client
		// Clients whose proxy does not tell who they are share its exemption.
		v.Counted, v.Refusal = a.identify(r, client.Addr(), how == codec.ForwardedNone)
		if v.Refusal != codec.HandshakeOK {
			return v
		}
	}
	if !r.policy.JWT.on() {
		return v
	}
	c := findToken(head, &r.policy.JWT)
	if c.selected != nil && !c.named {
		v.Protocol = c.selected
	}
	switch {
	case c.several:
		v.NoToken = &token.Refusal{Reason: token.Repeated}
	case c.bad:
		v.NoToken = &token.Refusal{Reason: token.Malformed}
	case len(c.token) == 0 && r.policy.JWT.Required:
		v.NoToken = &token.Refusal{Reason: token.Missing}
	case len(c.token) > 0:
		v.Token = Token{string(c.token), r}
	}
	return v
}

// tokenResults are the outcomes of handshakes by the reasons for which tokens
// are refused. Several reasons are one outcome; each has a counter of its own.
var tokenResults = [token.NumReasons]codec.HandshakeResult{
	token.Missing:     codec.HandshakeNoToken,
	token.Repeated:    codec.HandshakeBadToken,
	token.Malformed:   codec.HandshakeBadToken,
	token.NoKeys:      codec.HandshakeTokenBusy,
	token.Algorithm:   codec.HandshakeBadToken,
	token.UnknownKey:  codec.HandshakeBadToken,
	token.Signature:   codec.HandshakeBadToken,
	token.Claim:       codec.HandshakeTokenClaims,
	token.Expired:     codec.HandshakeTokenExpired,
	token.NotYetValid: codec.HandshakeTokenEarly,
	token.Audience:    codec.HandshakeTokenAudience,
	token.Issuer:      codec.HandshakeTokenIssuer,
	token.Busy:        codec.HandshakeTokenBusy,
}

// TokenResult is the outcome of a handshake whose token is refused.
func TokenResult(why token.Reason) codec.HandshakeResult { return tokenResults[why] }
