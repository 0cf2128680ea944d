package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	secret      = []byte("a secret of more than thirty-two bytes")
	rsaKey, _   = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _    = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ = ed25519.GenerateKey(rand.Reader)
	epoch       = time.Unix(1_800_000_000, 0)
)

func clock() time.Time { return epoch }

func publicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// allKeys has one key of each kind.
func allKeys(t testing.TB) []Key {
	t.Helper()
	k, err := Secret(secret)
	if err != nil {
		t.Fatal(err)
	}
	keys := []Key{k}
	for _, public := range []crypto.PublicKey{rsaKey.Public(), ecKey.Public(), edKey.Public()} {
		more, err := PEM(publicPEM(t, public))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, more...)
	}
	return keys
}

type m = map[string]any

// sign makes a token. Entries of header replace those of the method.
func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims m) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	for k, v := range header {
		tok.Header[k] = v
	}
	text, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVerify(t *testing.T) {
	v := New(Rules{Keys: allKeys(t)}, clock)
	claims := m{"sub": "ann", "groups": []string{"news", "ops"}, "exp": epoch.Unix() + 60, "nbf": epoch.Unix() - 60}
	for _, s := range []struct {
		method jwt.SigningMethod
		key    any
	}{{jwt.SigningMethodHS256, secret}, {jwt.SigningMethodRS256, rsaKey}, {jwt.SigningMethodES256, ecKey}, {jwt.SigningMethodEdDSA, edKey}} {
		id, err := v.Verify(sign(t, s.method, s.key, nil, claims))
		if err != nil || id.UID != "ann" || fmt.Sprint(id.Groups) != "[news ops]" || !id.Expires.Equal(epoch.Add(time.Minute)) {
			t.Errorf("%s: %+v, %v", s.method.Alg(), id, err)
		}
	}
	id, err := v.Verify(sign(t, jwt.SigningMethodHS256, secret, nil, m{"sub": "ann"}))
	if err != nil || !id.Expires.IsZero() || id.Groups != nil {
		t.Errorf("without exp and groups: %+v, %v", id, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	now := epoch.Unix()
	v := New(Rules{Keys: allKeys(t), Issuer: "login", Audience: "push", Leeway: 5 * time.Second}, clock)
	hs := func(header, change m) string {
		c := m{"sub": "ann", "iss": "login", "aud": "push", "exp": now + 60}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return sign(t, jwt.SigningMethodHS256, secret, header, c)
	}
	good := hs(nil, nil)
	part := strings.Split(good, ".")
	public := publicPEM(t, rsaKey.Public())
	all := m{"sub": "ann", "iss": "login", "aud": "push", "exp": now + 60}
	for name, try := range map[string]struct {
		token string
		want  error
	}{
		"good":               {good, nil},
		"several audiences":  {hs(nil, m{"aud": []string{"x", "push"}}), nil},
		"expired in leeway":  {hs(nil, m{"exp": now - 4}), nil},
		"not yet in leeway":  {hs(nil, m{"nbf": now + 4}), nil},
		"expired":            {hs(nil, m{"exp": now - 6}), ErrExpired},
		"not yet valid":      {hs(nil, m{"nbf": now + 6}), ErrNotYetValid},
		"wrong audience":     {hs(nil, m{"aud": "other"}), ErrAudience},
		"no audience":        {hs(nil, m{"aud": nil}), ErrAudience},
		"wrong issuer":       {hs(nil, m{"iss": "other"}), ErrIssuer},
		"no issuer":          {hs(nil, m{"iss": nil}), ErrIssuer},
		"sub not a string":   {hs(nil, m{"sub": true}), ErrInvalid},
		"groups not a list":  {hs(nil, m{"groups": "news"}), ErrInvalid},
		"exp not a number":   {hs(nil, m{"exp": "tomorrow"}), ErrInvalid},
		"critical extension": {hs(m{"crit": []string{"x"}}, nil), ErrInvalid},
		"empty":              {"", ErrInvalid},
		"dots":               {"..", ErrInvalid},
		"one part":           {part[0], ErrInvalid},
		"four parts":         {good + ".x", ErrInvalid},
		"no signature":       {part[0] + "." + part[1] + ".", ErrInvalid},
		"other payload":      {part[0] + "." + part[1][:len(part[1])-2] + "." + part[2], ErrInvalid},
		"padding":            {good + "=", ErrInvalid},
		"alg none":           {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, all), ErrInvalid},
		"other secret":       {sign(t, jwt.SigningMethodHS256, []byte("other"), nil, all), ErrInvalid},
		"public key as HMAC": {sign(t, jwt.SigningMethodHS256, public, nil, all), ErrInvalid},
		"HS512":              {sign(t, jwt.SigningMethodHS512, secret, nil, all), ErrInvalid},
		"PS256":              {sign(t, jwt.SigningMethodPS256, rsaKey, nil, all), ErrInvalid},
		"alg says otherwise": {sign(t, jwt.SigningMethodHS256, secret, m{"alg": "RS256"}, all), ErrInvalid},
		"100 KB":             {hs(nil, m{"pad": strings.Repeat("x", 100<<10)}), ErrInvalid},
	} {
		if id, err := v.Verify(try.token); !errors.Is(err, try.want) || (err != nil && id.UID != "") {
			t.Errorf("%s: %+v, %v, want %v", name, id, err, try.want)
		}
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwkOf is a public key as a set's member.
func jwkOf(t testing.TB, id string, public any) m {
	t.Helper()
	switch p := public.(type) {
	case *rsa.PublicKey:
		return m{"kty": "RSA", "kid": id, "n": encode(p.N.Bytes()), "e": encode(big.NewInt(int64(p.E)).Bytes())}
	case *ecdsa.PublicKey:
		b, err := p.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return m{"kty": "EC", "crv": "P-256", "kid": id, "x": encode(b[1:33]), "y": encode(b[33:])}
	case ed25519.PublicKey:
		return m{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": encode(p)}
	}
	return m{"kty": "oct", "kid": id, "k": encode(public.([]byte))}
}

func set(t testing.TB, keys ...m) []byte {
	t.Helper()
	b, err := json.Marshal(m{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJWKS(t *testing.T) {
	encryption := jwkOf(t, "enc", rsaKey.Public())
	encryption["use"] = "enc"
	other := jwkOf(t, "ps", rsaKey.Public())
	other["alg"] = "PS256"
	keys, err := JWKS(set(t, jwkOf(t, "r", rsaKey.Public()), jwkOf(t, "e", ecKey.Public()), jwkOf(t, "d", edKey.Public()),
		jwkOf(t, "h", secret), encryption, other, m{"kty": "PQ", "kid": "later"}, m{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}))
	if err != nil || len(keys) != 4 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	v := New(Rules{Keys: keys}, clock)
	claims := m{"sub": "ann"}
	for kid, want := range map[string]error{"r": nil, "e": ErrInvalid, "later": ErrInvalid, "": nil} {
		header := m{}
		if kid != "" {
			header["kid"] = kid
		}
		if _, err := v.Verify(sign(t, jwt.SigningMethodRS256, rsaKey, header, claims)); !errors.Is(err, want) {
			t.Errorf("kid %q: %v, want %v", kid, err, want)
		}
	}
	for kid, s := range map[string]struct {
		method jwt.SigningMethod
		key    any
	}{"e": {jwt.SigningMethodES256, ecKey}, "d": {jwt.SigningMethodEdDSA, edKey}, "h": {jwt.SigningMethodHS256, secret}} {
		if _, err := v.Verify(sign(t, s.method, s.key, m{"kid": kid}, claims)); err != nil {
			t.Errorf("kid %q: %v", kid, err)
		}
	}
}

// A key that is not meant for us is skipped, whatever its members contain.
func TestJWKSSkips(t *testing.T) {
	ours := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	for _, skipped := range []string{
		`{"kty":"AKP","x":"AAA="}`,
		`{"kty":"AKP","use":7,"alg":{},"key_ops":"sign","crv":1,"n":2}`,
		`{"kty":"oct","alg":"A128KW","k":"AAAAAAAAAAAAAAAAAAAAAA"}`,
		`{"kty":"oct","use":"enc","k":7}`,
		`{"kty":"oct","key_ops":["encrypt"],"k":"?"}`,
		`{"kty":"RSA","alg":"RS512","n":"AQAB","e":"AQAB"}`,
		`{"kty":"RSA","use":"enc","n":"AQ==","e":"AQAB"}`,
		`{"kty":"EC","crv":"P-384","x":"AA==","y":[]}`,
		`{"kty":"EC","crv":"P-256","alg":"ECDH-ES","x":"AA"}`,
		`{"kty":"OKP","crv":"X25519","x":"A"}`,
		`{"KTY":"oct","k":"AA"}`,
	} {
		if keys, err := JWKS([]byte(`{"keys":[` + skipped + `,` + ours + `]}`)); err != nil || len(keys) != 1 || keys[0].alg != "EdDSA" {
			t.Errorf("%s: %d keys, %v", skipped, len(keys), err)
		}
		if keys, err := JWKS([]byte(`{"keys":[` + skipped + `]}`)); err == nil {
			t.Errorf("%s alone: %d keys", skipped, len(keys))
		}
	}
	for _, broken := range []string{
		`{"kty":7}`, `7`, `null`, `{"kty":"oct","use":7}`, `{"kty":"oct","key_ops":"verify"}`, `{"kty":"oct","alg":7}`,
		`{"kty":"oct","alg":"HS256","k":"AA"}`, `{"kty":"RSA","alg":"RS256","n":"AQAB","e":"AQAB"}`,
		`{"kty":"EC","crv":7}`, `{"kty":"OKP","crv":"Ed25519","x":"AA=="}`,
	} {
		if keys, err := JWKS([]byte(`{"keys":[` + broken + `,` + ours + `]}`)); err == nil {
			t.Errorf("%s: %d keys", broken, len(keys))
		}
	}
}

func TestKeysRefused(t *testing.T) {
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	offCurve := jwkOf(t, "", ecKey.Public())
	offCurve["y"] = offCurve["x"]
	for name, text := range map[string][]byte{
		"nothing":           nil,
		"not JSON":          []byte("{"),
		"no keys":           []byte(`{}`),
		"only encryption":   []byte(`{"keys":[{"kty":"RSA","use":"enc"}]}`),
		"not base64":        []byte(`{"keys":[{"kty":"oct","k":"?"}]}`),
		"empty secret":      []byte(`{"keys":[{"kty":"oct","k":""}]}`),
		"weak RSA":          set(t, jwkOf(t, "", &weak.PublicKey)),
		"off the curve":     set(t, offCurve),
		"short Ed25519":     []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`),
		"key not an object": []byte(`{"keys":[7]}`),
	} {
		if keys, err := JWKS(text); err == nil {
			t.Errorf("set with %s: %d keys", name, len(keys))
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing":       nil,
		"no PEM":        []byte("ssh-rsa AAAA"),
		"private key":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"half a key":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: private[:20]}),
		"weak RSA":      publicPEM(t, &weak.PublicKey),
		"another curve": publicPEM(t, &p384.PublicKey),
	} {
		if keys, err := PEM(text); err == nil {
			t.Errorf("PEM with %s: %d keys", name, len(keys))
		}
	}
	two := append(publicPEM(t, rsaKey.Public()), publicPEM(t, edKey.Public())...)
	if keys, err := PEM(two); err != nil || len(keys) != 2 {
		t.Errorf("two keys: %d, %v", len(keys), err)
	}
	if _, err := Secret(nil); err == nil {
		t.Error("an empty secret is accepted")
	}
	// A public key is never accepted as a secret: anyone who has it could sign
	// tokens.
	for setting, text := range map[string][]byte{
		"jwt-public-key": append([]byte("# of login\r\n"), publicPEM(t, rsaKey.Public())...),
		"jwt-jwks":       set(t, jwkOf(t, "r", rsaKey.Public())),
	} {
		if _, err := Secret(text); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("a secret that belongs to %s: %v", setting, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	v := New(Rules{Keys: allKeys(f), Audience: "push"}, clock)
	f.Add(sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, m{"sub": "ann", "aud": "push"}))
	f.Add(sign(f, jwt.SigningMethodES256, ecKey, nil, m{"sub": "ann"}))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := v.Verify(text); err == nil {
			t.Fatalf("%q is accepted: %+v", text, id)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	f.Add(set(f, jwkOf(f, "r", rsaKey.Public()), jwkOf(f, "e", ecKey.Public()), jwkOf(f, "d", edKey.Public()), jwkOf(f, "h", secret)))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := JWKS(text)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
	})
}

// The groups of a stranger's token are not decoded before its signature has been
// checked.
func TestGroupsAfterSignature(t *testing.T) {
	v := New(Rules{Keys: allKeys(t)}, clock)
	groups := make([]any, 4096)
	for i := range groups {
		groups[i] = strconv.Itoa(i)
	}
	good := sign(t, jwt.SigningMethodHS256, secret, nil, m{"sub": "ann", "groups": groups})
	id, err := v.Verify(good)
	if err != nil || len(id.Groups) != len(groups) || id.Groups[4095] != "4095" {
		t.Fatalf("%d groups, %v", len(id.Groups), err)
	}
	bad := sign(t, jwt.SigningMethodHS256, []byte("a secret of somebody else, 32 bytes"), nil, m{"sub": "ann", "groups": append(groups, true)})
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := v.Verify(bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%v, want that of the signature", err)
		}
	})
	if allocs > 200 {
		t.Errorf("%v allocations for a token with a wrong signature", allocs)
	}
}

func BenchmarkVerifyManyGroups(b *testing.B) {
	v := New(Rules{Keys: allKeys(b)}, clock)
	groups := make([]string, 4096)
	for i := range groups {
		groups[i] = strconv.Itoa(i)
	}
	text := sign(b, jwt.SigningMethodHS256, secret, nil, m{"sub": "ann", "groups": groups})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	v := New(Rules{Keys: allKeys(b)}, clock)
	for _, s := range []struct {
		method jwt.SigningMethod
		key    any
	}{{jwt.SigningMethodHS256, secret}, {jwt.SigningMethodRS256, rsaKey}, {jwt.SigningMethodES256, ecKey}, {jwt.SigningMethodEdDSA, edKey}} {
		text := sign(b, s.method, s.key, nil, m{"sub": "ann", "groups": []string{"news"}, "exp": epoch.Unix() + 60})
		b.Run(s.method.Alg(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
