package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
)

// Version is the version of everything behind the envelope. The envelope itself is
// the same in all versions, so that a node can name one that it does not understand.
const Version = 1

// Kind says what is in a message.
type Kind uint8

// The kinds of messages.
const (
	KindHeartbeat Kind = iota + 1
	KindPrepare        // of a change of view, see Ballot
	KindPromise
	KindAccept
	KindAccepted
	KindRequest
	KindReply
	KindRequests // several of them
	KindNames
	KindNamesHeard
	KindNamesWanted
	KindNamesPart
	kindEnd
)

var kindNames = [kindEnd]string{
	KindHeartbeat: "heartbeat", KindPrepare: "prepare", KindPromise: "promise",
	KindAccept: "accept", KindAccepted: "accepted", KindRequest: "request", KindReply: "reply",
	KindRequests: "requests", KindNames: "names", KindNamesHeard: "names_heard", KindNamesWanted: "names_wanted", KindNamesPart: "names_part",
}

// String is the name of a kind, as metrics use it.
func (k Kind) String() string {
	if k > 0 && k < kindEnd {
		return kindNames[k]
	}
	return "unknown"
}

// Kinds are all kinds of this version.
func Kinds() []Kind {
	return []Kind{KindHeartbeat, KindPrepare, KindPromise, KindAccept, KindAccepted, KindRequest, KindReply, KindRequests, KindNames, KindNamesHeard, KindNamesWanted, KindNamesPart}
}

// Member is one process of a cluster. Another start of a node is another member.
type Member struct {
	Node     uint16
	Instance uint64 // 48 bits, random, never 0
}

// String is the member as log lines have it.
func (m Member) String() string { return fmt.Sprintf("%d/%012x", m.Node, m.Instance) }

// Compare orders members by node, then instance.
func (m Member) Compare(o Member) int {
	switch {
	case m == o:
		return 0
	case m.Node < o.Node || m.Node == o.Node && m.Instance < o.Instance:
		return -1
	}
	return 1
}

// Envelope is what every message begins with.
type Envelope struct {
	Version uint8
	Kind    Kind
	From    Member
	To      uint64 // instance; 0 is everybody
}

// Layout of a message: magic, version, kind, node and instance of the sender,
// instance of the receiver, body, seal.
const (
	magic       = 0xca57
	envelopeLen = 2 + 1 + 1 + 2 + 6 + 6
	// SealLen is the length of the seal at the end.
	SealLen = 16
	// Overhead is what a message has beside its body, in bytes.
	Overhead = envelopeLen + SealLen
)

// Errors of Open.
var (
	ErrMalformed = errors.New("not a message of a cluster")
	ErrSeal      = errors.New("the message is not sealed with a secret of this cluster")
)

// Begin appends an envelope to dst, which must be empty. The body comes after it.
func Begin(dst []byte, e Envelope) []byte {
	dst = binary.BigEndian.AppendUint16(dst, magic)
	dst = append(dst, e.Version, byte(e.Kind))
	dst = binary.BigEndian.AppendUint16(dst, e.From.Node)
	dst = appendInstance(dst, e.From.Instance)
	return appendInstance(dst, e.To)
}

// Body is the body of a message that is complete.
func Body(m []byte) []byte { return m[envelopeLen : len(m)-SealLen] }

// Address changes the receiver of a message that Begin has begun.
func Address(m []byte, to uint64) { appendInstance(m[:envelopeLen-6], to) }

func appendInstance(dst []byte, n uint64) []byte {
	return append(dst, byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func instance(b []byte) uint64 {
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
}

// Seals makes and checks seals: HMAC-SHA256 (RFC 2104), cut to 128 bits. Any
// goroutine.
type Seals struct {
	pools []sync.Pool // of hash.Hash, one for each key; messages are made with the first
}

// NewSeals returns seals under keys, one at least.
func NewSeals(keys [][]byte) *Seals {
	s := &Seals{pools: make([]sync.Pool, len(keys))}
	for i, key := range keys {
		s.pools[i].New = func() any { return hmac.New(sha256.New, key) }
	}
	return s
}

// Seal appends the seal to a message that is complete.
func (s *Seals) Seal(m []byte) []byte {
	sum := s.sum(0, m)
	return append(m, sum[:SealLen]...)
}

func (s *Seals) sum(key int, m []byte) (sum [sha256.Size]byte) {
	h := s.pools[key].Get().(hash.Hash)
	defer s.pools[key].Put(h)
	h.Reset()
	_, _ = h.Write(m) // never fails
	h.Sum(sum[:0])
	return sum
}

// Open checks the seal of a message and returns its envelope and body. The body is
// a part of m. Of a message whose seal is wrong the envelope is returned too, for
// the log; whoever wrote it, it says nothing that can be trusted.
func (s *Seals) Open(m []byte) (e Envelope, body []byte, err error) {
	if len(m) < Overhead || binary.BigEndian.Uint16(m) != magic {
		return e, nil, ErrMalformed
	}
	e = Envelope{
		Version: m[2], Kind: Kind(m[3]),
		From: Member{Node: binary.BigEndian.Uint16(m[4:]), Instance: instance(m[6:])},
		To:   instance(m[12:]),
	}
	text, seal := m[:len(m)-SealLen], m[len(m)-SealLen:]
	for i := range s.pools {
		sum := s.sum(i, text)
		if hmac.Equal(sum[:SealLen], seal) {
			return e, text[envelopeLen:], nil
		}
	}
	return e, nil, ErrSeal
}
