package codec

import (
	"bytes"
	"net/netip"
	"strconv"
)

// Forwarded is what a request's X-Forwarded-For and Forwarded fields say.
type Forwarded uint8

// The outcomes of [ForwardedFor].
const (
	ForwardedNone     Forwarded = iota // no such field, or trusted addresses only
	ForwardedClient                    // an address that is not trusted
	ForwardedUnknown                   // not an address: unknown, hidden or garbage
	ForwardedConflict                  // the two fields name different clients
)

// ForwardedFor finds the client behind trusted proxies in the X-Forwarded-For
// and Forwarded (RFC 7239) fields of a complete request head that came from a
// trusted peer. Each proxy appends the address that it saw, so the list is read
// from the right: the first address that is not trusted is the client;
// everything to its left may have been written by the client itself. If all are
// trusted, the leftmost is the client. If the deciding entry is not an address,
// or there is no field, the result is the peer's address. The port is 0 if none
// is given.
//
// A client can send the one field that its proxy does not write, so two fields
// that name clients must agree. A field whose deciding entry deliberately names
// nobody contradicts nothing: it has no "for", or "unknown", or an obfuscated
// name that begins with _ (RFC 7239 section 6).
//
// At most maxHops addresses are examined, whatever the client sends. trusted
// never gets an IPv4 address in its IPv6 form.
func ForwardedFor(head []byte, peer netip.AddrPort, trusted func(netip.Addr) bool) (netip.AddrPort, Forwarded) {
	var list, field forwardedLines
	for name, value := range Fields(head) {
		switch {
		case equalFold(name, "x-forwarded-for"):
			list.note(value)
		case equalFold(name, "forwarded"):
			field.note(value)
		}
	}
	if field.n == 0 {
		c := list.walk(true, trusted)
		return c.outcome(peer)
	}
	c := field.walk(false, trusted)
	if list.n == 0 {
		return c.outcome(peer)
	}
	other := list.walk(true, trusted)
	switch {
	case c.silent:
		return other.outcome(peer)
	case other.silent:
		return c.outcome(peer)
	}
	a, how := other.outcome(peer)
	b, bHow := c.outcome(peer)
	if how != bHow || a.Addr() != b.Addr() {
		return peer, ForwardedConflict
	}
	return b, how
}

// maxHops is how many addresses and lines are examined from the right: no
// gateway has more proxies in front of it.
const maxHops = 32

// forwardedLines are the last lines of one field.
type forwardedLines struct {
	last [maxHops][]byte // a ring
	n    int             // number of lines so far
}

func (f *forwardedLines) note(value []byte) {
	f.last[f.n%maxHops] = value
	f.n++
}

// walk reads the lines from the last to the first until one has decided; list
// says that they are X-Forwarded-For.
func (f *forwardedLines) walk(list bool, trusted func(netip.Addr) bool) (c forwardedChain) {
	for i := f.n - 1; i >= 0 && !c.decided; i-- {
		if i < f.n-maxHops {
			c.decided = true
			break
		}
		if line := f.last[i%maxHops]; list {
			c.readList(line, trusted)
		} else {
			c.readField(line, trusted)
		}
	}
	return c
}

// forwardedChain is the result of the hops of one field, read from the right:
// the first that is not trusted counts. Nothing to its left is examined, so a
// client's long made-up list costs nothing.
type forwardedChain struct {
	decided bool           // a hop was not trusted, or there were too many
	silent  bool           // and it deliberately names nobody
	client  netip.AddrPort // that hop; invalid if it names nobody
	first   netip.AddrPort // the leftmost trusted hop so far
	hops    int
}

func (c *forwardedChain) outcome(peer netip.AddrPort) (netip.AddrPort, Forwarded) {
	switch {
	case c.decided && c.client.IsValid():
		return c.client, ForwardedClient
	case c.decided:
		return peer, ForwardedUnknown
	case c.first.IsValid():
		return c.first, ForwardedNone
	}
	return peer, ForwardedNone
}

// hop reads the next hop from the right.
func (c *forwardedChain) hop(node []byte, bare bool, trusted func(netip.Addr) bool) {
	if c.hops++; c.hops > maxHops {
		c.decided = true
		return
	}
	addr, ok := parseNode(node, bare)
	if ok && trusted(addr.Addr()) {
		c.first = addr
		return
	}
	c.decided, c.client, c.silent = true, addr, !ok && namesNobody(node)
}

// namesNobody reports whether a node deliberately names nobody (RFC 7239
// sections 6.2 and 6.3): it is empty, unknown, or an obfuscated name.
func namesNobody(node []byte) bool {
	name, _, _ := bytes.Cut(node, []byte{':'})
	return len(node) == 0 || equalFold(name, "unknown") || len(name) > 1 && name[0] == '_'
}

// readList reads one X-Forwarded-For field.
func (c *forwardedChain) readList(value []byte, trusted func(netip.Addr) bool) {
	for !c.decided {
		i := bytes.LastIndexByte(value, ',')
		c.hop(bytes.Trim(value[i+1:], " \t"), true, trusted)
		if i < 0 {
			return
		}
		value = value[:i]
	}
}

// readField reads one Forwarded field (RFC 7239 section 4). A field with
// invalid syntax is one hop that names nobody: if a quote does not end, it is
// unknown what a proxy wrote and what the client.
func (c *forwardedChain) readField(value []byte, trusted func(netip.Addr) bool) {
	var last [maxHops][]byte // a ring
	n := 0
	for more := true; more; n++ {
		var ok bool
		if last[n%maxHops], value, more, ok = forwardedElement(value); !ok {
			c.decided = true
			return
		}
	}
	for i := n - 1; i >= 0 && !c.decided; i-- {
		c.hop(last[i%maxHops], false, trusted) // the hop beyond the limit is not examined
	}
}

// forwardedElement splits the first element off a Forwarded field and returns
// its "for". more reports that a comma followed.
func forwardedElement(b []byte) (node, rest []byte, more, ok bool) {
	for named := false; ; {
		b = bytes.TrimLeft(b, " \t")
		i := 0
		for i < len(b) && tokenByte[b[i]] {
			i++
		}
		if i == 0 || i == len(b) || b[i] != '=' {
			return nil, nil, false, false
		}
		name := b[:i]
		value, after, good := forwardedValue(b[i+1:])
		if equalFold(name, "for") {
			good = good && !named
			named, node = true, value
		}
		b = bytes.TrimLeft(after, " \t")
		switch {
		case !good:
			return nil, nil, false, false
		case len(b) == 0:
			return node, nil, false, true
		case b[0] == ',':
			return node, b[1:], true, true
		case b[0] != ';':
			return nil, nil, false, false
		}
		b = b[1:]
	}
}

// forwardedValue splits a token or a quoted string off. Escapes in a string are
// not decoded: no address needs one.
func forwardedValue(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		i := 0
		for i < len(b) && tokenByte[b[i]] {
			i++
		}
		return b[:i], b[i:], i > 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// maxNode is the longest address with a port.
const maxNode = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

// parseNode parses an address with or without a port (RFC 7239 section 6):
// IPv4, IPv6 in brackets and, if bare, without them. The port may be
// obfuscated.
func parseNode(b []byte, bare bool) (netip.AddrPort, bool) {
	if len(b) > maxNode {
		return netip.AddrPort{}, false
	}
	host, port, six := b, []byte(nil), false
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || end+1 < len(b) && b[end+1] != ':' {
			return netip.AddrPort{}, false
		}
		host, six = b[1:end], true
		if end+1 < len(b) {
			port = b[end+1:]
		}
	} else if i := bytes.IndexByte(b, ':'); i >= 0 {
		if bytes.IndexByte(b[i+1:], ':') >= 0 {
			six = bare
		} else {
			host, port = b[:i], b[i:]
		}
	}
	a, err := netip.ParseAddr(string(host))
	if err != nil || a.Zone() != "" || a.Is6() != six {
		return netip.AddrPort{}, false
	}
	n := uint64(0)
	if port != nil && !hiddenPort(port[1:]) {
		if n, err = strconv.ParseUint(string(port[1:]), 10, 16); err != nil {
			return netip.AddrPort{}, false
		}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// hiddenPort reports whether b is an obfport (RFC 7239 section 6.3).
func hiddenPort(b []byte) bool {
	if len(b) < 2 || b[0] != '_' {
		return false
	}
	for _, c := range b {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
