package codec

import (
	"bytes"
	"net/netip"
	"strconv"
)

// Forwarded says what a request's X-Forwarded-For and Forwarded fields come to.
type Forwarded uint8

// The outcomes of [ForwardedFor].
const (
	ForwardedNone     Forwarded = iota // no such field, or trusted addresses only
	ForwardedClient                    // an address that is not trusted
	ForwardedUnknown                   // nothing that names an address: unknown, hidden, garbage
	ForwardedConflict                  // the two fields name different clients
)

// ForwardedFor finds the client behind trusted proxies in the X-Forwarded-For
// and Forwarded (RFC 7239) fields of a complete request head that came from a
// trusted peer. Each proxy appends the address that it saw, so the list is
// read from the right: the first address that is not trusted is the client;
// what stands left of it, the client may have written itself. If all are
// trusted, the leftmost is the client. Where the deciding place holds no
// address the peer's is answered, as it is without any field. The port is 0
// where none is told.
//
// A client can send the one field that its proxy does not write, so two fields
// that name somebody must agree. One that names nobody on purpose contradicts
// nothing: its deciding place has no "for", "unknown" or a made-up name that begins
// with _ (RFC 7239 section 6).
//
// At most maxHops addresses are looked at, whatever the client has sent. trusted is
// asked for an address with IPv4 never in its IPv6 form.
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

// maxHops is how many addresses and lines are looked at from the right: more
// proxies than that stand in front of nothing.
const maxHops = 32

// forwardedLines are the last lines of one field.
type forwardedLines struct {
	last [maxHops][]byte // a ring
	n    int             // how many there have been
}

func (f *forwardedLines) note(value []byte) {
	f.last[f.n%maxHops] = value
	f.n++
}

// walk takes the lines, of X-Forwarded-For if list, from the last to the first,
// until one has decided.
func (f *forwardedLines) walk(list bool, trusted func(netip.Addr) bool) (c forwardedChain) {
	for i := f.n - 1; i >= 0 && !c.decided; i-- {
		if i < f.n-maxHops {
			c.decided = true
			break
		}
		if line := f.last[i%maxHops]; list {
			c.takeList(line, trusted)
		} else {
			c.takeField(line, trusted)
		}
	}
	return c
}

// forwardedChain is what the hops of one field come to, taken from the right: the
// first that is not trusted counts. What stands left of that one is not looked
// at, so that a client that makes up a long list costs nothing.
type forwardedChain struct {
	decided bool           // a hop was not trusted, or there were too many
	silent  bool           // and it names nobody on purpose
	client  netip.AddrPort // that hop; not valid if it names nobody
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

// hop takes the next hop from the right.
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

// namesNobody tells whether a node says that nobody is to be named (RFC 7239
// sections 6.2 and 6.3): it is empty, unknown, or a made-up name.
func namesNobody(node []byte) bool {
	name, _, _ := bytes.Cut(node, []byte{':'})
	return len(node) == 0 || equalFold(name, "unknown") || len(name) > 1 && name[0] == '_'
}

// takeList takes one X-Forwarded-For field.
func (c *forwardedChain) takeList(value []byte, trusted func(netip.Addr) bool) {
	for !c.decided {
		i := bytes.LastIndexByte(value, ',')
		c.hop(bytes.Trim(value[i+1:], " \t"), true, trusted)
		if i < 0 {
			return
		}
		value = value[:i]
	}
}

// takeField takes one Forwarded field (RFC 7239 section 4). If its syntax is
// broken it has one hop, which names nobody: where a quote does not end it
// can't be told what a proxy wrote and what the client.
func (c *forwardedChain) takeField(value []byte, trusted func(netip.Addr) bool) {
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
		c.hop(last[i%maxHops], false, trusted) // the one too many is not looked at
	}
}

// forwardedElement cuts the first element off a Forwarded field and returns
// its "for". more tells that a comma followed.
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

// forwardedValue cuts a token or a quoted string off. Escapes in a string are
// left as they are: no address needs one.
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

// parseNode reads an address with or without a port (RFC 7239 section 6):
// IPv4, IPv6 in brackets and, if bare, without them. A port may be hidden.
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

// hiddenPort takes an obfport (RFC 7239 section 6.3).
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
