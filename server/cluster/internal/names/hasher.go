package names

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
)

// KeyLen is the length of a Hasher's key in bytes.
const KeyLen = 16

// Kind tells uids from groups of the same name.
type Kind byte

// The kinds of names.
const (
	UID Kind = iota + 1
	Group
)

// Hasher hashes names under a key, so that nobody without it can make names that have
// the same hash: CBC-MAC with AES, which is good for that if the length comes first
// (Bellare, Kilian and Rogaway, 1994). Any goroutine.
type Hasher struct {
	block  cipher.Block
	states sync.Pool
}

// NewHasher returns a hasher. The key has KeyLen bytes.
func NewHasher(key [KeyLen]byte) *Hasher {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the length is right
	}
	return &Hasher{block: block, states: sync.Pool{New: func() any { return new([aes.BlockSize]byte) }}}
}

// Hash is the hash of a name: 48 bits, never 0.
func (h *Hasher) Hash(kind Kind, name string) uint64 {
	state := h.states.Get().(*[aes.BlockSize]byte)
	defer h.states.Put(state)
	*state = [aes.BlockSize]byte{byte(kind)}
	binary.BigEndian.PutUint64(state[8:], uint64(len(name)))
	h.block.Encrypt(state[:], state[:])
	for len(name) > 0 {
		n := min(len(name), aes.BlockSize)
		for i := range n {
			state[i] ^= name[i]
		}
		h.block.Encrypt(state[:], state[:])
		name = name[n:]
	}
	return max(binary.BigEndian.Uint64(state[:])>>16, 1)
}
