package codec

import (
	"bytes"
	"strconv"

	"github.com/gobwas/ws/wsflate"
)

// The lists of Sec-WebSocket-Extensions (RFC 6455 section 9.1):
//
//	1#( name *( ";" parameter [ "=" ( token | quoted token ) ] ) )

// offers sums up the Sec-WebSocket-Extensions lines of a request. It holds no
// slices.
type offers struct {
	malformed bool        // a line breaks the grammar
	deflate   deflateTerm // the first acceptable offer of permessage-deflate
}

// add parses the value of one line. Several lines form one list (RFC 9110
// section 5.3).
func (o *offers) add(value []byte) {
	members := 0
	for rest := value; len(rest) > 0; {
		rest = skipBlank(rest)
		if len(rest) == 0 {
			break
		}
		if rest[0] == ',' { // empty members are ignored (RFC 9110 section 5.6.1)
			rest = rest[1:]
			continue
		}
		var ok bool
		if rest, ok = o.readOffer(rest); !ok {
			o.malformed = true
			return
		}
		members++
	}
	if members == 0 {
		o.malformed = true
	}
}

// readOffer reads one member of the list and returns what comes after it.
func (o *offers) readOffer(b []byte) (rest []byte, ok bool) {
	name, rest := cutToken(b)
	if len(name) == 0 {
		return nil, false
	}
	terms := deflateTerm{offered: equalFold(name, wsflate.ExtensionName)}
	for {
		rest = skipBlank(rest)
		if len(rest) == 0 || rest[0] == ',' {
			break
		}
		if rest[0] != ';' {
			return nil, false
		}
		var parameter, value []byte
		var valued bool
		if parameter, value, valued, rest, ok = cutParameter(rest[1:]); !ok {
			return nil, false
		}
		if terms.offered {
			terms.add(parameter, value, valued)
		}
	}
	if terms.offered && !terms.refused && !o.deflate.offered {
		o.deflate = terms
	}
	return rest, true
}

// cutParameter reads name [ = value ]. A quoted value must be a token without
// its quotes.
func cutParameter(b []byte) (name, value []byte, valued bool, rest []byte, ok bool) {
	name, rest = cutToken(skipBlank(b))
	if len(name) == 0 {
		return nil, nil, false, nil, false
	}
	after := skipBlank(rest)
	if len(after) == 0 || after[0] != '=' {
		return name, nil, false, rest, true
	}
	rest = skipBlank(after[1:])
	if len(rest) > 0 && rest[0] == '"' {
		value, rest, ok = cutQuoted(rest[1:])
		return name, value, true, rest, ok
	}
	value, rest = cutToken(rest)
	return name, value, true, rest, len(value) > 0
}

// cutQuoted reads from after an opening quote through the closing one. The
// value is part of b unless it has escapes, which are rare; then it is a copy
// without them.
func cutQuoted(b []byte) (value, rest []byte, ok bool) {
	end, escaped := 0, false
	for end < len(b) && b[end] != '"' {
		if b[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if end >= len(b) {
		return nil, nil, false
	}
	value, rest = b[:end], b[end+1:]
	if escaped {
		plain := make([]byte, 0, len(value))
		for i := 0; i < len(value); i++ {
			if value[i] == '\\' {
				i++
			}
			plain = append(plain, value[i])
		}
		value = plain
	}
	return value, rest, isToken(value)
}

// cutToken reads a token; it is empty if b does not begin with one.
func cutToken(b []byte) (token, rest []byte) {
	n := 0
	for n < len(b) && tokenByte[b[n]] {
		n++
	}
	return b[:n], b[n:]
}

func skipBlank(b []byte) []byte { return bytes.TrimLeft(b, " \t") }

// deflateTerm is one offer of permessage-deflate, or the answer to one (RFC 7692
// section 7.1). As in wsflate, ClientMaxWindowBits is 1 if it has no value.
type deflateTerm struct {
	wsflate.Parameters
	offered bool
	refused bool // a parameter is unknown, repeated, wrong or cannot be met
}

// add records a parameter. A bad one declines this offer, not the handshake
// (RFC 7692 section 7.1). client_max_window_bits says what the client could do;
// the answer need not use it, since we inflate any window up to 32 KiB.
func (d *deflateTerm) add(name, value []byte, valued bool) {
	bits := windowBits(value)
	right := false
	switch {
	case equalFold(name, "server_no_context_takeover"):
		right = !valued && !d.ServerNoContextTakeover
		d.ServerNoContextTakeover = true
	case equalFold(name, "client_no_context_takeover"):
		right = !valued && !d.ClientNoContextTakeover
		d.ClientNoContextTakeover = true
	case equalFold(name, "server_max_window_bits"):
		right = bits.Defined() && !d.ServerMaxWindowBits.Defined()
		d.ServerMaxWindowBits = bits
	case equalFold(name, "client_max_window_bits"):
		right = (!valued || bits.Defined()) && !d.ClientMaxWindowBits.Defined()
		d.ClientMaxWindowBits = max(bits, 1)
	}
	d.refused = d.refused || !right
}

// windowBits reads 8 to 15 without leading zeros (RFC 7692 section 7.1.2). The
// result is undefined for anything else.
func windowBits(value []byte) wsflate.WindowBits {
	switch {
	case len(value) == 1 && (value[0] == '8' || value[0] == '9'):
		return wsflate.WindowBits(value[0] - '0')
	case len(value) == 2 && value[0] == '1' && '0' <= value[1] && value[1] <= '5':
		return wsflate.WindowBits(10 + value[1] - '0')
	}
	return 0
}

// deflateAnswer accepts an offer: each message is compressed on its own, both
// ways, so that one compressed frame serves all receivers and an idle client
// costs no window.
const deflateAnswer = "\r\nSec-WebSocket-Extensions: " + deflateTerms

// deflateTerms agrees on compression without context takeover, both ways.
const deflateTerms = wsflate.ExtensionName + "; server_no_context_takeover; client_no_context_takeover"

// append appends the header line that accepts the offer, starting with the end
// of the line before it.
func (d *deflateTerm) append(dst []byte) []byte {
	dst = append(dst, deflateAnswer...)
	if d.ServerMaxWindowBits.Defined() {
		dst = append(dst, "; server_max_window_bits="...)
		dst = strconv.AppendUint(dst, uint64(d.ServerMaxWindowBits), 10)
	}
	return dst
}
