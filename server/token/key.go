package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"castgate/server/internal/pemfile"
)

// Limits of keys.
const (
	// MaxKeys is how many keys one Verifier takes. A token without a key id is
	// tried with each key of its algorithm.
	MaxKeys = 16
	// minSecret is the minimum length of a shared secret in bytes (RFC 7518 section
	// 3.2). Shorter secrets can be found by brute force.
	minSecret = 32

	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // with a larger key, one check takes milliseconds
)

// Key verifies signatures of one algorithm.
type Key struct {
	id  string // kid; "" if it has none
	alg string // HS256, RS256, ES256 or EdDSA
	key any    // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// ByteOrderMark names the encoding of the byte order mark that a file's text begins
// with, such as UTF-8, or returns "" if there is none. Without this check the mark
// would become part of a secret.
func ByteOrderMark(text []byte) string { return pemfile.ByteOrderMark(text) }

// Algorithm returns the algorithm of the key: HS256, RS256, ES256 or EdDSA.
func (k Key) Algorithm() string { return k.alg }

// ID returns the key id (kid) that tokens refer to; "" if the key has none.
func (k Key) ID() string { return k.id }

// notSecret are beginnings of key files that look like secrets but are public, or
// are not used as they stand. Anyone who has such a file could sign tokens with it.
var notSecret = []struct{ mark, is string }{
	{"-----BEGIN", "a key in PEM form, which may be public; use --jwt-public-key"},
	{`"kty"`, "a JSON Web Key, which may be public; use --jwt-jwks"},
}

// Secret returns a key for HS256. The secret must have at least 32 bytes.
func Secret(secret []byte) (Key, error) {
	for _, not := range notSecret {
		if bytes.Contains(secret, []byte(not.mark)) {
			return Key{}, errors.New("the secret is " + not.is)
		}
	}
	if len(secret) == 0 {
		return Key{}, errors.New("the secret is empty")
	}
	if n := len(secret); n < minSecret {
		return Key{}, fmt.Errorf("the secret has %d bytes; HS256 needs at least %d, since shorter secrets can be found by brute force (RFC 7518)", n, minSecret)
	}
	return Key{alg: "HS256", key: secret}, nil
}

// PEM parses a sequence of public keys (PKIX or PKCS #1) and certificates, of which
// it uses only the key. Any other block is an error, above all a private key, and
// so is a block that is truncated or damaged. Text between the blocks is ignored.
func PEM(text []byte) ([]Key, error) {
	blocks, err := pemfile.Blocks(text)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for i, b := range blocks {
		public, err := publicOf(b)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		k, err := publicKey(public)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("no public key in PEM form")
	}
	return keys, nil
}

// publicOf parses the public key in a PEM block.
func publicOf(b *pem.Block) (any, error) {
	switch b.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(b.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(b.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("it is %q, not a public key", b.Type)
}

// publicKey pins a public key to the algorithm of its type.
func publicKey(public any) (Key, error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return Key{}, fmt.Errorf("an RSA key of %d bits; it must have %d to %d", bits, minRSABits, maxRSABits)
		}
		if p.E < 3 || p.E&1 == 0 {
			return Key{}, errors.New("an RSA key whose exponent is not an odd number above 1")
		}
		return Key{alg: "RS256", key: p}, nil
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("a key on the curve %s; ES256 needs P-256", p.Curve.Params().Name)
		}
		return Key{alg: "ES256", key: p}, nil
	case ed25519.PublicKey:
		return Key{alg: "EdDSA", key: p}, nil
	}
	return Key{}, fmt.Errorf("a key of type %T; only RSA, P-256 and Ed25519 are supported", public)
}
