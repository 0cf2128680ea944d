package codec

// Opcode says what a frame holds (RFC 6455 section 5.2).
type Opcode byte

// The opcodes of RFC 6455. All others are reserved and refused.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xa
)

// MaxControl is the largest payload of a control frame in bytes (RFC 6455
// section 5.5).
const MaxControl = 125

// Control reports whether o is of a control frame: close, ping, pong or one of
// the reserved ones.
func (o Opcode) Control() bool { return o&0x8 != 0 }

// known has a bit for each opcode of RFC 6455.
const known = 1<<OpContinuation | 1<<OpText | 1<<OpBinary | 1<<OpClose | 1<<OpPing | 1<<OpPong

// Known reports whether RFC 6455 gives o a meaning.
func (o Opcode) Known() bool { return o < 16 && known>>o&1 != 0 }

// String names o for logs and tests.
func (o Opcode) String() string {
	switch o {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return "reserved"
}
