package codec

import (
	"bytes"
	"net/netip"
)

// request is what a handshake's request head says. Slices point into the head.
type request struct {
	method     []byte
	key        []byte
	version    []byte
	origin     []byte
	offers     offers
	upgrade    bool // Upgrade has "websocket"
	connection bool // Connection has "upgrade"
	protocols  bool // there is a Sec-WebSocket-Protocol
	seen       uint8
}

// Headers that may come once only, as bits of request.seen.
const (
	seenHost = 1 << iota
	seenKey
	seenVersion
	seenOrigin
)

// parseRequest reads a complete head and reports whether it is one HTTP/1.1
// request without a body.
func parseRequest(head []byte) (r request, ok bool) {
	line, rest, ok := nextLine(head)
	if !ok || !r.parseLine(line) {
		return r, false
	}
	for {
		line, rest, ok = nextLine(rest)
		if !ok {
			return r, false
		}
		if len(line) == 0 {
			return r, len(rest) == 0
		}
		name, value, ok := cutField(line)
		if !ok || !r.take(name, value) {
			return r, false
		}
	}
}

// parseLine reads the request line (RFC 9112 section 3). Another version than
// HTTP/1.1 is refused: 1.0 can't upgrade and above 1.1 none has this form.
func (r *request) parseLine(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !isToken(method) {
		return false
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	r.method = method
	return ok && string(version) == "HTTP/1.1" && validTarget(target)
}

// take notes a header line. Host, the origin and the two WebSocket values may
// come once (RFC 6455 section 11.3, RFC 9112 section 3.2); Upgrade and
// Connection are lists, whose lines add up (RFC 9110 section 5.3).
func (r *request) take(name, value []byte) bool {
	switch {
	case equalFold(name, "host"):
		return r.once(seenHost) && validHost(value)
	case equalFold(name, "upgrade"):
		r.upgrade = r.upgrade || hasToken(value, "websocket")
	case equalFold(name, "connection"):
		r.connection = r.connection || hasToken(value, "upgrade")
	case equalFold(name, "sec-websocket-key"):
		r.key = value
		return r.once(seenKey)
	case equalFold(name, "sec-websocket-version"):
		r.version = value
		return r.once(seenVersion)
	case equalFold(name, "origin"):
		r.origin = value
		return r.once(seenOrigin)
	case equalFold(name, "sec-websocket-extensions"):
		r.offers.take(value)
	case equalFold(name, "sec-websocket-protocol"):
		r.protocols = true
	case equalFold(name, "transfer-encoding"):
		return false // a body would be taken for frames
	case equalFold(name, "content-length"):
		return string(value) == "0"
	}
	return true
}

func (r *request) once(bit uint8) bool {
	first := r.seen&bit == 0
	r.seen |= bit
	return first
}

// validTarget takes a path with an optional query, or an absolute http or
// https URI (RFC 6455 section 4.2.1). Fragments are refused (section 3), so
// are bytes outside printable ASCII. The characters that browsers leave bare
// in a query, though RFC 3986 does not, are taken.
func validTarget(target []byte) bool {
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	if len(target) > 0 && target[0] != '/' {
		scheme, rest, ok := bytes.Cut(target, []byte("://"))
		if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
			return false
		}
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !validHost(rest[:end]) {
			return false
		}
		target = rest[end:]
	} else if len(target) == 0 {
		return false
	}
	path, _, _ := bytes.Cut(target, []byte{'?'})
	return validEscapes(path)
}

// validEscapes reports whether each % has two hexadecimal digits after it.
func validEscapes(path []byte) bool {
	for {
		_, after, found := bytes.Cut(path, []byte{'%'})
		if !found {
			return true
		}
		if len(after) < 2 || !isHex(after[0]) || !isHex(after[1]) {
			return false
		}
		path = after[2:]
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// validHost takes host or host:port, where host is a name, an IPv4 address or
// an IPv6 address in brackets (RFC 9110 section 7.2). Empty is refused: a
// WebSocket URI always has a host.
func validHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(string(b[1:end]))
		return err == nil && addr.Is6() && addr.Zone() == "" && validPort(b[end+1:])
	}
	name := b
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		name = b[:i]
		if !validPort(b[i:]) {
			return false
		}
	}
	for _, c := range name {
		if !tokenByte[c] || c == '%' || c == '^' || c == '`' || c == '|' || c == '#' {
			return false
		}
	}
	return len(name) > 0
}

// validPort takes nothing, or a colon and digits. The number is not used.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
