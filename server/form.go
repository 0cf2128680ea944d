package server

import "castgate/codec"

// form is how pushes are encoded for a connection. It is fixed when the
// connection becomes a client.
type form uint8

const (
	formFrame     form = iota // an RFC 6455 frame
	formDeflated              // a frame of permessage-deflate, RFC 7692
	formDeflated8             // the same for clients that limit our window
	formLine                  // a line; this and what follows: see plain.go
	formCounted               // a length and the message
	formBytes                 // the message alone
	forms                     // their number
)

// windowBits is the window that frames of a deflated form keep to; 0 for the
// other forms.
func (m form) windowBits() uint8 {
	switch m {
	case formDeflated:
		return codec.MaxWindowBits
	case formDeflated8:
		return codec.MinWindowBits
	}
	return 0
}

// agreedForm is the form that a handshake has settled.
func agreedForm(a codec.Agreement) form {
	switch a.WindowBits {
	case 0:
		return formFrame
	case codec.MaxWindowBits:
		return formDeflated
	}
	return formDeflated8
}

// formSet has a bit for each of some forms.
type formSet uint8

func (s formSet) has(m form) bool { return s>>m&1 == 1 }

// as returns the frame's bytes in a form: the RFC 6455 frame where the pusher
// made no other one.
func (f *frame) as(m form) []byte {
	if m != formFrame && f.others != nil && f.others[m] != nil {
		return f.others[m]
	}
	return f.bytes
}
