// Package tokentest makes the keys and tokens of tests.
package tokentest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"castgate/server/token"
)

// Secret is what Keys and Sign use.
var Secret = []byte("a secret of more than thirty-two bytes")

// Keys are the keys of a gateway that accepts what Sign signs.
func Keys(t testing.TB) []token.Key {
	t.Helper()
	k, err := token.Secret(Secret)
	if err != nil {
		t.Fatal(err)
	}
	return []token.Key{k}
}

// Sign makes a token with these claims, signed by HS256 (RFC 7515, appendix A.1).
func Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	mac := hmac.New(sha256.New, Secret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
