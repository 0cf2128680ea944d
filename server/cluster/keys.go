package cluster

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"castgate/server/cluster/internal/names"
	"castgate/server/internal/clientid"
)

// Keys are derived from one secret.
type Keys struct {
	seal     []byte
	ClientID clientid.Key // of the client ids of all nodes
	Route    string       // what embedded servers know each other by
	names    [names.KeyLen]byte
	namesTag uint64 // says which names is, and nothing about it
}

// MinSecretLen is the shortest secret in bytes.
const MinSecretLen = 16

// DeriveKeys derives the keys of a secret (HKDF, RFC 5869) for the cluster of a
// name: another name has other keys, so clusters that share a secret and a NATS by
// mistake do not understand each other.
func DeriveKeys(secret, name string) (Keys, error) {
	if len(secret) < MinSecretLen {
		return Keys{}, fmt.Errorf("the secret has %d bytes; at least %d are needed", len(secret), MinSecretLen)
	}
	prk, err := hkdf.Extract(sha256.New, []byte(secret), []byte("castgate cluster "+name))
	if err != nil {
		return Keys{}, err
	}
	var k Keys
	if k.seal, err = hkdf.Expand(sha256.New, prk, "seal of messages", sha256.Size); err != nil {
		return Keys{}, err
	}
	id, err := hkdf.Expand(sha256.New, prk, "client ids", len(k.ClientID))
	if err != nil {
		return Keys{}, err
	}
	copy(k.ClientID[:], id)
	route, err := hkdf.Expand(sha256.New, prk, "routes", sha256.Size)
	if err != nil {
		return Keys{}, err
	}
	k.Route = hex.EncodeToString(route)
	hash, err := hkdf.Expand(sha256.New, prk, "names", names.KeyLen+8)
	if err != nil {
		return Keys{}, err
	}
	copy(k.names[:], hash)
	k.namesTag = binary.BigEndian.Uint64(hash[names.KeyLen:])
	return k, nil
}
