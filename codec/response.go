package codec

import (
	"errors"
	"fmt"
)

// Errors of [CheckResponse].
var (
	ErrResponse = errors.New("codec: malformed answer to the handshake")
	ErrUpgrade  = errors.New("codec: the answer does not upgrade to websocket")
	ErrAccept   = errors.New("codec: wrong Sec-WebSocket-Accept")
)

// StatusError is an answer with a status other than 101.
type StatusError struct{ Status int }

// Error implements the error interface.
func (e *StatusError) Error() string {
	return fmt.Sprintf("codec: the handshake was answered with status %d", e.Status)
}

// AppendRequest appends the opening handshake of a client (RFC 6455 section
// 4.1). key is base64 of 16 random bytes. header is further header lines, each
// ending in CRLF, or empty. Nothing is checked.
func AppendRequest(dst []byte, host, path string, key [24]byte, header string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, key[:]...)
	dst = append(dst, "\r\n"...)
	dst = append(dst, header...)
	return append(dst, "\r\n"...)
}

// CheckResponse checks the complete head of a server's answer to a handshake
// with this key, through its empty line with nothing after (find that with
// [HandshakeEnd]). Errors: [ErrResponse], *[StatusError], [ErrUpgrade],
// [ErrAccept].
func CheckResponse(head []byte, key [24]byte) error {
	line, rest, ok := nextLine(head)
	if !ok {
		return ErrResponse
	}
	status, ok := parseStatus(line)
	if !ok {
		return ErrResponse
	}
	if status != 101 {
		return &StatusError{status}
	}
	var upgrade, connection, accept bool
	for accepts := 0; ; {
		line, rest, ok = nextLine(rest)
		if !ok {
			return ErrResponse
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := cutField(line)
		switch {
		case !ok:
			return ErrResponse
		case equalFold(name, "upgrade"):
			upgrade = upgrade || equalFold(value, "websocket")
		case equalFold(name, "connection"):
			connection = connection || hasToken(value, "upgrade")
		case equalFold(name, "sec-websocket-accept"):
			accepts++
			var want [acceptLen]byte
			accept = accepts == 1 && string(value) == string(appendAccept(want[:0], key))
		}
	}
	switch {
	case len(rest) != 0:
		return ErrResponse
	case !upgrade || !connection:
		return ErrUpgrade
	case !accept:
		return ErrAccept
	}
	return nil
}

// parseStatus reads a status line (RFC 9112 section 4); the reason phrase and
// the space before it may be missing.
func parseStatus(line []byte) (status int, ok bool) {
	const version = "HTTP/1.1 "
	if len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return 0, false
	}
	line = line[len(version):]
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false
		}
		status = status*10 + int(c-'0')
	}
	return status, len(line) == 3 || line[3] == ' '
}
