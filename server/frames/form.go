package frames

import (
	"github.com/gobwas/ws"

	"castgate/codec"
)

// Form is how pushes are encoded for a connection. It is fixed when the
// connection becomes a client.
type Form uint8

// The forms. Clients of WebSocket listeners agree on one of the first three at their
// handshake. The others are plain: those of text, frame and tcp listeners.
const (
	WebSocket Form = iota // an RFC 6455 frame
	Deflated              // a frame of permessage-deflate, RFC 7692
	Deflated8             // the same for clients that limit our window
	Line                  // a line
	Counted               // a length and the message
	Bytes                 // the message alone
	NumForms              // their number
)

// WindowBits is the size of the window, as a power of 2, that frames of a deflated
// form keep to; 0 for the other forms.
func (m Form) WindowBits() uint8 {
	switch m {
	case Deflated:
		return codec.MaxWindowBits
	case Deflated8:
		return codec.MinWindowBits
	}
	return 0
}

// DeflatedForms are the forms of clients that have agreed on permessage-deflate.
var DeflatedForms = [...]Form{Deflated, Deflated8}

// Agreed is the form that a handshake has agreed on.
func Agreed(a codec.Agreement) Form {
	switch a.WindowBits {
	case 0:
		return WebSocket
	case codec.MaxWindowBits:
		return Deflated
	}
	return Deflated8
}

// Plain reports whether a form is that of a listener without handshakes
// (docs/gatewayworker-protocol.md section 7.2).
func (m Form) Plain() bool { return m >= Line }

// appendMessage appends a message in a form; binary has a meaning to WebSocket
// clients only.
func (m Form) appendMessage(dst []byte, op ws.OpCode, message []byte) []byte {
	switch m {
	case Line:
		return codec.AppendLine(dst, message)
	case Counted:
		return codec.AppendCounted(dst, message)
	case Bytes:
		return append(dst, message...)
	}
	return codec.AppendFrame(dst, op, message)
}

// Set has a bit for each of some forms.
type Set uint8

func (s Set) has(m Form) bool { return s>>m&1 == 1 }

// As returns the frame's bytes in a form: the RFC 6455 frame if it was not made in
// that form. They must not be changed.
func (f *Frame) As(m Form) []byte {
	if m != WebSocket && f.others != nil && f.others[m] != nil {
		return f.others[m]
	}
	return f.Bytes
}
