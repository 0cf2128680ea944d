package codec

import (
	"bytes"
	"net/netip"
)

// request is a parsed request head of a handshake. Slices point into the head.
type request struct {
	method     []byte
	target     []byte
	key        []byte
	version    []byte
	origin     []byte
	agent      []byte // the last User-Agent
	offers     offers
	old        bool // HTTP/1.0, which can't upgrade
	upgrade    bool // Upgrade has "websocket"
	connection bool // Connection has "upgrade"
	protocols  bool // there is a Sec-WebSocket-Protocol
	seen       uint8
}

// Headers that may appear only once, as bits of request.seen.
const (
	seenHost = 1 << iota
	seenKey
	seenVersion
	seenOrigin
)

// parseRequest reads a complete head. The result is HandshakeOK for one HTTP/1
// request without a body, else the first error.
func parseRequest(head []byte) (r request, result HandshakeResult) {
	line, rest, ok := nextLine(head)
	if !ok {
		return r, HandshakeRequestLine
	}
	if result = r.parseLine(line); result != HandshakeOK {
		return r, result
	}
	for {
		line, rest, ok = nextLine(rest)
		if !ok {
			return r, HandshakeHeader
		}
		if len(line) == 0 {
			if len(rest) != 0 {
				return r, HandshakeBody
			}
			return r, HandshakeOK
		}
		name, value, ok := cutField(line)
		if !ok {
			return r, HandshakeHeader
		}
		if result = r.add(name, value); result != HandshakeOK {
			return r, result
		}
	}
}

// parseLine reads the request line (RFC 9112 section 3). Only HTTP/1.1 can
// upgrade. 1.0 is accepted here for health probes, and no later version has
// this form.
func (r *request) parseLine(line []byte) HandshakeResult {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !isToken(method) {
		return HandshakeRequestLine
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return HandshakeRequestLine
	}
	r.method, r.target = method, target
	switch {
	case string(version) == "HTTP/1.1":
	case string(version) == "HTTP/1.0":
		r.old = true
	case isHTTPVersion(version):
		return HandshakeHTTPVersion
	default:
		return HandshakeRequestLine
	}
	if !validTarget(target) {
		return HandshakeTarget
	}
	return HandshakeOK
}

// isHTTPVersion accepts HTTP/ and two digits with a dot between them (RFC 9112
// section 2.3).
func isHTTPVersion(b []byte) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	return len(b) == len("HTTP/1.1") && string(b[:5]) == "HTTP/" && digit(b[5]) && b[6] == '.' && digit(b[7])
}

// add records a header line. Host, Origin and the two WebSocket values may
// appear once (RFC 6455 section 11.3, RFC 9112 section 3.2). Upgrade and
// Connection are lists that may span several lines (RFC 9110 section 5.3).
func (r *request) add(name, value []byte) HandshakeResult {
	switch {
	case equalFold(name, "host"):
		return unless(r.once(seenHost) && validHost(value), HandshakeHost)
	case equalFold(name, "upgrade"):
		r.upgrade = r.upgrade || hasToken(value, "websocket")
	case equalFold(name, "connection"):
		r.connection = r.connection || hasToken(value, "upgrade")
	case equalFold(name, "sec-websocket-key"):
		r.key = value
		return unless(r.once(seenKey), HandshakeBadKey)
	case equalFold(name, "sec-websocket-version"):
		r.version = value
		return unless(r.once(seenVersion), HandshakeRepeated)
	case equalFold(name, "origin"):
		r.origin = value
		return unless(r.once(seenOrigin), HandshakeRepeated)
	case equalFold(name, "sec-websocket-extensions"):
		r.offers.add(value)
	case equalFold(name, "sec-websocket-protocol"):
		r.protocols = true
	case equalFold(name, "user-agent"):
		r.agent = value
	case equalFold(name, "transfer-encoding"):
		return HandshakeBody // the body would be read as frames
	case equalFold(name, "content-length"):
		return unless(string(value) == "0", HandshakeBody)
	}
	return HandshakeOK
}

// unless returns HandshakeOK if good, else why.
func unless(good bool, why HandshakeResult) HandshakeResult {
	if good {
		return HandshakeOK
	}
	return why
}

func (r *request) once(bit uint8) bool {
	first := r.seen&bit == 0
	r.seen |= bit
	return first
}

// validTarget accepts a path with an optional query, or an absolute http or
// https URI (RFC 6455 section 4.2.1). It refuses fragments (section 3) and
// bytes outside printable ASCII. It accepts the characters that browsers leave
// unescaped in a query against RFC 3986.
func validTarget(target []byte) bool {
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	if len(target) == 0 {
		return false
	}
	host, rest, ok := splitTarget(target)
	if !ok || target[0] != '/' && !validHost(host) {
		return false
	}
	path, _, _ := bytes.Cut(rest, []byte{'?'})
	return validEscapes(path)
}

// splitTarget splits a request target into the authority of its URI, nil if it
// has none, and the path with the query. ok is false if it is neither a path nor
// an http or https URI.
func splitTarget(target []byte) (authority, path []byte, ok bool) {
	if len(target) == 0 || target[0] == '/' {
		return nil, target, true
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
		return nil, nil, false
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], rest[end:], true
}

// pathOf returns a target's path with the query, nil if it has none.
func pathOf(target []byte) []byte {
	_, path, _ := splitTarget(target)
	return path
}

// validEscapes reports whether two hexadecimal digits follow each %.
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

// validHost accepts host or host:port, where host is a name, an IPv4 address or
// an IPv6 address in brackets (RFC 9110 section 7.2). It may not be empty: a
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

// validPort accepts nothing, or a colon and digits. The number is not used.
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
