package token

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"castgate/server/internal/object"
)

// jwk is one key of a set (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section
// 2): the members that this package understands, still encoded. They are decoded
// only as far as needed, so a key of another kind may hold anything.
type jwk map[string][]byte

// jwkNames are the members that this package understands.
var jwkNames = []string{"kty", "kid", "use", "alg", "key_ops", "crv", "n", "e", "x", "y", "k"}

func readJWK(text []byte) (jwk, error) {
	j := jwk{}
	return j, object.Known(text, jwkNames, func(name string, raw []byte) error {
		j[name] = raw
		return nil
	})
}

// member decodes one member. A missing member leaves to unchanged.
func (j jwk) member(name string, to any) error {
	raw, given := j[name]
	if !given {
		return nil
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// algorithms maps the supported kinds of keys to their algorithm.
var algorithms = map[string]string{"oct": "HS256", "RSA": "RS256", "EC P-256": "ES256", "OKP Ed25519": "EdDSA"}

// algorithm returns the algorithm of tokens that are signed with the key. It
// returns "" if the key is not meant for us: its kind, its use or its algorithm is
// not supported.
func (j jwk) algorithm() (alg string, err error) {
	var kind, curve, use, said string
	var ops []string
	if err := j.member("kty", &kind); err != nil {
		return "", err
	}
	if kind == "EC" || kind == "OKP" {
		if err := j.member("crv", &curve); err != nil {
			return "", err
		}
		kind += " " + curve
	}
	alg, known := algorithms[kind]
	if !known {
		return "", nil
	}
	if err := j.member("use", &use); err != nil || use != "" && use != "sig" {
		return "", err
	}
	if err := j.member("alg", &said); err != nil || said != "" && said != alg && (said != "Ed25519" || alg != "EdDSA") {
		return "", err
	}
	if err := j.member("key_ops", &ops); err != nil || len(ops) > 0 && !slices.Contains(ops, "verify") {
		return "", err
	}
	return alg, nil
}

// b64 is decoded base64url without padding.
type b64 []byte

// UnmarshalText decodes base64url.
func (b *b64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	return err
}

// JWKS parses a JSON Web Key Set. As RFC 7517 section 5 asks, it skips keys for
// encryption and those of unsupported kinds or algorithms, whatever they contain.
// It returns an error if a key that is meant for us is malformed, or if no key is
// left.
func JWKS(text []byte) ([]Key, error) {
	keys, broken, err := readSet(text)
	if err == nil && len(broken) > 0 {
		err = broken[0]
	}
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// KeySet is JWKS for a published set. It leaves malformed keys out and counts them,
// since nobody here can repair them.
func KeySet(text []byte) (keys []Key, leftOut int, err error) {
	keys, broken, err := readSet(text)
	if err != nil {
		return nil, 0, err
	}
	return keys, len(broken), nil
}

var errNoKey = errors.New("the JSON Web Key Set has no key for HS256, RS256, ES256 or EdDSA")

// readSet parses a set. broken holds the errors of malformed keys that are meant
// for us.
func readSet(text []byte) (keys []Key, broken []error, err error) {
	if mark := ByteOrderMark(text); mark != "" {
		return nil, nil, fmt.Errorf("it begins with a byte order mark (%s)", mark)
	}
	var set []json.RawMessage
	err = object.Known(text, []string{"keys"}, func(_ string, raw []byte) error { return exactly(raw, &set) })
	if err != nil {
		return nil, nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	for i, raw := range set {
		k, known, err := readKey(raw)
		switch {
		case err != nil:
			broken = append(broken, fmt.Errorf("key %d: %w", i+1, err))
		case known:
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		if len(broken) > 0 {
			return nil, nil, broken[0]
		}
		return nil, nil, errNoKey
	}
	return keys, broken, nil
}

// readKey parses a key. known is false if the key is not meant for us.
func readKey(raw []byte) (k Key, known bool, err error) {
	j, err := readJWK(raw)
	if err != nil {
		return k, false, err
	}
	alg, err := j.algorithm()
	if err != nil || alg == "" {
		return k, false, err
	}
	var id string
	if err := j.member("kid", &id); err != nil {
		return k, false, err
	}
	k, err = j.key(alg)
	k.id = id
	return k, true, err
}

// key builds the key for an algorithm from the members of its kind.
func (j jwk) key(alg string) (k Key, err error) {
	switch alg {
	case "HS256":
		var secret b64
		if err := j.member("k", &secret); err != nil {
			return k, err
		}
		return Secret(secret)
	case "RS256":
		var n, e b64
		if err := cmp.Or(j.member("n", &n), j.member("e", &e)); err != nil {
			return k, err
		}
		exponent := new(big.Int).SetBytes(e)
		if len(n) == 0 || !exponent.IsInt64() || exponent.Int64() > 1<<31-1 {
			return k, errors.New("not an RSA key")
		}
		return publicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())})
	case "ES256":
		var x, y b64
		if err := cmp.Or(j.member("x", &x), j.member("y", &y)); err != nil {
			return k, err
		}
		if len(x) != 32 || len(y) != 32 {
			return k, errors.New("P-256 coordinates must have 32 bytes")
		}
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return k, err
		}
		return publicKey(p)
	}
	var x b64
	if err := j.member("x", &x); err != nil {
		return k, err
	}
	if len(x) != ed25519.PublicKeySize {
		return k, errors.New("an Ed25519 key must have 32 bytes")
	}
	return publicKey(ed25519.PublicKey(x))
}
