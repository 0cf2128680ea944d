package control

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/wire"
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

var (
	bearer = []byte("bearer ")

	errNoKey    = &wire.Fault{Code: codeUnauthorized, Detail: "send a key: Authorization: Bearer <key>, or X-API-Key: <key>"}
	errWrongKey = &wire.Fault{Code: codeUnauthorized, Detail: "the key is none of this gateway's"}
	errBrowser  = &wire.Fault{Code: codeBrowser, Detail: "the request has an Origin header: pages in a browser may call the control API only where it has keys"}
)

// check lets a request with a key pass. Hashes are of one length, and all keys
// are compared however the first ones went.
//
// Without keys whoever reaches the port may use it, but for pages in a browser
// on this host, from anywhere in the web: those can send simple POST requests
// to any address. Their browser marks such a request by an Origin header.
func (k keyring) check(h *fasthttp.RequestHeader) error {
	if len(k) == 0 {
		if len(h.Peek(fasthttp.HeaderOrigin)) > 0 {
			return errBrowser
		}
		return nil
	}
	given := h.Peek("X-API-Key")
	if auth := h.Peek(fasthttp.HeaderAuthorization); len(auth) > len(bearer) && bytes.EqualFold(auth[:len(bearer)], bearer) {
		given = bytes.TrimSpace(auth[len(bearer):])
	}
	if len(given) == 0 {
		return errNoKey
	}
	sum := sha256.Sum256(given)
	match := 0
	for i := range k {
		match |= subtle.ConstantTimeCompare(sum[:], k[i][:])
	}
	if match == 0 {
		return errWrongKey
	}
	return nil
}
