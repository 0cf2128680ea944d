package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// jwk is one key of a set (RFC 7517 section 4, RFC 7518 section 6, RFC 8037
// section 2).
type jwk struct {
	Kty string   `json:"kty"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Alg string   `json:"alg"`
	Ops []string `json:"key_ops"`
	Crv string   `json:"crv"`
	N   b64      `json:"n"`
	E   b64      `json:"e"`
	X   b64      `json:"x"`
	Y   b64      `json:"y"`
	K   b64      `json:"k"`
}

// b64 is base64url without padding.
type b64 []byte

// UnmarshalText decodes base64url.
func (b *b64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	return err
}

// JWKS reads a JSON Web Key Set. Keys for encryption, of kinds or for
// algorithms that are not known here are skipped, as RFC 7517 section 5 asks
// for; one that is broken, and a set with no key left, are errors.
func JWKS(text []byte) ([]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	var keys []Key
	for i, raw := range set.Keys {
		var j jwk
		if err := json.Unmarshal(raw, &j); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if !j.signs() {
			continue
		}
		k, known, err := j.key()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if known && (j.Alg == "" || j.Alg == k.alg || j.Alg == "Ed25519" && k.alg == "EdDSA") {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JSON Web Key Set has no key for HS256, RS256, ES256 or EdDSA")
	}
	return keys, nil
}

// signs reports whether the key is for signatures.
func (j *jwk) signs() bool {
	if j.Use != "" && j.Use != "sig" {
		return false
	}
	for _, op := range j.Ops {
		if op == "verify" {
			return true
		}
	}
	return len(j.Ops) == 0
}

// key is the key of a kind that is known.
func (j *jwk) key() (k Key, known bool, err error) {
	switch {
	case j.Kty == "oct":
		k, err = Secret(j.K)
		k.id = j.Kid
		return k, true, err
	case j.Kty == "RSA":
		e := new(big.Int).SetBytes(j.E)
		if len(j.N) == 0 || !e.IsInt64() || e.Int64() > 1<<31-1 {
			return k, true, errors.New("no RSA key")
		}
		k, err = publicKey(j.Kid, &rsa.PublicKey{N: new(big.Int).SetBytes(j.N), E: int(e.Int64())})
		return k, true, err
	case j.Kty == "EC" && j.Crv == "P-256":
		if len(j.X) != 32 || len(j.Y) != 32 {
			return k, true, errors.New("coordinates of P-256 have 32 bytes")
		}
		point := append(append([]byte{4}, j.X...), j.Y...)
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return k, true, err
		}
		k, err = publicKey(j.Kid, p)
		return k, true, err
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		if len(j.X) != ed25519.PublicKeySize {
			return k, true, errors.New("an Ed25519 key has 32 bytes")
		}
		k, err = publicKey(j.Kid, ed25519.PublicKey(j.X))
		return k, true, err
	}
	return k, false, nil
}
