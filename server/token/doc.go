// Package token verifies the JSON Web Tokens (RFC 7519) that clients may present in
// their handshake, and parses the keys for them. It has no sockets, files or
// goroutines. A Verifier is immutable and may be used from any goroutine.
//
// Signatures are checked by github.com/golang-jwt/jwt. This package adds two
// things. A key is good for exactly one algorithm, and the type of the key decides
// which, never the token (RFC 8725 section 3.1): "none" has no key, and a public
// key cannot be mistaken for a shared secret. And names in headers and claims match
// exactly, and appear once, where encoding/json ignores case and takes the last of
// two.
package token
