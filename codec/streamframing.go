package codec

import (
	"bytes"
	"encoding/binary"

	"github.com/gobwas/ws"
)

// The framings of GatewayWorker's text and frame listeners
// (docs/gatewayworker-protocol.md section 7.2): one message per line, and
// messages preceded by their length.

// CountLen is the size of the length in front of a counted message, in bytes.
const CountLen = 4

var errCount = &CloseError{ws.StatusProtocolError, "length below 4"}

// NextLine returns the first line of b, up to a line feed, without carriage
// returns and line feeds at its end. n is how many bytes it took, 0 if b has no
// complete line. The first scanned bytes are known to have no line feed. The
// message is part of b. A line longer than limit is a *[CloseError] with 1009,
// as soon as that shows.
func NextLine(b []byte, scanned, limit int) (message []byte, n int, err error) {
	i := bytes.IndexByte(b[scanned:], '\n')
	if i < 0 {
		if len(bytes.TrimRight(b, "\r")) > limit || len(b) > limit+CountLen {
			return nil, 0, errTooBig
		}
		return nil, 0, nil
	}
	n = scanned + i + 1
	if message = bytes.TrimRight(b[:n], "\r\n"); len(message) > limit || n > limit+CountLen+1 {
		return nil, 0, errTooBig
	}
	return message, n, nil
}

// NextCounted returns the first counted message of b: 4 bytes of length,
// big-endian, which includes itself, then the message. n is how many bytes it
// took, 0 if b has no complete one. The message is part of b. An impossible
// length is a *[CloseError] with 1002, one above limit with 1009.
func NextCounted(b []byte, limit int) (message []byte, n int, err error) {
	if len(b) < CountLen {
		return nil, 0, nil
	}
	switch total := int64(binary.BigEndian.Uint32(b)); {
	case total < CountLen:
		return nil, 0, errCount
	case total-CountLen > int64(limit):
		return nil, 0, errTooBig
	case total > int64(len(b)):
		return nil, 0, nil
	default:
		return b[CountLen:total:total], int(total), nil
	}
}

// AppendLine appends a message as a line. A message that contains a line feed
// arrives as several.
func AppendLine(dst, message []byte) []byte { return append(append(dst, message...), '\n') }

// AppendCounted appends a counted message of less than 4 GiB.
func AppendCounted(dst, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(CountLen+len(message))), message...)
}
