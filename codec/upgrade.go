package codec

import (
	"crypto/sha1"
	"encoding/base64"
)

// Upgrader takes the server's part of the opening handshake (RFC 6455 section
// 4.2). It is not changed by use: any number of goroutines may share one if
// CheckOrigin allows that. Subprotocols and extensions that a client offers
// are left unanswered, which declines them.
type Upgrader struct {
	// CheckOrigin says whether a request with this Origin header is let in. It is
	// called last, when all else is right, and only if there is such a header:
	// programs that are no browsers send none. nil lets all in. origin is the
	// value without white space around it, valid during the call.
	CheckOrigin func(origin []byte) bool
}

const (
	keyLen    = 24 // base64 of 16 bytes
	acceptLen = 28 // base64 of a SHA-1 sum
	guid      = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	accepted  = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: "
)

// Upgrade checks one complete request head, through its empty line with
// nothing after (see [HandshakeEnd]), and appends the whole HTTP answer to dst,
// a 101 or a refusal. If several things are wrong, the result is the first of:
// too large, not an HTTP/1.1 request, not GET, not an upgrade to WebSocket,
// another version than 13, a bad key, a refused origin. With 256 bytes free in
// dst nothing is allocated for a 101. head is only read.
func (u *Upgrader) Upgrade(dst, head []byte) ([]byte, HandshakeResult) {
	key, result := u.check(head)
	if result != HandshakeOK {
		return AppendRefusal(dst, result), result
	}
	dst = append(dst, accepted...)
	dst = appendAccept(dst, key)
	return append(dst, headEnd...), HandshakeOK
}

func (u *Upgrader) check(head []byte) (key [keyLen]byte, result HandshakeResult) {
	if len(head) > MaxHandshake {
		return key, HandshakeTooLarge
	}
	r, ok := parseRequest(head)
	switch {
	case !ok:
		return key, HandshakeBadRequest
	case string(r.method) != "GET":
		return key, HandshakeMethod
	case r.seen&seenHost == 0 || !r.upgrade || !r.connection:
		return key, HandshakeBadRequest
	case string(r.version) != "13":
		return key, HandshakeVersion
	case !validKey(r.key):
		return key, HandshakeBadRequest
	case r.seen&seenOrigin != 0 && u.CheckOrigin != nil && !u.CheckOrigin(r.origin):
		return key, HandshakeOrigin
	}
	return [keyLen]byte(r.key), HandshakeOK
}

// validKey reports whether a Sec-WebSocket-Key is base64 of 16 bytes.
func validKey(key []byte) bool {
	if len(key) != keyLen {
		return false
	}
	var raw [18]byte // what 24 characters can hold at most
	n, err := base64.StdEncoding.Decode(raw[:], key)
	return err == nil && n == 16
}

// appendAccept appends the Sec-WebSocket-Accept that answers key.
func appendAccept(dst []byte, key [keyLen]byte) []byte {
	var text [keyLen + len(guid)]byte
	copy(text[:], key[:])
	copy(text[keyLen:], guid)
	sum := sha1.Sum(text[:])
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
