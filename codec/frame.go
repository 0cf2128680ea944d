package codec

// AppendFrame appends a whole unmasked frame with FIN, as a server sends it.
// The payload is copied. With [FrameLen] bytes free in dst nothing is
// allocated. A control frame's payload is at most [MaxControl] bytes, which is
// not checked.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(AppendHeader(dst, op, true, len(payload)), payload...)
}

// AppendMaskedFrame is [AppendFrame] masked, as a client sends it: 4 bytes
// more. payload itself is left as it is.
func AppendMaskedFrame(dst []byte, op Opcode, payload []byte, mask [4]byte) []byte {
	dst = AppendMaskedHeader(dst, op, true, len(payload), mask)
	start := len(dst)
	dst = append(dst, payload...)
	Unmask(dst[start:], mask, 0)
	return dst
}

// FrameLen is how many bytes an unmasked frame with so many bytes of payload
// takes on the wire.
func FrameLen(payload int) int {
	switch {
	case payload < 126:
		return 2 + payload
	case payload < 1<<16:
		return 4 + payload
	}
	return 10 + payload
}
