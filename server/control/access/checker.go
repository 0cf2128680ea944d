package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"strconv"

	"castgate/server/control/internal/wire"
)

// The codes of requests without access.
const (
	CodeUnauthorized = "unauthorized"
	CodeBrowser      = "browser"
)

var (
	bearer = []byte("bearer ")

	errNoKey = &wire.Fault{Code: CodeUnauthorized, Detail: "send a key: Authorization: Bearer <key>, or X-API-Key: <key>"}

	// ErrWrongKey is the error of a request with a key that is none.
	ErrWrongKey  = &wire.Fault{Code: CodeUnauthorized, Detail: "unknown key"}
	errBrowser   = &wire.Fault{Code: CodeBrowser, Detail: "the request has an Origin header: browser pages may call the control API only if it has keys and control-cors-origins contains their origin"}
	errRebinding = &wire.Fault{Code: CodeBrowser, Detail: "the Host header is neither an IP address nor localhost; a control API without keys accepts no other name"}
)

// anybody is the caller's key on a port without keys.
var anybody = &Key{Name: "-", Scopes: AllScopes}

// Header is the header of a request.
type Header interface {
	// Peek returns a field, nil if there is none. It is not kept.
	Peek(name string) []byte
	Host() []byte
}

// Checker is an Access prepared for requests. It is immutable: its methods may be
// called from any goroutine.
type Checker struct {
	keys  []Key
	allow []netip.Prefix
	// origins are in the form that browsers send.
	origins []string
}

// NewChecker prepares a, which must be valid.
func NewChecker(a Access) *Checker {
	out := &Checker{allow: a.Allow, origins: exactOrigins(a.Origins)}
	for i, secret := range a.Keys {
		out.keys = append(out.keys, Key{Name: unnamedPrefix + strconv.Itoa(i+1), Scopes: AllScopes, Hash: sha256.Sum256([]byte(secret))})
	}
	out.keys = append(out.keys, a.ScopedKeys...)
	first := make(map[string]int, len(out.keys)) // by name
	for i := range out.keys {
		if j, again := first[out.keys[i].Name]; again {
			out.keys[i].twin, out.keys[j].twin = true, true
			continue
		}
		first[out.keys[i].Name] = i
	}
	return out
}

// Allows reports whether connections from an address are accepted; an invalid
// address is that of a unix socket.
func (c *Checker) Allows(addr netip.Addr) bool {
	if len(c.allow) == 0 || !addr.IsValid() {
		return true
	}
	for _, p := range c.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Keys is the number of keys; without any, anyone who reaches the port may use it.
func (c *Checker) Keys() int { return len(c.keys) }

// Check returns the key of a request. All hashes have the same length, and
// every key is compared even after a match, so timing reveals nothing.
//
// Without keys, anyone who reaches the port may use it, except pages in a
// browser on this host, which may come from anywhere on the web. Such pages can
// send simple POST requests to any address; their browser adds an Origin
// header. They can also make their own name resolve to 127.0.0.1 (DNS
// rebinding) and read the answer to a GET, which has no Origin header; the
// browser then sends that name as Host. local says that such a page could reach
// the port.
func (c *Checker) Check(h Header, local bool) (*Key, error) {
	if len(c.keys) == 0 {
		if len(h.Peek("Origin")) > 0 {
			return nil, errBrowser
		}
		if local && !localHost(h.Host()) {
			return nil, errRebinding
		}
		return anybody, nil
	}
	given := h.Peek("X-API-Key")
	if auth := h.Peek("Authorization"); len(auth) > len(bearer) && bytes.EqualFold(auth[:len(bearer)], bearer) {
		given = bytes.TrimSpace(auth[len(bearer):])
	}
	if len(given) == 0 {
		return nil, errNoKey
	}
	sum := sha256.Sum256(given)
	match := -1
	for i := range c.keys {
		match = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], c.keys[i].Hash[:]), i, match)
	}
	if match < 0 {
		return nil, ErrWrongKey
	}
	return &c.keys[match], nil
}

// Holder returns the key whose secret has a hash, nil if there is none any more.
func (c *Checker) Holder(hash [sha256.Size]byte) *Key {
	for i := range c.keys {
		if subtle.ConstantTimeCompare(hash[:], c.keys[i].Hash[:]) == 1 {
			return &c.keys[i]
		}
	}
	return nil
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
