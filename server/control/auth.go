package control

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/valyala/fasthttp"
)

// keyring holds the hashes of the keys that open the control API.
type keyring [][sha256.Size]byte

func newKeyring(keys []string) keyring {
	var k keyring
	for _, key := range keys {
		k = append(k, sha256.Sum256([]byte(key)))
	}
	return k
}

var bearer = []byte("bearer ")

// check compares the request's key with every key in constant time: hashes
// are of one length, and no comparison ends early.
func (k keyring) check(h *fasthttp.RequestHeader) *problem {
	if len(k) == 0 {
		return nil
	}
	given := h.Peek("X-API-Key")
	if auth := h.Peek(fasthttp.HeaderAuthorization); len(given) == 0 && len(auth) > len(bearer) && bytes.EqualFold(auth[:len(bearer)], bearer) {
		given = auth[len(bearer):]
	}
	if len(given) == 0 {
		return problemNoKey
	}
	sum := sha256.Sum256(given)
	match := 0
	for i := range k {
		match |= subtle.ConstantTimeCompare(sum[:], k[i][:])
	}
	if match == 0 {
		return problemWrongKey
	}
	return nil
}
