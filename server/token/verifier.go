package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxLen is the longest token in bytes that is looked at: more does not fit
// into the head of a handshake.
const MaxLen = 8 << 10

// MaxLeeway is the largest Rules.Leeway.
const MaxLeeway = 10 * time.Minute

// Rules say which tokens are good.
type Rules struct {
	// Keys, at least one and at most MaxKeys.
	Keys []Key
	// Issuer and Audience are what iss must be and aud must have; "" is any.
	Issuer, Audience string
	// Leeway is by how much the issuer's clock and ours may differ, for exp
	// and nbf; 0 to MaxLeeway.
	Leeway time.Duration
}

// Validate reports what is wrong with the rules, beginning with the name of
// the setting.
func (r *Rules) Validate() error {
	switch {
	case len(r.Keys) == 0:
		return errors.New("jwt-secret: tokens need a key: jwt-secret, jwt-public-key or jwt-jwks")
	case len(r.Keys) > MaxKeys:
		return fmt.Errorf("jwt-jwks: %d keys are more than %d", len(r.Keys), MaxKeys)
	case r.Leeway < 0 || r.Leeway > MaxLeeway:
		return fmt.Errorf("jwt-leeway: %v is not between 0 and %v", r.Leeway, MaxLeeway)
	}
	return nil
}

// Identity is what a good token says.
type Identity struct {
	UID    string   // sub; may be ""
	Groups []string // groups
	// Expires is when the token ends, the leeway included; zero is never.
	Expires time.Time
}

// Why a token is refused, in the order of the checks.
var (
	ErrInvalid     = errors.New("the token is not valid")         // malformed, no key for it, bad signature
	ErrExpired     = errors.New("the token has expired")          // exp
	ErrNotYetValid = errors.New("the token is not valid yet")     // nbf
	ErrAudience    = errors.New("the token is for somebody else") // aud
	ErrIssuer      = errors.New("the token is by somebody else")  // iss
)

// Verifier checks tokens by its Rules.
type Verifier struct {
	rules  Rules
	parser *jwt.Parser
}

// New makes a Verifier of valid Rules. now is the clock; nil is time.Now.
func New(r Rules, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	options := []jwt.ParserOption{
		jwt.WithTimeFunc(now), jwt.WithLeeway(r.Leeway), jwt.WithStrictDecoding(),
		jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"}),
	}
	if r.Issuer != "" {
		options = append(options, jwt.WithIssuer(r.Issuer))
	}
	if r.Audience != "" {
		options = append(options, jwt.WithAudience(r.Audience))
	}
	return &Verifier{rules: r, parser: jwt.NewParser(options...)}
}

// Verify checks a token's signature and claims. The error is one of this
// package's. It takes 5 to 100 microseconds for each key that fits.
func (v *Verifier) Verify(text string) (Identity, error) {
	if len(text) > MaxLen {
		return Identity{}, ErrInvalid
	}
	var c claims
	if _, err := v.parser.ParseWithClaims(text, &c, v.keysFor); err != nil {
		for _, why := range []struct{ of, is error }{
			{jwt.ErrTokenExpired, ErrExpired},
			{jwt.ErrTokenNotValidYet, ErrNotYetValid},
			{jwt.ErrTokenInvalidAudience, ErrAudience},
			{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		} {
			if errors.Is(err, why.of) {
				return Identity{}, why.is
			}
		}
		if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
			if v.rules.Audience != "" && len(c.Audience) == 0 {
				return Identity{}, ErrAudience
			}
			return Identity{}, ErrIssuer
		}
		return Identity{}, ErrInvalid
	}
	id := Identity{UID: c.Subject, Groups: c.Groups}
	if c.ExpiresAt != nil {
		id.Expires = c.ExpiresAt.Add(v.rules.Leeway)
	}
	return id, nil
}

// keysFor returns the keys that a token may have been signed with: those of
// its algorithm, and of its key id if both have one.
func (v *Verifier) keysFor(t *jwt.Token) (any, error) {
	if c, ok := t.Claims.(*claims); !ok || !c.read {
		return nil, ErrInvalid
	}
	kid, err := keyID(t.Raw)
	if err != nil {
		return nil, ErrInvalid
	}
	var set jwt.VerificationKeySet
	for _, k := range v.rules.Keys {
		if k.alg == t.Method.Alg() && (kid == "" || k.id == "" || k.id == kid) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, ErrInvalid
	}
	return set, nil
}
