package codec

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Close codes that this package itself gives (RFC 6455 section 7.4.1).
const (
	CodeProtocol  uint16 = 1002 // the peer broke RFC 6455
	CodeNoStatus  uint16 = 1005 // never on the wire: a close frame without a code
	CodeNotUTF8   uint16 = 1007 // text that is not UTF-8, or no deflate stream
	CodeTooBig    uint16 = 1009 // a message over the limit
	maxReason            = MaxControl - 2
	closeCodeSize        = 2
)

// CloseError says that the peer's bytes can't be taken and the connection has
// to be failed (RFC 6455 section 7.1.7). The values are made once and shared:
// do not change them.
type CloseError struct {
	Code   uint16 // to send: 1002, 1007 or 1009
	Reason string // short, ASCII, fit for a close frame
}

// Error gives code and reason.
func (e *CloseError) Error() string {
	return "codec: close " + strconv.Itoa(int(e.Code)) + ": " + e.Reason
}

var (
	errReservedBit     = &CloseError{CodeProtocol, "reserved bit set"}
	errOpcode          = &CloseError{CodeProtocol, "reserved opcode"}
	errControlFragment = &CloseError{CodeProtocol, "fragmented control frame"}
	errControlLength   = &CloseError{CodeProtocol, "control frame too long"}
	errLengthForm      = &CloseError{CodeProtocol, "length not in shortest form"}
	errLengthTop       = &CloseError{CodeProtocol, "top bit of length set"}
	errNotMasked       = &CloseError{CodeProtocol, "frame not masked"}
	errMasked          = &CloseError{CodeProtocol, "frame masked"}
	errNoMessage       = &CloseError{CodeProtocol, "continuation without a message"}
	errInMessage       = &CloseError{CodeProtocol, "new message inside a message"}
	errClosePayload    = &CloseError{CodeProtocol, "close payload of one byte"}
	errCloseCode       = &CloseError{CodeProtocol, "close code not allowed"}
	errCloseReason     = &CloseError{CodeNotUTF8, "close reason is not UTF-8"}
	errText            = &CloseError{CodeNotUTF8, "text is not UTF-8"}
	errTooBig          = &CloseError{CodeTooBig, "message too big"}
)

// ErrInflate is what [Inflation.Next] answers for what is no deflate stream.
var ErrInflate = &CloseError{CodeNotUTF8, "not a deflate stream"}

// AppendClose appends an unmasked close frame. The reason is cut to 123 bytes
// at a border between characters, and what is not UTF-8 in it is replaced by
// U+FFFD. Code 0 gives a frame without payload, whatever the reason. The code
// is not checked: see [ValidCloseCode].
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if code == 0 {
		return AppendHeader(dst, OpClose, true, 0)
	}
	reason = cutReason(reason)
	dst = AppendHeader(dst, OpClose, true, closeCodeSize+len(reason))
	dst = append(dst, byte(code>>8), byte(code))
	return append(dst, reason...)
}

// cutReason cuts before it looks at the characters, so that a huge reason
// costs no more than a short one.
func cutReason(s string) string {
	// The last character may be cut here; up to 3 bytes of it are kept so that
	// the loop below can see where it starts.
	s = strings.ToValidUTF8(s[:min(len(s), maxReason+utf8.UTFMax)], "\uFFFD")
	if len(s) <= maxReason {
		return s
	}
	end := maxReason
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// ValidCloseCode reports whether a peer may send code in a close frame: 1000
// to 1003, 1007 to 1014, 3000 to 4999 (RFC 6455 section 7.4 and the IANA
// registry).
func ValidCloseCode(code uint16) bool {
	switch {
	case code >= 3000:
		return code <= 4999
	case code >= 1007:
		return code <= 1014
	}
	return code >= 1000 && code <= 1003
}

// parseClose reads the payload of a close frame.
func parseClose(p []byte) (code uint16, reason []byte, err error) {
	switch len(p) {
	case 0:
		return CodeNoStatus, nil, nil
	case 1:
		return 0, nil, errClosePayload
	}
	code, reason = uint16(p[0])<<8|uint16(p[1]), p[closeCodeSize:]
	if !ValidCloseCode(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, errCloseReason
	}
	return code, reason, nil
}
