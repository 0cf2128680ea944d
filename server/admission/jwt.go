package admission

import (
	"slices"
	"time"

	"castgate/server/keyset"
	"castgate/server/setting"
	"castgate/server/token"
)

// JWT says where tokens are found and which are good. A good one binds the client to its
// sub and joins it to its groups before the client gets its init message; the client is
// closed with 3401 when the token expires. A bad one is refused with 401 and the reason. A
// token is looked for as bearer.<token> in Sec-WebSocket-Protocol, then in the cookie,
// then in the query.
type JWT struct {
	token.Rules // without Fetched, which comes from JWKS
	// JWKS is a URL from which keys are fetched in addition to Keys; "" is none.
	// JWKSRefresh is the time between two fetches, keyset.MinRefresh to
	// MaxRefresh. Until the first fetch has succeeded, tokens are answered 503.
	JWKS        string
	JWKSRefresh time.Duration
	Cookie      string // name of the cookie; "" is none
	Query       string // name of the parameter; "" is none
	Required    bool   // 401 without a token; otherwise such clients are bound later
}

// on reports whether tokens count.
func (j *JWT) on() bool { return len(j.Keys) > 0 || j.JWKS != "" }

func (j *JWT) validate() error {
	if !j.on() {
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"jwt-issuer", j.Issuer != ""}, {"jwt-audience", j.Audience != ""}, {"jwt-leeway", j.Leeway != 0 && j.Leeway != token.DefaultLeeway},
			{"jwt-jwks-refresh", j.JWKSRefresh != 0 && j.JWKSRefresh != DefaultJWKSRefresh},
			{"jwt-cookie", j.Cookie != ""}, {"jwt-query", j.Query != ""}, {"jwt-required", j.Required},
		} {
			if f.set {
				return setting.Errorf(f.name, "has no effect without jwt-secret, jwt-public-key or jwt-jwks")
			}
		}
		return nil
	}
	if err := j.validateKeys(); err != nil {
		return err
	}
	for _, n := range []struct{ name, value string }{{"jwt-cookie", j.Cookie}, {"jwt-query", j.Query}} {
		if len(n.value) > maxNameSize || slices.ContainsFunc([]byte(n.value), notName) {
			return setting.Errorf(n.name, "%.200q is not a name of up to %d letters, digits, dots, - and _", n.value, maxNameSize)
		}
	}
	return nil
}

// DefaultJWKSRefresh is JWT.JWKSRefresh without a setting.
const DefaultJWKSRefresh = time.Hour

var errNoJWKS = setting.Errorf("jwt-jwks-refresh", "has no effect without a URL in jwt-jwks")

func (j *JWT) validateKeys() error {
	rules := j.Rules
	if j.JWKS == "" && j.JWKSRefresh != 0 && j.JWKSRefresh != DefaultJWKSRefresh {
		return errNoJWKS
	}
	if j.JWKS != "" {
		if err := keyset.CheckURL(j.JWKS); err != nil {
			return setting.Errorf("jwt-jwks", "it %w", err)
		}
		if j.JWKSRefresh < keyset.MinRefresh || j.JWKSRefresh > keyset.MaxRefresh {
			return setting.Errorf("jwt-jwks-refresh", "%v is not between %v and %v", j.JWKSRefresh, keyset.MinRefresh, keyset.MaxRefresh)
		}
		rules.Fetched = func() []token.Key { return nil }
	}
	return rules.Validate()
}

// notName reports whether c would need quoting or escaping in a cookie or query.
func notName(c byte) bool {
	return (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
}
