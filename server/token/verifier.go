package token

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"castgate/server/setting"
)

// MaxLen is the longest accepted token in bytes. A handshake has no room for a
// longer one.
const MaxLen = 64 << 10

// MaxLeeway is the largest Rules.Leeway and DefaultLeeway the usual one. Clocks
// that are synchronised by NTP differ by less.
const (
	MaxLeeway     = 10 * time.Minute
	DefaultLeeway = 5 * time.Second
)

// Rules say which tokens are good.
type Rules struct {
	// Keys holds at most MaxKeys keys. It may be empty only if Fetched is set.
	Keys []Key
	// Fetched returns additional keys, which may change over time. It returns none
	// until the first have been fetched. Nil means that there are none. It may be
	// called from any goroutine.
	Fetched func() []Key
	// Issuer must equal iss and Audience must be in aud; "" allows any.
	Issuer, Audience string
	// Leeway is the tolerated difference between the issuer's clock and ours for
	// exp and nbf, 0 to MaxLeeway. iat is not compared with the clock.
	Leeway time.Duration
}

// Validate returns an error that begins with the name of the offending setting.
func (r *Rules) Validate() error {
	switch {
	case len(r.Keys) == 0 && r.Fetched == nil:
		return setting.Errorf("jwt-secret", "tokens need a key: set jwt-secret, jwt-public-key or jwt-jwks")
	case len(r.Keys) > MaxKeys:
		return setting.Errorf("jwt-jwks", "%d keys are more than %d", len(r.Keys), MaxKeys)
	case r.Leeway < 0 || r.Leeway > MaxLeeway:
		return setting.Errorf("jwt-leeway", "%v is not between 0 and %v", r.Leeway, MaxLeeway)
	}
	return nil
}

// Identity is what a valid token says.
type Identity struct {
	UID    string   // sub; may be ""
	Groups []string // groups
	// Expires is when the token expires, including the leeway; zero means never.
	Expires time.Time
}

// With is what a token says, nil for none, and what somebody else does: uid in the place of
// the token's unless it is "", and further groups.
func (id *Identity) With(uid string, groups []string) *Identity {
	if uid == "" && len(groups) == 0 {
		return id
	}
	both := Identity{}
	if id != nil {
		both = *id
	}
	if uid != "" {
		both.UID = uid
	}
	both.Groups = append(append([]string(nil), both.Groups...), groups...)
	return &both
}

// Verifier verifies tokens by its Rules.
type Verifier struct {
	rules  Rules
	parser *jwt.Parser
}

// validMethods are the algorithms that have a key.
var validMethods = []string{"HS256", "RS256", "ES256", "EdDSA"}

// New returns a Verifier for valid Rules. now is the clock; nil means time.Now.
func New(r Rules, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	options := []jwt.ParserOption{
		jwt.WithTimeFunc(now), jwt.WithLeeway(r.Leeway), jwt.WithStrictDecoding(),
		jwt.WithValidMethods(validMethods),
	}
	if r.Issuer != "" {
		options = append(options, jwt.WithIssuer(r.Issuer))
	}
	if r.Audience != "" {
		options = append(options, jwt.WithAudience(r.Audience))
	}
	return &Verifier{rules: r, parser: jwt.NewParser(options...)}
}

// Verify checks a token's signature and claims. An error is always a *Refusal. Each
// key that matches costs 5 to 100 microseconds.
func (v *Verifier) Verify(text string) (Identity, error) {
	if len(text) > MaxLen || strings.Count(text, ".") != 2 {
		return Identity{}, ErrInvalid
	}
	h, err := readHeader(text)
	if err != nil {
		return Identity{}, ErrInvalid
	}
	keys, named, refusal := v.keysFor(h)
	if refusal != nil {
		return Identity{}, refusal
	}
	var c claims
	_, err = v.parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) {
		if !c.read {
			return nil, ErrInvalid
		}
		return jwt.VerificationKeySet{Keys: keys}, nil
	})
	if refusal := v.refusalOf(err, &c); refusal != nil {
		if refusal == ErrSignature && h.kid != "" && !named && v.rules.Fetched != nil {
			refusal = ErrUnknownKey // none of the keys that were tried has an id
		}
		return Identity{}, refusal
	}
	id := Identity{UID: c.Subject}
	if len(c.groups) > 0 {
		if id.Groups, err = names(c.groups); err != nil {
			return Identity{}, &Refusal{Reason: Claim, Claim: "groups"}
		}
	}
	if c.ExpiresAt != nil {
		id.Expires = c.ExpiresAt.Add(v.rules.Leeway)
	}
	return id, nil
}

// refusalOf translates an error of the parser, nil for none.
func (v *Verifier) refusalOf(err error, c *claims) *Refusal {
	if claim, ok := errors.AsType[claimError](err); ok {
		return &Refusal{Reason: Claim, Claim: string(claim)}
	}
	for _, why := range []struct {
		of error
		is *Refusal
	}{
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
	} {
		if errors.Is(err, why.of) {
			return why.is
		}
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return ErrInvalid
	case v.rules.Audience != "" && len(c.Audience) == 0:
		return ErrAudience
	}
	return ErrIssuer
}

// keysFor returns the keys that may have signed a token: those of its algorithm,
// and of its key id if both have one. named reports whether a key has that id.
func (v *Verifier) keysFor(h header) (keys []jwt.VerificationKey, named bool, refusal *Refusal) {
	var fetched []Key
	if v.rules.Fetched != nil {
		fetched = v.rules.Fetched()
	}
	ofAlgorithm := false
	for _, set := range [...][]Key{v.rules.Keys, fetched} {
		for _, k := range set {
			named = named || h.kid != "" && k.id == h.kid
			ofAlgorithm = ofAlgorithm || k.alg == h.alg
			if k.alg == h.alg && (h.kid == "" || k.id == "" || k.id == h.kid) && len(keys) < MaxKeys {
				keys = append(keys, k.key)
			}
		}
	}
	switch {
	case len(keys) > 0:
		return keys, named, nil
	case !slices.Contains(validMethods, h.alg):
		return nil, named, ErrAlgorithm
	case v.rules.Fetched != nil && len(fetched) == 0:
		return nil, named, ErrNoKeys
	case h.kid != "" && !named && (ofAlgorithm || v.rules.Fetched != nil):
		return nil, named, ErrUnknownKey
	}
	return nil, named, ErrAlgorithm
}
