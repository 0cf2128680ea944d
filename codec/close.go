package codec

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxReason is the longest reason of a close frame in bytes, after its code.
const maxReason = ws.MaxControlFramePayloadSize - 2

// CloseError says that the peer's bytes are not acceptable and that the
// connection has to be failed (RFC 6455 section 7.1.7). The values are made
// once and shared: do not change them.
type CloseError struct {
	Code   ws.StatusCode // to send: 1002, 1007 or 1009
	Reason string        // short, ASCII, fit for a close frame
}

// Error returns code and reason.
func (e *CloseError) Error() string {
	return "codec: close " + strconv.Itoa(int(e.Code)) + ": " + e.Reason
}

var (
	errReservedBit     = &CloseError{ws.StatusProtocolError, "reserved bit set"}
	errOpcode          = &CloseError{ws.StatusProtocolError, "reserved opcode"}
	errControlFragment = &CloseError{ws.StatusProtocolError, "fragmented control frame"}
	errControlLength   = &CloseError{ws.StatusProtocolError, "control frame too long"}
	errLengthForm      = &CloseError{ws.StatusProtocolError, "length not in shortest form"}
	errLengthTop       = &CloseError{ws.StatusProtocolError, "top bit of length set"}
	errNotMasked       = &CloseError{ws.StatusProtocolError, "frame not masked"}
	errMasked          = &CloseError{ws.StatusProtocolError, "frame masked"}
	errNoMessage       = &CloseError{ws.StatusProtocolError, "continuation without a message"}
	errInMessage       = &CloseError{ws.StatusProtocolError, "new message inside a message"}
	errClosePayload    = &CloseError{ws.StatusProtocolError, "close payload of one byte"}
	errCloseCode       = &CloseError{ws.StatusProtocolError, "close code not allowed"}
	errCloseReason     = &CloseError{ws.StatusInvalidFramePayloadData, "close reason is not UTF-8"}
	errText            = &CloseError{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
	errTooBig          = &CloseError{ws.StatusMessageTooBig, "message too big"}
)

// ErrInflate is returned by [Inflation.Next] for an invalid deflate stream.
var ErrInflate = &CloseError{ws.StatusInvalidFramePayloadData, "not a deflate stream"}

// AppendClose appends an unmasked close frame. The reason is cut to 123 bytes
// between two characters, and what is not UTF-8 in it is replaced by U+FFFD.
// Code 0 makes a frame without payload, whatever the reason. The code is not
// checked: see [ValidCloseCode].
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code.Empty() {
		return append(dst, ws.CompiledClose...)
	}
	reason = cutReason(reason)
	var body [ws.MaxControlFramePayloadSize]byte
	n := 2 + len(reason)
	ws.PutCloseFrameBody(body[:n], code, reason)
	return AppendFrame(dst, ws.OpClose, body[:n])
}

// cutReason cuts before it looks at characters, so that a huge reason costs no
// more than a short one.
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
func ValidCloseCode(code ws.StatusCode) bool {
	if 1012 <= code && code <= 1014 { // registered after the RFC; gobwas/ws refuses them
		return true
	}
	return code <= ws.StatusRangePrivate.Max && ws.CheckCloseFrameData(code, "") == nil
}

// parseClose reads the payload of a close frame. reason is a part of p.
func parseClose(p []byte) (code ws.StatusCode, reason []byte, err error) {
	switch len(p) {
	case 0:
		return ws.StatusNoStatusRcvd, nil, nil
	case 1:
		return 0, nil, errClosePayload
	}
	code, text := ws.ParseCloseFrameDataUnsafe(p)
	if !ValidCloseCode(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.ValidString(text) {
		return 0, nil, errCloseReason
	}
	return code, p[len(p)-len(text):], nil
}
