package clientid

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync"

	"castgate/server/internal/table"
)

// PeerLen is the length of a client id that names a peer, in characters.
const PeerLen = 20

// PeerPrefixLen is the length of what the ids of one inner address have in common, in
// characters.
const PeerPrefixLen = 12

// PeerPrefix is what the ids of an inner address begin with.
func PeerPrefix(address netip.AddrPort) string {
	ip := address.Addr().As4()
	return hex.EncodeToString(binary.BigEndian.AppendUint16(ip[:], address.Port()))
}

// Peers gives clients the ids of GatewayWorker (docs/gatewayworker-protocol.md
// section 4): the address of the inner listener and a connection id of 32 bits, in
// hexadecimal. They need a table from connection id to handle.
//
// PHP counts connections from 1 after each start, so an id that an application has
// stored refers to a stranger after a restart. Here the counter starts at a random
// value and goes through a permutation under a key of the process, so that ids
// neither repeat nor can be predicted from one another; 0 is left out.
type Peers struct {
	prefix [6]byte // address and port
	source func() uint32
	Order  func(id uint32) uint64 // increases in the order in which the ids were given

	shards [peerShards]peerShard
}

const peerShards = 64

type peerShard struct {
	mu      sync.Mutex
	handles map[uint32]table.Handle // guarded by mu
}

// NewPeers returns the ids for the inner address of this gateway. source replaces
// the permutation if it is not nil.
func NewPeers(address netip.AddrPort, source func() uint32) (*Peers, error) {
	p := &Peers{}
	ip := address.Addr().As4()
	copy(p.prefix[:], ip[:])
	binary.BigEndian.PutUint16(p.prefix[4:], address.Port())
	for i := range p.shards {
		p.shards[i].handles = map[uint32]table.Handle{}
	}
	if source != nil {
		p.source, p.Order = source, func(id uint32) uint64 { return uint64(id) }
		return p, nil
	}
	perm, err := newPermutation()
	if err != nil {
		return nil, err
	}
	p.source, p.Order = perm.next, perm.order
	return p, nil
}

func (p *Peers) shard(id uint32) *peerShard { return &p.shards[id%peerShards] }

// Give returns an id for h that is neither 0 nor in use. Any goroutine.
func (p *Peers) Give(h table.Handle) uint32 {
	for {
		id := p.source()
		if id == 0 {
			continue
		}
		s := p.shard(id)
		s.mu.Lock()
		_, used := s.handles[id]
		if !used {
			s.handles[id] = h
		}
		s.mu.Unlock()
		if !used {
			return id
		}
	}
}

// Release ends the use of an id. Any goroutine.
func (p *Peers) Release(id uint32) {
	s := p.shard(id)
	s.mu.Lock()
	delete(s.handles, id)
	s.mu.Unlock()
}

// Handle returns the handle of an id, 0 if there is none. Any goroutine.
func (p *Peers) Handle(id uint32) table.Handle {
	s := p.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handles[id]
}

func (p *Peers) append(dst []byte, id uint32) []byte {
	var b [10]byte
	copy(b[:], p.prefix[:])
	binary.BigEndian.PutUint32(b[6:], id)
	return hex.AppendEncode(dst, b[:])
}

func (p *Peers) parse(id string) table.Handle {
	if len(id) != PeerLen {
		return 0
	}
	var b [10]byte
	for i := range b {
		hi, lo := unhex(id[2*i]), unhex(id[2*i+1])
		if hi|lo > 0xf {
			return 0
		}
		b[i] = hi<<4 | lo
	}
	if [6]byte(b[:6]) != p.prefix {
		return 0
	}
	return p.Handle(binary.BigEndian.Uint32(b[6:]))
}

// permutation is a permutation of 32-bit numbers: a Feistel network of six rounds
// whose function is AES under a random key.
type permutation struct {
	start uint32

	mu      sync.Mutex // guards the fields below
	block   cipher.Block
	counter uint32
	in, out [aes.BlockSize]byte
}

const feistelRounds = 6

func newPermutation() (*permutation, error) {
	var seed [16 + 4]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("connection id key: %w", err)
	}
	block, err := aes.NewCipher(seed[:16])
	if err != nil {
		return nil, fmt.Errorf("connection id key: %w", err)
	}
	start := binary.BigEndian.Uint32(seed[16:])
	return &permutation{start: start, counter: start, block: block}, nil
}

// next returns the next value. A value repeats only after all 2^32.
func (p *permutation) next() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.counter
	p.counter++
	left, right := uint16(v>>16), uint16(v)
	for round := range feistelRounds {
		left, right = right, left^p.mix(round, right)
	}
	return uint32(left)<<16 | uint32(right)
}

// order is the inverse of next: the index of a value, counted from 0.
func (p *permutation) order(v uint32) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	left, right := uint16(v>>16), uint16(v)
	for round := feistelRounds - 1; round >= 0; round-- {
		left, right = right^p.mix(round, left), left
	}
	return uint64(uint32(left)<<16 | uint32(right) - p.start)
}

func (p *permutation) mix(round int, half uint16) uint16 {
	p.in[0] = byte(round)
	binary.BigEndian.PutUint16(p.in[1:], half)
	p.block.Encrypt(p.out[:], p.in[:])
	return binary.BigEndian.Uint16(p.out[:])
}
