package clientid

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"

	"castgate/server/internal/table"
)

// Len is the maximum length of a client id in characters; ids that name a peer have
// PeerLen.
const Len = 2 * aes.BlockSize

// IDs converts handles to client ids and back. An id is one AES block under a key
// that never leaves the process, or in a cluster its nodes: node (16 bits), handle
// (64) and a number drawn at the start (48). So it needs no table, looks random and cannot be guessed: a
// made-up id decrypts to this node, this start and a live generation with a chance
// of about 2^-96 per client. No id is ever reused: generations do not repeat, and
// another start has another number.
type IDs struct {
	block   cipher.Block
	node    uint16
	start   [6]byte
	scratch sync.Pool // *[2][aes.BlockSize]byte; cipher.Block makes its arguments escape

	// Peers makes the ids instead if it is not nil. Set it before the first use.
	Peers *Peers
}

// Key is the key of client ids.
type Key [16]byte

// New returns the ids of a node under a new key.
func New(node uint16) (*IDs, error) {
	var seed [16 + 6]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("client id key: %w", err)
	}
	return NewShared(node, Key(seed[:16]), [6]byte(seed[16:]))
}

// NewShared returns the ids of a node under a key that other nodes know too. start
// must be random: it tells this process from others of the same number.
func NewShared(node uint16, key Key, start [6]byte) (*IDs, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("client id key: %w", err)
	}
	ids := &IDs{block: block, node: node, start: start}
	ids.scratch.New = func() any { return new([2][aes.BlockSize]byte) }
	return ids, nil
}

// Append appends the client id of h; connection is its connection id if there are
// any. Any goroutine.
func (ids *IDs) Append(dst []byte, h table.Handle, connection uint32) []byte {
	if ids.Peers != nil {
		return ids.Peers.append(dst, connection)
	}
	s := ids.scratch.Get().(*[2][aes.BlockSize]byte)
	defer ids.scratch.Put(s)
	binary.BigEndian.PutUint16(s[0][0:], ids.node)
	binary.BigEndian.PutUint64(s[0][2:], uint64(h))
	copy(s[0][10:], ids.start[:])
	ids.block.Encrypt(s[1][:], s[0][:])
	return hex.AppendEncode(dst, s[1][:])
}

// Of returns the client id that Append appends. Any goroutine.
func (ids *IDs) Of(h table.Handle, connection uint32) string {
	var buf [Len]byte
	return string(ids.Append(buf[:0], h, connection))
}

// Parse returns the handle in a client id, 0 if this process did not make the id.
// The handle's client may be gone. Any goroutine.
func (ids *IDs) Parse(id string) table.Handle {
	if ids.Peers != nil {
		return ids.Peers.parse(id)
	}
	s := ids.scratch.Get().(*[2][aes.BlockSize]byte)
	defer ids.scratch.Put(s)
	if !ids.open(id, s) || binary.BigEndian.Uint16(s[1][0:]) != ids.node || [6]byte(s[1][10:]) != ids.start {
		return 0
	}
	return table.Handle(binary.BigEndian.Uint64(s[1][2:]))
}

// Home returns the node and the start in a client id under the key of ids, whoever
// made it. Of an id that nobody made they are random. ok is false if it is none by
// its form. Any goroutine.
func (ids *IDs) Home(id string) (node uint16, start [6]byte, ok bool) {
	s := ids.scratch.Get().(*[2][aes.BlockSize]byte)
	defer ids.scratch.Put(s)
	if !ids.open(id, s) {
		return 0, start, false
	}
	return binary.BigEndian.Uint16(s[1][0:]), [6]byte(s[1][10:]), true
}

// open decrypts an id into the second block of s.
func (ids *IDs) open(id string, s *[2][aes.BlockSize]byte) bool {
	if len(id) != Len {
		return false
	}
	for i := range s[0] {
		hi, lo := unhex(id[2*i]), unhex(id[2*i+1])
		if hi|lo > 0xf {
			return false
		}
		s[0][i] = hi<<4 | lo
	}
	ids.block.Decrypt(s[1][:], s[0][:])
	return true
}

// unhex returns the value of a lower-case hex digit, 0xff for anything else:
// each id has exactly one spelling.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
