package codec

import "encoding/binary"

// MaxHeader is the longest frame header in bytes: 2, 8 of length, 4 of mask.
const MaxHeader = 14

// Header is what stands before a frame's payload (RFC 6455 section 5.2).
type Header struct {
	Fin    bool    // last frame of its message
	RSV    byte    // RSV1 = 4, RSV2 = 2, RSV3 = 1; only RSV1 can be set, and only by Parser.Deflate
	Op     Opcode  //
	Masked bool    // Mask counts
	Mask   [4]byte // zero unless Masked
	Length int64   // of the payload in bytes, never negative
}

// ParseHeader reads the frame header at the start of b and returns its length
// n. n == 0 with a nil error means that more bytes are needed, at most
// [MaxHeader] in all. An error is a *[CloseError] with code 1002: a reserved
// bit or opcode, a length with its top bit set or not in its shortest form, a
// control frame over [MaxControl] bytes or without FIN. It is given with the
// first byte that shows it. Whether a mask has to be there depends on the role
// and is for the caller to check, as is the size. b is only read.
func ParseHeader(b []byte) (h Header, n int, err error) {
	return parseHeader(b, 0)
}

// rsv1 marks the first frame of a compressed message (RFC 7692 section 6).
const rsv1 = 0x40

// parseHeader is ParseHeader with the reserved bits that may be set on the
// first frame of a message.
func parseHeader(b []byte, allowed byte) (h Header, n int, err error) {
	if len(b) == 0 {
		return Header{}, 0, nil
	}
	fin, op := b[0]&0x80 != 0, Opcode(b[0]&0x0f)
	switch {
	case b[0]&0x70 != 0 && (b[0]&0x70&^allowed != 0 || op != OpText && op != OpBinary):
		return Header{}, 0, errReservedBit
	case !op.Known():
		return Header{}, 0, errOpcode
	case op.Control() && !fin:
		return Header{}, 0, errControlFragment
	case len(b) < 2:
		return Header{}, 0, nil
	}
	masked, length := b[1]&0x80 != 0, int64(b[1]&0x7f)
	if op.Control() && length > MaxControl {
		return Header{}, 0, errControlLength
	}
	n = 2
	switch length {
	case 126:
		n = 4
		if len(b) < n {
			return Header{}, 0, nil
		}
		if length = int64(binary.BigEndian.Uint16(b[2:])); length < 126 {
			return Header{}, 0, errLengthForm
		}
	case 127:
		n = 10
		if len(b) < n {
			return Header{}, 0, nil
		}
		if length = int64(binary.BigEndian.Uint64(b[2:])); length < 0 {
			return Header{}, 0, errLengthTop
		}
		if length < 1<<16 {
			return Header{}, 0, errLengthForm
		}
	}
	h = Header{Fin: fin, RSV: b[0] >> 4 & 7, Op: op, Masked: masked, Length: length}
	if masked {
		if len(b) < n+4 {
			return Header{}, 0, nil
		}
		h.Mask = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends the header of an unmasked frame, as a server sends it.
// length is the payload's, in bytes, not negative; for a control frame fin
// must be true and length at most [MaxControl], which is not checked.
func AppendHeader(dst []byte, op Opcode, fin bool, length int) []byte {
	return appendHeader(dst, op, fin, length, 0)
}

// AppendMaskedHeader is [AppendHeader] with a mask, as a client sends it. The
// caller masks the payload with [Unmask].
func AppendMaskedHeader(dst []byte, op Opcode, fin bool, length int, mask [4]byte) []byte {
	dst = appendHeader(dst, op, fin, length, 0x80)
	return append(dst, mask[:]...)
}

func appendHeader(dst []byte, op Opcode, fin bool, length int, masked byte) []byte {
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
