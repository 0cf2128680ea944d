package codec

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// ParseHeader reads the frame header at the start of b and returns its length
// n. n == 0 with a nil error means that more bytes are needed, at most
// [ws.MaxHeaderSize] in all. An error is a *[CloseError] with code 1002: a
// reserved bit or opcode, a length with its top bit set or not in its shortest
// form, a control frame over [ws.MaxControlFramePayloadSize] bytes or without
// FIN. It is returned on the first byte that shows it. Whether a mask must be
// present depends on the role and is for the caller to check, as is the size.
// b is only read.
func ParseHeader(b []byte) (h ws.Header, n int, err error) {
	return parseHeader(b, 0)
}

// rsv1 marks the first frame of a compressed message (RFC 7692 section 6).
const rsv1 = 0x40

// parseHeader is ParseHeader with the reserved bits that may be set on the
// first frame of a message.
func parseHeader(b []byte, allowed byte) (h ws.Header, n int, err error) {
	if len(b) == 0 {
		return ws.Header{}, 0, nil
	}
	fin, op := b[0]&0x80 != 0, ws.OpCode(b[0]&0x0f)
	switch {
	case b[0]&0x70 != 0 && (b[0]&0x70&^allowed != 0 || op != ws.OpText && op != ws.OpBinary):
		return ws.Header{}, 0, errReservedBit
	case op.IsReserved():
		return ws.Header{}, 0, errOpcode
	case op.IsControl() && !fin:
		return ws.Header{}, 0, errControlFragment
	case len(b) < 2:
		return ws.Header{}, 0, nil
	}
	masked, length := b[1]&0x80 != 0, int64(b[1]&0x7f)
	if op.IsControl() && length > ws.MaxControlFramePayloadSize {
		return ws.Header{}, 0, errControlLength
	}
	n = 2
	switch length {
	case 126:
		n = 4
		if len(b) < n {
			return ws.Header{}, 0, nil
		}
		if length = int64(binary.BigEndian.Uint16(b[2:])); length < 126 {
			return ws.Header{}, 0, errLengthForm
		}
	case 127:
		n = 10
		if len(b) < n {
			return ws.Header{}, 0, nil
		}
		if length = int64(binary.BigEndian.Uint64(b[2:])); length < 0 {
			return ws.Header{}, 0, errLengthTop
		}
		if length < 1<<16 {
			return ws.Header{}, 0, errLengthForm
		}
	}
	h = ws.Header{Fin: fin, Rsv: b[0] >> 4 & 7, OpCode: op, Masked: masked, Length: length}
	if masked {
		if len(b) < n+4 {
			return ws.Header{}, 0, nil
		}
		h.Mask = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends the header of an unmasked frame, as a server sends it.
// length is the payload's, in bytes, not negative; for a control frame fin must
// be true and length at most [ws.MaxControlFramePayloadSize], which is not
// checked.
func AppendHeader(dst []byte, op ws.OpCode, fin bool, length int) []byte {
	return appendHeader(dst, op, fin, length, 0)
}

// AppendMaskedHeader is [AppendHeader] with a mask, as a client sends it. The
// caller masks the payload with [ws.Cipher].
func AppendMaskedHeader(dst []byte, op ws.OpCode, fin bool, length int, mask [4]byte) []byte {
	dst = appendHeader(dst, op, fin, length, 0x80)
	return append(dst, mask[:]...)
}

func appendHeader(dst []byte, op ws.OpCode, fin bool, length int, masked byte) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	switch {
	case length < 126:
		return append(dst, first, masked|byte(length))
	case length < 1<<16:
		return append(dst, first, masked|126, byte(length>>8), byte(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, masked|127), uint64(length))
}
