// Package token checks the JSON Web Tokens (RFC 7519) that clients may bring
// to their handshake, and reads the keys for it. It has no sockets, files or
// goroutines; a Verifier is immutable and may be used from any goroutine.
//
// Signatures are github.com/golang-jwt/jwt's work. What this package adds is
// that a key is good for one algorithm only, which its type decides, never the
// token (RFC 8725 section 3.1): "none" has no key, and a public key cannot be
// taken for a shared secret. And header and claims are read letter by letter:
// encoding/json knows names in any case and takes the last of two.
package token
