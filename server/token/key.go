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
	// MaxKeys is how many keys one Verifier takes. A token that does not name
	// its key is tried with each of its kind.
	MaxKeys = 16
	// minSecret is the length in bytes that a shared secret must have at least
	// (RFC 7518 section 3.2); shorter ones can be found by trying.
	minSecret = 32

	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // above, one check takes milliseconds
)

// Key verifies signatures of one algorithm.
type Key struct {
	id  string // kid; "" if it has none
	alg string // HS256, RS256, ES256 or EdDSA
	key any    // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// ByteOrderMark tells what the byte order mark that the text of a file begins
// with says that it is, UTF-8 for one; "" if there is none. Such a mark would
// become part of a secret.
func ByteOrderMark(text []byte) string { return pemfile.ByteOrderMark(text) }

// Algorithm is the one that the key is for: HS256, RS256, ES256 or EdDSA.
func (k Key) Algorithm() string { return k.alg }

// ID is the name by which tokens call for the key (kid); "" if it has none.
func (k Key) ID() string { return k.id }

// notSecret are marks of keys in files that look like secrets but are public,
// or not used as they stand. Who has one could sign tokens with it.
var notSecret = []struct{ mark, is string }{
	{"-----BEGIN", "a key in PEM form, which anyone may have; it is for --jwt-public-key"},
	{`"kty"`, "a JSON Web Key, which anyone may have; it is for --jwt-jwks"},
}

// Secret is a key for HS256. It must have 32 bytes or more.
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
		return Key{}, fmt.Errorf("the secret has %d bytes; HS256 needs %d or more, or it can be found by trying (RFC 7518)", n, minSecret)
	}
	return Key{alg: "HS256", key: secret}, nil
}

// PEM reads public keys (PKIX or PKCS #1) or certificates, of which only the
// key counts, one after the other. Any other block is an error, a private key
// above all, and so is one that is cut or damaged; text between them is not.
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

// publicOf parses the public key in a block.
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
			return Key{}, fmt.Errorf("an RSA key of %d bits, not of %d to %d", bits, minRSABits, maxRSABits)
		}
		if p.E < 3 || p.E&1 == 0 {
			return Key{}, errors.New("an RSA key whose exponent is no odd number above 1")
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
	return Key{}, fmt.Errorf("a key of type %T; RSA, P-256 and Ed25519 are known", public)
}
