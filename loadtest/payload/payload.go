// Package payload is what benchmark messages contain: a stamp with the run, stream,
// receiver, number and time of the message, and padding up to a size.
package payload

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// Kind is the kind of receivers of a push.
type Kind uint8

// The kinds of push. Latencies are recorded separately for each.
const (
	Broadcast Kind = iota // every connection of the swarm
	Unicast               // one connection
	Group                 // the members of one group
	Kinds
)

// String is the kind's name in reports.
func (k Kind) String() string { return [Kinds]string{"broadcast", "unicast", "group"}[k] }

// Everyone is the Target of a broadcast.
const Everyone = 1<<32 - 1

// Stamp is the content of a benchmark payload.
type Stamp struct {
	Run    uint32 // the swarm's Config.Run
	Kind   Kind
	Stream uint8  // one ordered sequence of pushes
	Target uint32 // number of the receiving connection or group, or Everyone
	Seq    uint32 // place in the stream, for Unicast and Group in the stream to that target; from 0
	Sent   int64  // Now() when the push was due
	Size   int    // of the whole payload in bytes, MinSize to MaxSize
	// Padding fills it up.
	Padding Padding
}

// Sizes of a payload in bytes.
const (
	// MinSize is the size of the stamp alone.
	MinSize = 59
	// MaxSize is the largest size that a stamp can express.
	MaxSize = 1<<24 - 1
)

// The payload is ASCII, so that it can be sent as text and inside JSON: two
// letters that identify the padding, the fields in hexadecimal, a CRC-32 of
// both, then the padding.
const stampLen = 51 // magic and fields, without the CRC

// Append appends the payload that s describes. It panics if s.Size is
// out of range: sizes are checked where they are set.
func Append(dst []byte, s Stamp) []byte {
	if s.Size < MinSize || s.Size > MaxSize {
		panic(fmt.Sprintf("loadtest: payload of %d bytes", s.Size))
	}
	start := len(dst)
	dst = append(dst, payloadMagic[s.Padding]...)
	dst = appendHex(dst, uint64(s.Run), 8)
	dst = appendHex(dst, uint64(s.Kind), 1)
	dst = appendHex(dst, uint64(s.Stream), 2)
	dst = appendHex(dst, uint64(s.Target), 8)
	dst = appendHex(dst, uint64(s.Seq), 8)
	dst = appendHex(dst, uint64(s.Sent), 16)
	dst = appendHex(dst, uint64(s.Size), 6)
	dst = appendHex(dst, uint64(crc32.ChecksumIEEE(dst[start:])), 8)
	return appendPadding(dst, s.Padding, s.Seq, s.Size-MinSize)
}

// Errors of Parse.
var (
	// ErrForeign: not a benchmark payload.
	ErrForeign = errors.New("not a benchmark payload")
	// ErrCorrupt: a benchmark payload whose bytes have changed.
	ErrCorrupt = errors.New("corrupt benchmark payload")
)

// Parse parses a payload and checks every byte of it.
func Parse(b []byte) (Stamp, error) {
	padding, ours := paddingOf(b)
	if len(b) < MinSize || !ours {
		return Stamp{}, ErrForeign
	}
	h := hexReader{b: b[magicLen:]}
	s := Stamp{
		Run:    uint32(h.next(8)),
		Kind:   Kind(h.next(1)),
		Stream: uint8(h.next(2)),
		Target: uint32(h.next(8)),
		Seq:    uint32(h.next(8)),
		Sent:   int64(h.next(16)),
		Size:   int(h.next(6)),

		Padding: padding,
	}
	sum := uint32(h.next(8))
	if h.bad || sum != crc32.ChecksumIEEE(b[:stampLen]) || s.Kind >= Kinds && s.Kind != Probe || s.Size != len(b) {
		return Stamp{}, ErrCorrupt
	}
	if !isPadding(b[MinSize:], padding, s.Seq) {
		return Stamp{}, ErrCorrupt
	}
	return s, nil
}

const hexDigits = "0123456789abcdef"

// appendHex appends the lowest digits of v with leading zeros.
func appendHex(dst []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hexDigits[v>>(4*i)&15])
	}
	return dst
}

// hexReader reads consecutive numbers of fixed width.
type hexReader struct {
	b   []byte
	bad bool // a byte was not a lower-case hexadecimal digit
}

func (h *hexReader) next(digits int) (v uint64) {
	for _, c := range h.b[:digits] {
		d := hexValue[c]
		if d > 15 {
			h.bad = true
		}
		v = v<<4 | uint64(d&15)
	}
	h.b = h.b[digits:]
	return v
}

// hexValue maps a byte to its value as a digit, 255 if it is none.
var hexValue = func() (t [256]uint8) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte(hexDigits) {
		t[c] = uint8(i)
	}
	return t
}()

// Some servers answer a handshake or a subscription before all their workers know
// of it, so the first messages miss some clients. Probes find out when they do. They
// are of no stream and look like no other payload, so one that arrives late is
// neither a message nor a duplicate.

// Probe is the kind of a payload that is not checked: it only shows that a
// connection is reached.
const Probe Kind = 15
