package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// MaxProxyHeader is the longest PROXY protocol header that is accepted, in
// bytes: addresses and some extensions, such as the server name that a TLS
// client asked for.
const MaxProxyHeader = 4 << 10

// ErrProxyHeader says that bytes are not a PROXY protocol header.
var ErrProxyHeader = errors.New("codec: malformed PROXY protocol header")

const (
	proxyV1     = "PROXY "
	proxyV1Len  = 107 // of the longest line, its CRLF included
	proxyV2     = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Head = len(proxyV2) + 4
)

// ParseProxyHeader reads the header of the PROXY protocol, version 1 or 2
// (haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2), at the start of a
// connection's bytes. n is its length; 0 without an error means that the header
// is incomplete. source is the address that connected to the proxy. It is not
// valid if the proxy speaks for itself (LOCAL) or does not know (UNKNOWN,
// UNSPEC, a UNIX socket); use the socket's own address then. IPv4 mapped into
// IPv6 is returned as IPv4. Extensions are skipped. The error is
// ErrProxyHeader, as soon as b cannot become a header.
func ParseProxyHeader(b []byte) (source netip.AddrPort, n int, err error) {
	switch {
	case begins(b, proxyV1):
		return parseProxyLine(b)
	case begins(b, proxyV2):
		return parseProxyBinary(b)
	}
	return source, 0, ErrProxyHeader
}

// HasProxyHeader reports whether a supposed request head is in fact the
// beginning of a PROXY protocol header.
func HasProxyHeader(head []byte) bool {
	return len(head) >= len(headEnd) && (begins(head, proxyV1) || begins(head, proxyV2))
}

// begins reports whether b and text agree as far as the shorter of them goes.
func begins(b []byte, text string) bool {
	n := min(len(b), len(text))
	return string(b[:n]) == text[:n]
}

// parseProxyLine reads version 1: PROXY TCP4|TCP6 source destination port port.
func parseProxyLine(b []byte) (source netip.AddrPort, n int, err error) {
	window := b[:min(len(b), proxyV1Len)]
	end := bytes.IndexByte(window, '\n')
	if end < 0 {
		if len(window) == proxyV1Len {
			return source, 0, ErrProxyHeader
		}
		return source, 0, nil
	}
	n = end + 1
	if end < len(proxyV1) || b[end-1] != '\r' {
		return source, 0, ErrProxyHeader
	}
	line := string(b[len(proxyV1) : end-1])
	if line == "UNKNOWN" || strings.HasPrefix(line, "UNKNOWN ") {
		return source, n, nil // the rest must be ignored
	}
	part := strings.Split(line, " ")
	if len(part) != 5 {
		return source, 0, ErrProxyHeader
	}
	from, ok1 := proxyAddr(part[0], part[1])
	_, ok2 := proxyAddr(part[0], part[2])
	port, ok3 := proxyPort(part[3])
	_, ok4 := proxyPort(part[4])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return source, 0, ErrProxyHeader
	}
	return netip.AddrPortFrom(from.Unmap(), port), n, nil
}

func proxyAddr(family, text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return a, false
	}
	return a, family == "TCP4" && a.Is4() || family == "TCP6" && a.Is6()
}

func proxyPort(text string) (uint16, bool) {
	p, err := strconv.ParseUint(text, 10, 16)
	return uint16(p), err == nil && (text == "0" || text[0] != '0') && text[0] != '+'
}

// parseProxyBinary reads version 2.
func parseProxyBinary(b []byte) (source netip.AddrPort, n int, err error) {
	if len(b) < proxyV2Head {
		return source, 0, nil
	}
	command, family := b[12], b[13]
	length := int(binary.BigEndian.Uint16(b[14:]))
	n = proxyV2Head + length
	if n > MaxProxyHeader || command != 0x20 && command != 0x21 {
		return source, 0, ErrProxyHeader
	}
	local := command == 0x20
	var addrLen int // of each of the two addresses
	switch family {
	case 0x00, 0x31: // UNSPEC; UNIX stream
		local = true
	case 0x11: // TCP over IPv4
		addrLen = 4
	case 0x21: // TCP over IPv6
		addrLen = 16
	default: // datagrams are not supported, the rest is unassigned
		if !local {
			return source, 0, ErrProxyHeader
		}
	}
	if !local && length < 2*addrLen+4 {
		return source, 0, ErrProxyHeader
	}
	if len(b) < n {
		return source, 0, nil
	}
	if local {
		return source, n, nil
	}
	body := b[proxyV2Head:]
	from, _ := netip.AddrFromSlice(body[:addrLen])
	return netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(body[2*addrLen:])), n, nil
}
