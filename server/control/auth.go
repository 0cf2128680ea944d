package control

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/wire"
)

var (
	bearer = []byte("bearer ")

	errNoKey     = &wire.Fault{Code: codeUnauthorized, Detail: "send a key: Authorization: Bearer <key>, or X-API-Key: <key>"}
	errWrongKey  = &wire.Fault{Code: codeUnauthorized, Detail: "unknown key"}
	errBrowser   = &wire.Fault{Code: codeBrowser, Detail: "the request has an Origin header: browser pages may call the control API only if it has keys and control-cors-origins contains their origin"}
	errRebinding = &wire.Fault{Code: codeBrowser, Detail: "the Host header is neither an IP address nor localhost; a control API without keys accepts no other name"}
	errNetwork   = &wire.Fault{Code: codeForbidden, Detail: "requests from this address are no longer accepted (control-allow)"}
	errMadeRoom  = &wire.Fault{Code: codeTooManyConns, Detail: "the connection was closed to make room for another before the request was executed"}
	errCrowded   = &wire.Fault{Code: codeTooManyConns, Detail: "all control connections are busy, or this caller already has its share of them (control-max-conns)"}
)

// anybody is the caller's key on a port without keys.
var anybody = &Key{Name: "-", Scopes: AllScopes}

// check returns the key of a request. All hashes have the same length, and
// every key is compared even after a match, so timing reveals nothing.
//
// Without keys, anyone who reaches the port may use it, except pages in a
// browser on this host, which may come from anywhere on the web. Such pages can
// send simple POST requests to any address; their browser adds an Origin
// header. They can also make their own name resolve to 127.0.0.1 (DNS
// rebinding) and read the answer to a GET, which has no Origin header; the
// browser then sends that name as Host. local says that such a page could reach
// the port.
func (a *access) check(h *fasthttp.RequestHeader, local bool) (*Key, error) {
	if len(a.keys) == 0 {
		if len(h.Peek(fasthttp.HeaderOrigin)) > 0 {
			return nil, errBrowser
		}
		if local && !localHost(h.Host()) {
			return nil, errRebinding
		}
		return anybody, nil
	}
	given := h.Peek("X-API-Key")
	if auth := h.Peek(fasthttp.HeaderAuthorization); len(auth) > len(bearer) && bytes.EqualFold(auth[:len(bearer)], bearer) {
		given = bytes.TrimSpace(auth[len(bearer):])
	}
	if len(given) == 0 {
		return nil, errNoKey
	}
	sum := sha256.Sum256(given)
	match := -1
	for i := range a.keys {
		match = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], a.keys[i].Hash[:]), i, match)
	}
	if match < 0 {
		return nil, errWrongKey
	}
	return &a.keys[match], nil
}

// localHost reports whether no name server could have led a browser here with a
// Host header: it is an address, localhost or a name below it, another name
// without a dot, which public DNS does not have, or empty (HTTP/1.0).
func localHost(host []byte) bool {
	numeric := true
	for _, b := range host {
		numeric = numeric && (b >= '0' && b <= '9' || b == '.' || b == ':')
	}
	if numeric || bytes.IndexByte(host, '.') < 0 && bytes.IndexByte(host, '[') < 0 {
		return true // not a public name; the usual ones are recognized without allocating
	}
	name := string(host)
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && !bytes.HasSuffix(host, []byte{']'}) {
		name = name[:i]
	}
	if n := len(name); n > 2 && name[0] == '[' && name[n-1] == ']' {
		name = name[1 : n-1]
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	const below = ".localhost"
	return len(name) >= len(below) && bytes.EqualFold([]byte(name[len(name)-len(below):]), []byte(below))
}

// allowed refuses what the caller's key has no right to do.
func (c *call) allowed(scope Scope, what string) error {
	if c.caller.Scopes&scope == scope {
		return nil
	}
	return wire.Faultf(codeForbidden, "the key %s has the scope %s; %s needs %s", c.caller.Name, c.caller.Scopes, what, scope)
}
