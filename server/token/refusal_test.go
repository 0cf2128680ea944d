package token

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Each cause has its own reason. Codes never change, and no error contains anything
// of the token.
func TestReasons(t *testing.T) {
	now := epoch.Unix()
	named, err := JWKS(set(t, jwkOf(t, "one", rsaKey.Public()), jwkOf(t, "two", ecKey.Public())))
	if err != nil {
		t.Fatal(err)
	}
	v := New(Rules{Keys: named, Issuer: "login", Audience: "push"}, clock)
	claims := func(change m) m {
		c := m{"sub": "ann-the-first", "iss": "login", "aud": "push", "exp": now + 60}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	rs := func(kid string, change m) string {
		return sign(t, jwt.SigningMethodRS256, rsaKey, m{"kid": kid}, claims(change))
	}
	good := rs("one", nil)
	part := strings.Split(good, ".")
	for name, try := range map[string]struct {
		token, want string
	}{
		"good":                 {good, ""},
		"empty":                {"", "token_malformed"},
		"a session id":         {"7f3c2d", "token_malformed"},
		"encrypted":            {"a.b.c.d.e", "token_malformed"},
		"header not JSON":      {encode([]byte("{")) + "." + part[1] + "." + part[2], "token_malformed"},
		"claims not JSON":      {part[0] + "." + encode([]byte("{")) + "." + part[2], "token_malformed"},
		"signature not base64": {part[0] + "." + part[1] + ".?", "token_malformed"},
		"critical extension":   {sign(t, jwt.SigningMethodRS256, rsaKey, m{"kid": "one", "crit": []string{"x"}}, claims(nil)), "token_malformed"},
		"none":                 {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, claims(nil)), "token_algorithm"},
		"HS256 without key":    {sign(t, jwt.SigningMethodHS256, secret, nil, claims(nil)), "token_algorithm"},
		"HS512":                {sign(t, jwt.SigningMethodHS512, secret, nil, claims(nil)), "token_algorithm"},
		"PS256":                {sign(t, jwt.SigningMethodPS256, rsaKey, m{"kid": "one"}, claims(nil)), "token_algorithm"},
		"key of another":       {sign(t, jwt.SigningMethodRS256, rsaKey, m{"kid": "two"}, claims(nil)), "token_algorithm"},
		"unknown key":          {rs("three", nil), "token_unknown_key"},
		"other signature":      {part[0] + "." + part[1] + "." + strings.Repeat("A", len(part[2])-1) + "A", "token_signature"},
		"claim":                {rs("one", m{"exp": "soon"}), "token_claim"},
		"expired":              {rs("one", m{"exp": now - 1}), "token_expired"},
		"early":                {rs("one", m{"nbf": now + 60}), "token_not_yet_valid"},
		"audience":             {rs("one", m{"aud": "other"}), "token_audience"},
		"issuer":               {rs("one", m{"iss": "other"}), "token_issuer"},
		"issued later":         {rs("one", m{"iat": now + 3600}), ""},
	} {
		_, err := v.Verify(try.token)
		got := ""
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			got = refusal.Reason.String()
		}
		if got != try.want || err != nil && strings.Contains(err.Error(), "ann") {
			t.Errorf("%s: %q, %v, want %q", name, got, err, try.want)
		}
	}
	seen := map[string]bool{}
	for r := range NumReasons {
		code := Reason(r).String()
		if seen[code] || !strings.HasPrefix(code, "token_") || (&Refusal{Reason: Reason(r)}).Error() == "" {
			t.Errorf("reason %d is %q", r, code)
		}
		seen[code] = true
	}
}

// Fetched keys are used along with the configured ones, as they are at the moment
// of the check.
func TestFetchedKeys(t *testing.T) {
	static, err := Secret(secret)
	if err != nil {
		t.Fatal(err)
	}
	var keys []Key
	v := New(Rules{Keys: []Key{static}, Fetched: func() []Key { return keys }}, clock)
	es := func(header m) error {
		_, err := v.Verify(sign(t, jwt.SigningMethodES256, ecKey, header, m{"sub": "ann"}))
		return err
	}
	if _, err := v.Verify(sign(t, jwt.SigningMethodHS256, secret, nil, m{"sub": "ann"})); err != nil {
		t.Errorf("by the secret: %v", err)
	}
	if err := es(m{"kid": "new"}); err != ErrNoKeys {
		t.Errorf("before any key has come: %v", err)
	}
	if keys, err = JWKS(set(t, jwkOf(t, "old", ecKey.Public()), jwkOf(t, "rsa", rsaKey.Public()))); err != nil {
		t.Fatal(err)
	}
	for kid, want := range map[string]error{"old": nil, "new": ErrUnknownKey, "rsa": ErrAlgorithm} {
		if err := es(m{"kid": kid}); want == nil && err != nil || want != nil && err != want {
			t.Errorf("kid %q: %v, want %v", kid, err, want)
		}
	}
	// If the configured secret has no key id, a new fetched key cannot be
	// recognised by its id.
	if _, err := v.Verify(sign(t, jwt.SigningMethodHS256, []byte("another secret of at least 32 bytes"), m{"kid": "new"}, m{})); err != ErrUnknownKey {
		t.Errorf("a new secret: %v", err)
	}
	if err := (&Rules{Fetched: func() []Key { return nil }}).Validate(); err != nil {
		t.Error(err)
	}
}
