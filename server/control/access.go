package control

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"castgate/server/setting"
)

// Access says who may use a control port. SetAccess replaces it while the port
// serves.
type Access struct {
	// Keys have every right. Each is printable ASCII without spaces. If both
	// this and ScopedKeys are empty, the API is open to anyone who can reach
	// it; Validate then accepts only loopback addresses and unix sockets.
	Keys []string
	// ScopedKeys have only the rights of their scopes.
	ScopedKeys []Key
	// Allow lists the networks from which connections are accepted; others are
	// closed at accept. Empty allows any address. It does not apply to unix
	// sockets.
	Allow []netip.Prefix
	// Origins lists the origins whose pages may call the API from a browser
	// (CORS), each exact, as in https://admin.example.com. Empty allows none.
	// Origins require keys.
	Origins []string
}

// MaxAllow is the largest number of networks in Access.Allow.
const MaxAllow = 256

// validate reports the first wrong setting by its name on the command line.
func (a *Access) validate() error {
	if n := len(a.Keys); n > MaxKeys {
		return setting.Errorf("control-key", "%d keys are more than %d", n, MaxKeys)
	}
	for i, key := range a.Keys {
		if key == "" {
			return setting.Errorf("control-key", "key %d is empty", i+1)
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return setting.Errorf("control-key", "key %d contains a space or a character that is not printable ASCII", i+1)
		}
	}
	for i, key := range a.Keys {
		if first := slices.Index(a.Keys, key); first != i {
			return setting.Errorf("control-key", "keys %d and %d are the same", first+1, i+1)
		}
	}
	if n := len(a.ScopedKeys); n > MaxKeys {
		return setting.Errorf("control-keys-file", "%d keys are more than %d", n, MaxKeys)
	}
	for i := range a.ScopedKeys {
		k := &a.ScopedKeys[i]
		if k.Scopes == 0 || k.Scopes&^AllScopes != 0 || checkKeyName(k.Name) != nil {
			return setting.Errorf("control-keys-file", "key %d has no scope or no name", i+1)
		}
		for _, full := range a.Keys {
			if sha256.Sum256([]byte(full)) == k.Hash {
				return setting.Errorf("control-keys-file", "the key %s is also in control-key, where it has all rights", k.Name)
			}
		}
	}
	if err := a.validateOrigins(); err != nil {
		return err
	}
	if n := len(a.Allow); n > MaxAllow {
		return setting.Errorf("control-allow", "%d networks are more than %d", n, MaxAllow)
	}
	for _, p := range a.Allow {
		if !p.IsValid() {
			return setting.Errorf("control-allow", "a network is invalid")
		}
	}
	return nil
}

// keyed reports whether the port requires a key.
func (a *Access) keyed() bool { return len(a.Keys)+len(a.ScopedKeys) > 0 }

// access is an Access prepared for requests. It is immutable.
type access struct {
	keys  []Key
	allow []netip.Prefix
	// origins are in the form that browsers send.
	origins []string
}

func newAccess(a Access) *access {
	out := &access{allow: a.Allow, origins: exactOrigins(a.Origins)}
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

// allows reports whether connections from an address are accepted; an invalid
// address is that of a unix socket.
func (a *access) allows(addr netip.Addr) bool {
	if len(a.allow) == 0 || !addr.IsValid() {
		return true
	}
	for _, p := range a.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// SetAccess changes who may use the port for every request from now on,
// including those on open connections. On an error, which names the setting,
// nothing changes. It may be called from any goroutine.
func (s *Server) SetAccess(a Access) error {
	c := s.config
	c.Access = a
	if err := c.Validate(); err != nil {
		return err
	}
	if s.exposed && !a.keyed() {
		return c.errExposed()
	}
	s.access.Store(newAccess(a))
	return nil
}
