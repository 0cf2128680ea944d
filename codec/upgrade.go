package codec

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
)

// Upgrader takes the server's part of the opening handshake (RFC 6455 section
// 4.2). It is not changed by use: any number of goroutines may share one if
// CheckOrigin allows that. What a client offers of subprotocols but Subprotocol, and
// of extensions but permessage-deflate, is left unanswered, which declines it.
type Upgrader struct {
	// CheckOrigin says whether a request with this Origin header is let in. It is
	// called last, when all else is right, and only if there is such a header:
	// programs that are no browsers send none. nil lets all in. origin is the
	// value without white space around it, valid during the call.
	CheckOrigin func(origin []byte) bool

	// Uncompressed says whether permessage-deflate is declined to a client with this
	// User-Agent, because it offers it and does not speak it well. It is called only
	// for a client with an offer that can be met, with nil if it tells no name; nil
	// declines it to nobody. agent is valid during the call.
	Uncompressed func(agent []byte) bool

	// Compress accepts offers of permessage-deflate (RFC 7692), always without
	// context takeover, both ways. Without it Sec-WebSocket-Extensions is not
	// looked at.
	Compress bool

	// Subprotocol is selected when the client offers it, letter for letter. Empty
	// selects none.
	Subprotocol string
}

// Agreement is what a handshake has settled beside the upgrade itself.
type Agreement struct {
	// WindowBits is 0 unless permessage-deflate was agreed on. Then it is the
	// largest window, 8 to 15 bits, that what is sent to this client may use.
	WindowBits uint8
}

// Window bits of permessage-deflate (RFC 7692 section 7.1.2).
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

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
// too large, the first line that breaks the grammar of a request without body, not
// HTTP/1.1, a malformed Sec-WebSocket-Extensions, not GET, no Host, no Upgrade, no
// Connection, another version than 13, a bad key, a refused origin. With 384 bytes free in
// dst nothing is allocated for a 101. head is only read.
func (u *Upgrader) Upgrade(dst, head []byte) ([]byte, HandshakeResult) {
	dst, _, result := u.Negotiate(dst, head)
	return dst, result
}

// Negotiate is [Upgrader.Upgrade] and tells what was agreed on. With Compress
// a Sec-WebSocket-Extensions that breaks its grammar is a bad request (RFC 6455
// section 9.1). Of several offers the first that can be met is taken; if there
// is none, the answer has no extension.
func (u *Upgrader) Negotiate(dst, head []byte) ([]byte, Agreement, HandshakeResult) {
	r, result := u.check(head)
	if result != HandshakeOK {
		return AppendRefusal(dst, result), Agreement{}, result
	}
	dst = append(dst, accepted...)
	dst = appendAccept(dst, [keyLen]byte(r.key))
	if r.protocols && u.Subprotocol != "" && offersProtocol(head, u.Subprotocol) {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, u.Subprotocol...)
	}
	var agreed Agreement
	if offer := r.offers.deflate; u.Compress && offer.offered && (u.Uncompressed == nil || !u.Uncompressed(r.agent)) {
		dst = offer.append(dst)
		if agreed.WindowBits = uint8(offer.ServerMaxWindowBits); agreed.WindowBits == 0 {
			agreed.WindowBits = MaxWindowBits
		}
	}
	return append(dst, headEnd...), agreed, HandshakeOK
}

func (u *Upgrader) check(head []byte) (r request, result HandshakeResult) {
	if len(head) > MaxHandshake {
		return r, HandshakeTooLarge
	}
	if r, result = parseRequest(head); result != HandshakeOK {
		return r, result
	}
	switch {
	case r.old:
		return r, HandshakeHTTPVersion
	case u.Compress && r.offers.malformed:
		return r, HandshakeExtensions
	case string(r.method) != "GET":
		return r, HandshakeMethod
	case r.seen&seenHost == 0:
		return r, HandshakeHost
	case !r.upgrade:
		return r, HandshakeNoUpgrade
	case !r.connection:
		return r, HandshakeConnection
	case string(r.version) != "13":
		return r, HandshakeVersion
	case r.seen&seenKey == 0:
		return r, HandshakeNoKey
	case !validKey(r.key):
		return r, HandshakeBadKey
	case r.seen&seenOrigin != 0 && u.CheckOrigin != nil && !u.CheckOrigin(r.origin):
		return r, HandshakeOrigin
	}
	return r, HandshakeOK
}

// offersProtocol tells whether a head offers a subprotocol.
func offersProtocol(head []byte, want string) bool {
	for name, value := range Fields(head) {
		if !equalFold(name, "sec-websocket-protocol") {
			continue
		}
		for more := true; more; {
			var item []byte
			item, value, more = bytes.Cut(value, []byte{','})
			if string(bytes.Trim(item, " \t")) == want {
				return true
			}
		}
	}
	return false
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
