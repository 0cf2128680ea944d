// Package hostport checks host:port in settings: which addresses can be listened on
// or connected to, and which two cannot be listened on at the same time.
package hostport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"castgate/server/internal/listen"
)

// Check returns why host:port cannot be listened on or connected to: the port is
// missing or not from 0 to 65535, or the host is neither an address nor a name. An
// empty host means all addresses. An empty port is refused, since it usually comes
// from a variable that was not set. Only names of ports are looked up.
func Check(address string) error {
	host, service, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(address, `/\?#@ `) {
		return errors.New("is not host:port")
	}
	if service == "" {
		return errors.New("has no port")
	}
	if _, err := net.LookupPort("tcp", service); err != nil || strings.TrimLeft(service, "+-") != service {
		return errors.New("has a port that is not from 0 to 65535")
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

// notInName reports whether a host name cannot contain r.
func notInName(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// Same reports whether two valid addresses cannot be listened on at the same time:
// they have the same port and one has the other's host or all hosts, or both are
// the same passed socket fd:NAME. Port 0 means any free port, so it never
// conflicts.
func Same(a, b string) bool {
	if name, ok := listen.Name(a); ok {
		other, _ := listen.Name(b)
		return name == other
	}
	host, port := listenOn(a)
	otherHost, otherPort := listenOn(b)
	return port > 0 && port == otherPort && (host == otherHost || host == "" || otherHost == "")
}

// listenOn returns the host that an address is listened on, "" for all, and the
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
		host = "127.0.0.1" // the address that Go listens on
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); a.IsUnspecified() {
			return "", port // Go listens on both families for either
		}
		host = a.String()
	}
	return host, port
}
