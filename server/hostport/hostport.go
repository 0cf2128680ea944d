// Package hostport knows host:port as settings have it: which can be listened on
// or connected to, and which can't be listened on at once.
package hostport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"castgate/server/internal/listen"
)

// Check reports why host:port, as a setting has it, can't be listened on
// or connected to: it has no port from 0 to 65535, or a host that is neither an
// address nor a name. An empty host is all addresses; an empty port is refused, since
// it is mostly a variable that was not set. Nothing is looked up but names of ports.
func Check(address string) error {
	host, service, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(address, `/\?#@ `) {
		return errors.New("is not host:port")
	}
	if service == "" {
		return errors.New("has no port")
	}
	if _, err := net.LookupPort("tcp", service); err != nil || strings.TrimLeft(service, "+-") != service {
		return errors.New("has no port from 0 to 65535")
	}
	if _, err := netip.ParseAddr(host); host == "" || err == nil {
		return nil
	} else if address[0] == '[' {
		return errors.New("has no IPv6 address in its brackets")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return notInName(r) }) {
			return errors.New("has a host that is neither an address nor a name")
		}
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil {
		return errors.New("has a host that is neither an address nor a name")
	}
	return nil
}

// notInName tells whether a host's name can't have r.
func notInName(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// Same tells whether two valid host:port can't be listened on at once:
// they have the same port, and one has the other's address or all of them, or
// they are the same socket that was passed, fd:NAME. Port 0 is any free one.
func Same(a, b string) bool {
	if name, ok := listen.Name(a); ok {
		other, _ := listen.Name(b)
		return name == other
	}
	host, port := listenOn(a)
	otherHost, otherPort := listenOn(b)
	return port > 0 && port == otherPort && (host == otherHost || host == "" || otherHost == "")
}

// listenOn are the host that an address is listened on, "" for all, and the
// port, -1 if it is not valid.
func listenOn(address string) (host string, port int) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", -1
	}
	if port, err = net.LookupPort("tcp", service); err != nil {
		return "", -1
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" {
		host = "127.0.0.1" // the one that Go listens on
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); a.IsUnspecified() {
			return "", port // Go listens on both families for either
		}
		host = a.String()
	}
	return host, port
}
