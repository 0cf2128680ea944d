package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Key opens the control API for its scopes. Only the hash of its secret is
// stored: reading a file of keys does not allow using them.
//
// The hash is plain SHA-256. Slow hashes such as bcrypt protect secrets that
// can be guessed; NewKey's secrets have 256 random bits, which cannot be
// guessed at any speed, and a hash that takes 100 ms per request would make the
// gateway easy to overload.
type Key struct {
	// Name identifies the key in logs: 1 to 64 letters, digits and . _ @ -
	Name   string
	Scopes Scope
	Hash   [sha256.Size]byte // of the secret
	// Created is the time of creation, in UTC and whole seconds; zero if the
	// file does not say.
	Created time.Time
	// twin says that another key has the same name: the audit log then includes
	// the fingerprint.
	twin bool
}

// Fingerprint is the beginning of the hash, which tells keys apart.
func (k Key) Fingerprint() string { return hex.EncodeToString(k.Hash[:6]) }

// Attrs tell keys of the same name apart in an audit record. k may be nil.
func (k *Key) Attrs() []slog.Attr {
	if k == nil || !k.twin {
		return nil
	}
	return []slog.Attr{slog.String("fingerprint", k.Fingerprint())}
}

// Limits of keys.
const (
	// MaxKeys is the largest number of keys of a control port.
	MaxKeys = 256
	// KeysPerName is the largest number of keys with the same name: the old and
	// the new one during a rotation.
	KeysPerName = 2
	keyNameLen  = 64
	keyBytes    = 32 // of a new secret
	hashPrefix  = "sha256:"
	keyPrefix   = "castgate_" // lets secret scanners find a leaked key
)

// NewKey creates a key with a new secret of 256 random bits.
func NewKey(name string, scopes Scope) (key Key, secret string, err error) {
	if err := checkKeyName(name); err != nil {
		return Key{}, "", err
	}
	var random [keyBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	secret = keyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	return Key{Name: name, Scopes: scopes, Hash: sha256.Sum256([]byte(secret)), Created: time.Now().UTC().Truncate(time.Second)}, secret, nil
}

// createdLayout is RFC 3339 in UTC.
const createdLayout = "2006-01-02T15:04:05Z"

// Line is the key's line in a file of keys, without a line end: scopes, name,
// hash and, if known, its creation time.
func (k Key) Line() string {
	line := k.Scopes.String() + " " + k.Name + " " + hashPrefix + hex.EncodeToString(k.Hash[:])
	if !k.Created.IsZero() {
		line += " " + k.Created.Format(createdLayout)
	}
	return line
}

// ParseKeys reads a file of keys: one per line as written by Line, fields
// separated by blanks. Empty lines and lines that begin with # are ignored. The
// error begins with the line number and repeats nothing that may be secret.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseKey(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		same := 1
		for i := range keys {
			if keys[i].Hash == key.Hash {
				return nil, fmt.Errorf("line %d: an earlier line has the same hash", number)
			}
			if keys[i].Name == key.Name {
				same++
			}
		}
		if same > KeysPerName {
			return nil, fmt.Errorf("line %d: the name %s already has %d keys; revoke one first", number, key.Name, KeysPerName)
		}
		if keys = append(keys, key); len(keys) > MaxKeys {
			return nil, fmt.Errorf("line %d: more than %d keys", number, MaxKeys)
		}
	}
	return keys, nil
}

func parseKey(line string) (Key, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 && len(fields) != 4 {
		return Key{}, fmt.Errorf("%d fields; expected scopes, name, sha256:… and optionally a time, as castgate key new prints them", len(fields))
	}
	scopes, err := ParseScopes(fields[0])
	if err != nil {
		return Key{}, fmt.Errorf("the first field is not a list of the scopes read, push, manage")
	}
	key := Key{Name: fields[1], Scopes: scopes}
	if checkKeyName(key.Name) != nil {
		return Key{}, fmt.Errorf("the second field is not a valid key name: %s", aKeyName)
	}
	digits, ok := strings.CutPrefix(fields[2], hashPrefix)
	if n, err := hex.Decode(key.Hash[:], []byte(cut(digits, 2*len(key.Hash)))); !ok || err != nil || n != len(key.Hash) || len(digits) != 2*n {
		return Key{}, fmt.Errorf("the third field is not %s and %d hexadecimal digits", hashPrefix, 2*len(key.Hash))
	}
	if len(fields) == 4 {
		at, err := time.Parse(createdLayout, fields[3])
		if err != nil {
			return Key{}, fmt.Errorf("the fourth field is not a time such as 2026-01-31T12:00:00Z")
		}
		key.Created = at.Truncate(time.Second)
	}
	return key, nil
}

func cut(s string, most int) string { return s[:min(len(s), most)] }

func checkKeyName(name string) error {
	if slices.Contains(reservedNames, name) || strings.HasPrefix(name, unnamedPrefix) || name == "" || len(name) > keyNameLen || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._@-", r)
	}) {
		return fmt.Errorf("%.80q is not a valid key name: %s", name, aKeyName)
	}
	return nil
}

// unnamedPrefix begins the names of keys that have no name of their own, see
// --control-key.
const unnamedPrefix = "control-key-"

// reservedNames appear in the audit log instead of a key's name: no key, a
// signal, and the secret of PHP code.
var reservedNames = []string{"-", "SIGHUP", "gatewayworker"}

var aKeyName = fmt.Sprintf("1 to %d letters, digits and . _ @ -, but not %s nor %s…, which mean something else in the audit log",
	keyNameLen, strings.Join(reservedNames, ", "), unnamedPrefix)
