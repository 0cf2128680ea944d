// Package address resolves the URLs that connections go to and the addresses that they
// come from, and checks whether there are enough ports.
package address

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"golang.org/x/sys/unix"
)

// Target is one resolved URL.
type Target struct {
	URL  string
	Host string // for the Host header
	Path string // with the query
	Addr netip.AddrPort
	Name string      // that its certificate must be valid for; "" without TLS
	TLS  *tls.Config // nil without TLS
}

// Secure gives a wss target the client's TLS configuration.
func (t *Target) Secure(c *tls.Config) {
	if t.Name == "" {
		return
	}
	if c == nil {
		c = &tls.Config{}
	}
	if t.TLS = c.Clone(); t.TLS.ServerName == "" {
		t.TLS.ServerName = t.Name
	}
}

// ResolveAll resolves all URLs.
func ResolveAll(ctx context.Context, urls []string, sources []netip.Addr) ([]Target, error) {
	all := make([]Target, len(urls))
	for i, u := range urls {
		var err error
		if all[i], err = Resolve(ctx, u, sources); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Resolve turns a URL into an address of the same family as the source
// addresses; without those, IPv4 is preferred.
func Resolve(ctx context.Context, raw string, sources []netip.Addr) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Target{}, err
	}
	usual := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if usual == "" || u.Hostname() == "" {
		return Target{}, fmt.Errorf("%q is not ws://host:port/path or wss://host:port/path", raw)
	}
	port := u.Port()
	if port == "" {
		port = usual
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", raw, err)
	}
	network := "ip"
	if len(sources) > 0 {
		network = "ip6"
		if sources[0].Is4() {
			network = "ip4"
		}
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, u.Hostname())
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", raw, err)
	}
	addr := addrs[0].Unmap()
	for _, a := range addrs {
		if a.Unmap().Is4() {
			addr = a.Unmap()
			break
		}
	}
	t := Target{URL: raw, Host: u.Host, Path: u.RequestURI(), Addr: netip.AddrPortFrom(addr, uint16(number))}
	if u.Scheme == "wss" {
		t.Name = u.Hostname()
	}
	return t, nil
}

// Sockaddr makes a new value for each call: x/sys writes into it while it is
// used.
func Sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}
