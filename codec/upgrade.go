package codec

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
)

// Upgrader is the server's side of the opening handshake (RFC 6455 section
// 4.2). It is not changed by use: any number of goroutines may share one if
// CheckOrigin allows that. Offered subprotocols other than Subprotocol, and
// extensions other than permessage-deflate, are declined by not answering them.
type Upgrader struct {
	// CheckOrigin reports whether a request with this Origin header is
	// accepted. It is called last, when everything else is right, and only if
	// there is such a header: programs other than browsers send none. nil
	// accepts all. origin is the value without white space around it, valid
	// during the call.
	CheckOrigin func(origin []byte) bool

	// Uncompressed reports whether permessage-deflate is declined for a client
	// with this User-Agent, because it offers the extension but implements it
	// badly. It is called only for a client with an acceptable offer, with nil
	// if the client sends no User-Agent; a nil Uncompressed declines it for no
	// client. agent is valid during the call.
	Uncompressed func(agent []byte) bool

	// Compress accepts offers of permessage-deflate (RFC 7692), always without
	// context takeover, in both directions. Without it,
	// Sec-WebSocket-Extensions is ignored.
	Compress bool

	// Subprotocol is selected if the client offers it; the comparison is exact.
	// Empty selects none.
	Subprotocol string
}

// Agreement is what a handshake has agreed on besides the upgrade itself.
type Agreement struct {
	// WindowBits is 0 unless permessage-deflate was agreed on. Otherwise it is
	// the largest window, 8 to 15 bits, for messages to this client.
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

// Upgrade checks one complete request head, through its empty line with nothing
// after (see [HandshakeEnd]), and appends the whole HTTP answer to dst, a 101
// or a refusal. If several things are wrong, the result is the first of: too
// large, the first line that breaks the grammar of a request without body, not
// HTTP/1.1, a malformed Sec-WebSocket-Extensions, not GET, no Host, no Upgrade,
// no Connection, a version other than 13, a bad key, a refused origin. With 384
// bytes free in dst a 101 allocates nothing. head is only read.
func (u *Upgrader) Upgrade(dst, head []byte) ([]byte, HandshakeResult) {
	dst, _, result := u.Negotiate(dst, head)
	return dst, result
}

// Negotiate is [Upgrader.Upgrade] and also returns what was agreed on. With
// Compress, a malformed Sec-WebSocket-Extensions is a bad request (RFC 6455
// section 9.1). Of several offers the first acceptable one is used; if there is
// none, the answer has no extension.
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

// offersProtocol reports whether a head offers a subprotocol.
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
