package codec

import "github.com/gobwas/ws"

// AppendFrame appends a whole unmasked frame with FIN, as a server sends it.
// The payload is copied. With [FrameLen] bytes free in dst nothing is
// allocated. A control frame's payload is at most
// [ws.MaxControlFramePayloadSize] bytes, which is not checked.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, true, len(payload)), payload...)
}

// AppendMaskedFrame is [AppendFrame] masked, as a client sends it: 4 bytes
// more. payload is not changed.
func AppendMaskedFrame(dst []byte, op ws.OpCode, payload []byte, mask [4]byte) []byte {
	dst = AppendMaskedHeader(dst, op, true, len(payload), mask)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// FrameLen is the size on the wire of an unmasked frame with this much payload,
// in bytes.
func FrameLen(payload int) int {
	return ws.HeaderSize(ws.Header{Length: int64(payload)}) + payload
}
