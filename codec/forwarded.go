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
// where none is told. A client can send the one field that its proxy does not
// write, so both together must agree.
//
// trusted is asked for an address with IPv4 never in its IPv6 form.
func ForwardedFor(head []byte, peer netip.AddrPort, trusted func(netip.Addr) bool) (netip.AddrPort, Forwarded) {
	var list, field forwardedChain
	for name, value := range Fields(head) {
		switch {
		case equalFold(name, "x-forwarded-for"):
			list.addList(value, trusted)
		case equalFold(name, "forwarded"):
			field.addField(value, trusted)
		}
	}
	a, how := list.outcome(peer)
	if field.seen {
		b, bHow := field.outcome(peer)
		if list.seen && (how != bHow || a.Addr() != b.Addr()) {
			return peer, ForwardedConflict
		}
		a, how = b, bHow
	}
	return a, how
}

// forwardedChain takes the fields of one kind in their order, each from the
// right: of the hops that are not trusted the last of the last field counts. What
// stands left of that one is not looked at, so that a client that makes up a
// long list costs nothing.
type forwardedChain struct {
	seen    bool
	decided bool           // a hop was not trusted
	client  netip.AddrPort // of the last such hop; not valid if it names nobody
	first   netip.AddrPort // the leftmost trusted hop
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

// hop takes the next hop of a field from the right. It returns whether it is
// trusted, so that the one to its left counts.
func (c *forwardedChain) hop(node []byte, bare bool, trusted func(netip.Addr) bool) (addr netip.AddrPort, goOn bool) {
	addr, ok := parseNode(node, bare)
	if ok && trusted(addr.Addr()) {
		return addr, true
	}
	c.decided, c.client = true, addr
	return addr, false
}

// leftmost notes the first hop of a field whose hops are all trusted.
func (c *forwardedChain) leftmost(addr netip.AddrPort) {
	if !c.first.IsValid() {
		c.first = addr
	}
}

// addList takes one X-Forwarded-For field.
func (c *forwardedChain) addList(value []byte, trusted func(netip.Addr) bool) {
	c.seen = true
	for {
		i := bytes.LastIndexByte(value, ',')
		addr, goOn := c.hop(bytes.Trim(value[i+1:], " \t"), true, trusted)
		if !goOn {
			return
		}
		if i < 0 {
			c.leftmost(addr)
			return
		}
		value = value[:i]
	}
}

// maxHops is how many trusted hops one Forwarded field may have at its right.
const maxHops = 32

// addField takes one Forwarded field (RFC 7239 section 4). If its syntax is
// broken it has one hop, which names nobody: where a quote does not end it
// can't be told what a proxy wrote and what the client.
func (c *forwardedChain) addField(value []byte, trusted func(netip.Addr) bool) {
	c.seen = true
	var last [maxHops][]byte // a ring
	n := 0
	for more := true; more; n++ {
		var ok bool
		if last[n%maxHops], value, more, ok = forwardedElement(value); !ok {
			c.decided, c.client = true, netip.AddrPort{}
			return
		}
	}
	for i := n - 1; i >= 0; i-- {
		if i < n-maxHops {
			c.decided, c.client = true, netip.AddrPort{}
			return
		}
		addr, goOn := c.hop(last[i%maxHops], false, trusted)
		if !goOn {
			return
		}
		if i == 0 {
			c.leftmost(addr)
		}
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
