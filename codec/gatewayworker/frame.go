package gatewayworker

import (
	"encoding/binary"
	"errors"
)

// Sizes in bytes (section 2): HeaderLen of a frame's header, MaxFrame of the
// longest frame.
const (
	HeaderLen = 28
	MaxFrame  = 10485760
)

// Flags of a frame.
const (
	FlagPlain = 0x01 // the body is the bytes themselves; clear: PHP-serialized
	FlagRaw   = 0x02 // the body goes to the client's socket as it is
)

// Reasons to reject a frame. The connection is then unusable. PHP would wait
// for ever, clip or ignore the frame (section 2).
var (
	ErrFrameShort = errors.New("frame shorter than its header")
	ErrFrameLong  = errors.New("frame over 10485760 bytes")
	ErrFrameExt   = errors.New("ext longer than its frame")
)

// Header is the part before ext and body, without the two lengths.
type Header struct {
	Command      Command
	LocalIP      [4]byte // the gateway's inner address; 0 towards a gateway
	LocalPort    uint16
	ClientIP     [4]byte // the client's; 0 for IPv6 and towards a gateway
	ClientPort   uint16
	ConnectionID uint32
	Flags        byte
	GatewayPort  uint16 // public port; 0 towards a gateway
}

// Frame is a header with its ext and body.
type Frame struct {
	Header
	Ext, Body []byte
}

// AppendFrame appends a frame. The caller keeps its length, HeaderLen plus both
// parts, within [MaxFrame]: a PHP peer closes the connection on a longer one.
func AppendFrame(dst []byte, h *Header, ext, body []byte) []byte {
	dst = h.append(dst, len(ext), len(body))
	dst = append(dst, ext...)
	return append(dst, body...)
}

// AppendEvent is AppendFrame with a session as ext.
func AppendEvent(dst []byte, h *Header, session string, body []byte) []byte {
	dst = h.append(dst, len(session), len(body))
	dst = append(dst, session...)
	return append(dst, body...)
}

// append appends the header of a frame whose ext and body have these lengths.
func (h *Header) append(dst []byte, ext, body int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(HeaderLen+ext+body))
	dst = append(dst, byte(h.Command))
	dst = append(dst, h.LocalIP[:]...)
	dst = binary.BigEndian.AppendUint16(dst, h.LocalPort)
	dst = append(dst, h.ClientIP[:]...)
	dst = binary.BigEndian.AppendUint16(dst, h.ClientPort)
	dst = binary.BigEndian.AppendUint32(dst, h.ConnectionID)
	dst = append(dst, h.Flags)
	dst = binary.BigEndian.AppendUint16(dst, h.GatewayPort)
	return binary.BigEndian.AppendUint32(dst, uint32(ext))
}

// frameLen returns the length of the frame at the start of b, or 0 if b has
// fewer than 4 bytes. It checks everything that the bytes present allow.
func frameLen(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(b)
	switch {
	case n < HeaderLen:
		return 0, ErrFrameShort
	case n > MaxFrame:
		return 0, ErrFrameLong
	case len(b) >= HeaderLen && binary.BigEndian.Uint32(b[24:]) > n-HeaderLen:
		return 0, ErrFrameExt
	}
	return int(n), nil
}

// ParseFrame reads the frame at the start of b and returns its length n. n is 0
// with a nil error if more bytes are needed. An error is ErrFrameShort,
// ErrFrameLong or ErrFrameExt, and comes as soon as the bytes show it. Ext and
// Body point into b.
func ParseFrame(b []byte) (f Frame, n int, err error) {
	n, err = frameLen(b)
	if err != nil || n == 0 || n > len(b) {
		return Frame{}, 0, err
	}
	f.Header = Header{
		Command:      Command(b[4]),
		LocalIP:      [4]byte(b[5:9]),
		LocalPort:    binary.BigEndian.Uint16(b[9:]),
		ClientIP:     [4]byte(b[11:15]),
		ClientPort:   binary.BigEndian.Uint16(b[15:]),
		ConnectionID: binary.BigEndian.Uint32(b[17:]),
		Flags:        b[21],
		GatewayPort:  binary.BigEndian.Uint16(b[22:]),
	}
	body := HeaderLen + int(binary.BigEndian.Uint32(b[24:]))
	f.Ext, f.Body = b[HeaderLen:body:body], b[body:n:n]
	return f, n, nil
}

// BeginReply appends space for a reply's length (section 2). Append the
// serialized value next, then call [EndReply] with the mark to fill in the
// length.
func BeginReply(dst []byte) (b []byte, mark int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

// EndReply fills in the length of the reply that BeginReply began at mark.
func EndReply(b []byte, mark int) []byte {
	binary.BigEndian.PutUint32(b[mark:], uint32(len(b)-mark-4))
	return b
}
