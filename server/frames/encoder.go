package frames

import (
	"bytes"
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
)

// Encoder makes the frame of a message once for all its receivers, in the forms that
// they have. It works on the goroutine of the caller, which may be any.
type Encoder struct {
	Plain    Set             // of listeners without handshakes: each push is made in them
	least    int             // bytes of payload from which a message is compressed
	deflater *codec.Deflater // nil without compression

	// Of pushes, message by message.
	compressed atomic.Uint64 // sent compressed to those who agreed on it
	longer     atomic.Uint64 // compressed in vain: the frame as it was is not longer
	before     atomic.Uint64 // payload bytes of the compressed ones
	after      atomic.Uint64 // bytes of their frames
}

// NewEncoder returns an encoder that does not compress. plain are the forms of
// listeners without handshakes.
func NewEncoder(plain Set) *Encoder { return &Encoder{Plain: plain} }

// Compress makes the encoder compress messages of at least so many bytes, at a level
// of 1 (fastest) to 9 (smallest). It must be called before the encoder is used.
func (e *Encoder) Compress(least, level int) {
	e.least, e.deflater = least, codec.NewDeflater(level, runtime.GOMAXPROCS(0))
}

// Compresses reports whether a message of so many bytes is compressed for clients
// that have agreed on permessage-deflate.
func (e *Encoder) Compresses(size int) bool {
	return e.deflater != nil && size >= e.least && size > 0
}

// Push makes the frame of a push, in the form of RFC 6455 and those of set. A Raw
// message is sent as it is, in no other form. wait is nil unless the pusher waits.
func (e *Encoder) Push(m *gateway.Message, wait *Wait, set Set) *Frame {
	f := NewPush(m, wait)
	if !m.Raw {
		e.deflate(f, m, set)
		f.addPlain(m.Payload, set)
	}
	return f
}

// NewPush makes the frame of a push in the form of RFC 6455 alone.
func NewPush(m *gateway.Message, wait *Wait) *Frame {
	var f *Frame
	if m.Raw {
		f = &Frame{Bytes: bytes.Clone(m.Payload)}
	} else {
		f = newMessage(m.Payload, m.Binary)
	}
	f.Counted, f.Wait = true, wait
	return f
}

// Message makes the frame of a message of the gateway's own, for clients of any form.
func (e *Encoder) Message(payload []byte, binary bool) *Frame {
	f := newMessage(payload, binary)
	f.addPlain(payload, e.Plain)
	return f
}

// newMessage encodes a message of the gateway's own.
func newMessage(payload []byte, binary bool) *Frame {
	op := ws.OpText
	if binary {
		op = ws.OpBinary
	}
	b := make([]byte, 0, codec.FrameLen(len(payload)))
	return &Frame{Bytes: codec.AppendFrame(b, op, payload)}
}

// MessageAs makes the frame of a message for one client, whose form is to.
func (e *Encoder) MessageAs(to Form, op ws.OpCode, message []byte) *Frame {
	if to.Plain() {
		return &Frame{Bytes: to.appendMessage(nil, op, message)}
	}
	if bits := to.WindowBits(); bits != 0 && e.Compresses(len(message)) {
		if b := e.deflater.Frame(op, message, bits); b != nil {
			return &Frame{Bytes: b}
		}
	}
	return &Frame{Bytes: codec.AppendFrame(make([]byte, 0, codec.FrameLen(len(message))), op, message)}
}

// deflate compresses a push into the deflated forms of set. A form is left out where
// that would not be shorter; Frame.As then returns the uncompressed frame.
func (e *Encoder) deflate(f *Frame, m *gateway.Message, set Set) {
	if set == 0 {
		return
	}
	op := ws.OpText
	if m.Binary {
		op = ws.OpBinary
	}
	for _, to := range DeflatedForms {
		if !set.has(to) {
			continue
		}
		b := e.deflater.Frame(op, m.Payload, to.WindowBits())
		if b == nil {
			e.longer.Add(1)
			continue
		}
		if f.others == nil {
			f.others = new([NumForms][]byte)
		}
		f.others[to] = b
		e.compressed.Add(1)
		e.before.Add(uint64(len(m.Payload)))
		e.after.Add(uint64(len(b)))
	}
}

// AddTo writes what has been compressed so far into a reading.
func (e *Encoder) AddTo(st *gateway.Stats) {
	st.Compressed, st.CompressedLonger = e.compressed.Load(), e.longer.Load()
	st.CompressedBefore, st.CompressedAfter = e.before.Load(), e.after.Load()
}

// Size is about how many bytes a push in the forms of set holds: each form
// counts as long as the one of RFC 6455, which it never exceeds by more than 2 bytes.
func Size(m *gateway.Message, set Set) int64 {
	n := 1 + bits.OnesCount8(uint8(set))
	return int64(n * codec.FrameLen(len(m.Payload)))
}
