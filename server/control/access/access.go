package access

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"

	"castgate/server/setting"
)

// Access says who may use a control port. It can be replaced while the
// port serves.
type Access struct {
	// Keys have every right. Each is printable ASCII without spaces. If both
	// this and ScopedKeys are empty, the API is open to anyone who can reach
	// it; the port then listens only on loopback addresses and unix sockets.
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

// Validate reports the first wrong setting by its name on the command line.
func (a *Access) Validate() error {
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

// Keyed reports whether the port requires a key.
func (a *Access) Keyed() bool { return len(a.Keys)+len(a.ScopedKeys) > 0 }
