package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what swarm to open. Zero values are the defaults given below.
type Config struct {
	// URLs are what connections ask for in turn, ws://host:port/path or
	// wss://host:port/path. At least one.
	URLs []string
	// Connections is their number, 1 to MaxConnections.
	Connections int
	// Sources are the addresses connections come from, in turn. Default: the
	// kernel's choice. Addresses of 127.0.0.0/8 need no setting up.
	Sources []netip.Addr
	// Rate is connections begun a second. Default 0: as fast as InFlight allows.
	Rate float64
	// InFlight is how many connections may be on their way at once, 1 to
	// MaxConnections. Default 256, well below the backlog of any listener.
	InFlight int
	// Loops are the epoll goroutines, 1 to 64. Default 1.
	Loops int
	// Run marks this swarm's payloads. Default: a random number.
	Run uint32
	// First is the number of the first connection, 0 to MaxConnections, where
	// several swarms make one: targets of unicasts and groups count from there.
	First int
	// Groups is how many groups there are for streams of kind Group, at most
	// MaxConnections: the connection with number n is a member of n % Groups.
	// Default 1.
	Groups int
	// Streams are the sequences of pushes to be checked, at most 256.
	// Default: one, of broadcasts.
	Streams []Kind
	// Padding is what payloads are filled up with. Default: Alphabet.
	Padding Padding
	// TLS is the client's side for URLs of wss: whom it trusts, which versions,
	// whether sessions are resumed. Without a ServerName it is the URL's host.
	// Default: the authorities of this system.
	TLS *tls.Config
	// Compress offers permessage-deflate without context takeover (RFC 7692).
	// If the server agrees, compressed messages are inflated and checked like
	// all others.
	Compress bool
	// Header is added to each handshake: lines that end in CRLF.
	Header string
	// NoInit is for servers that send no init message: a connection is open
	// once its handshake is done, or with a Greeting once the first message
	// has come, and has no client id.
	NoInit bool
	// Greeting, if not empty, is sent as a text message behind the handshake,
	// for servers that wait for one. At most 4 KiB.
	Greeting []byte
	// Unwrap, if set, finds the payloads in a message of a server that wraps
	// them: the next payload in what is left of the message, and what is left
	// behind it. A nil payload ends the search; a message without any is
	// ignored. Called on the swarm's goroutines.
	Unwrap func(rest []byte) (payload, after []byte)
	// Arrived, if set, is told of every connection that is open, again after
	// Reopen and Replace. Called on the swarm's goroutines: it must not block.
	Arrived func(connection int, clientID string)
	// AcceptForeign makes messages that are no payload of this run no fault.
	AcceptForeign bool
	// MaxMessage is the largest message taken from the server in bytes, those
	// of a compressed one counted when inflated.
	// Default 16 MiB.
	MaxMessage int
	// Timeout is for one connection, from connect to its init message, TLS
	// included.
	// Default 20 s.
	Timeout time.Duration
	// ReceiveBuffer sets SO_RCVBUF in bytes. Default 0: the kernel's choice,
	// which grows to megabytes for readers that have stopped.
	ReceiveBuffer int
	// Progress, if set, is called now and then while connections open.
	Progress func(opened int)

	begun int64 // Now() from which times are counted, 0: when it is opened
	// boundLater: pushes to groups and single connections are owed to a
	// connection, in each of its lives, once it is known to be bound.
	boundLater bool
}

// Bounds and defaults of Config.
const (
	MaxConnections    = 1 << 22
	maxStreams        = 256
	maxLoops          = 64
	defaultInFlight   = 256
	defaultTimeout    = 20 * time.Second
	defaultMaxMessage = 16 << 20
	maxHeader         = 4 << 10
)

// target is one resolved URL.
type target struct {
	url  string
	host string // for the Host header
	path string // with the query
	addr netip.AddrPort
	name string      // that its certificate has to be for; "" without TLS
	tls  *tls.Config // nil without TLS
}

// secure gives a target of wss the client's side of TLS.
func (t *target) secure(c *tls.Config) {
	if t.name == "" {
		return
	}
	if c == nil {
		c = &tls.Config{}
	}
	if t.tls = c.Clone(); t.tls.ServerName == "" {
		t.tls.ServerName = t.name
	}
}

// withDefaults fills in zero values and reports the first setting that is
// out of its range, by name.
func (c Config) withDefaults() (Config, error) {
	if c.InFlight == 0 {
		c.InFlight = defaultInFlight
	}
	if c.Loops == 0 {
		c.Loops = 1
	}
	if c.Streams == nil {
		c.Streams = []Kind{Broadcast}
	}
	if c.Groups == 0 {
		c.Groups = 1
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = defaultMaxMessage
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if len(c.URLs) == 0 {
		return c, errors.New("no URL to connect to")
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"connections", c.Connections, 1, MaxConnections},
		{"connections in flight", c.InFlight, 1, MaxConnections},
		{"loops", c.Loops, 1, maxLoops},
		{"streams", len(c.Streams), 1, maxStreams},
		{"largest message", c.MaxMessage, 1, 1 << 30},
		{"receive buffer", c.ReceiveBuffer, 0, 1 << 30},
		{"handshake header", len(c.Header), 0, maxHeader},
		{"greeting", len(c.Greeting), 0, maxHeader},
		{"number of the first connection", c.First, 0, MaxConnections},
		{"groups", c.Groups, 1, MaxConnections},
		{"padding", int(c.Padding), 0, int(paddings) - 1},
	} {
		if n.value < n.least || n.value > n.most {
			return c, fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	if c.Rate < 0 || c.Rate > 1e6 {
		return c, fmt.Errorf("rate: %v is not between 0 and 1,000,000 a second", c.Rate)
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Hour {
		return c, fmt.Errorf("timeout: %v is not between 1ms and 1h", c.Timeout)
	}
	if c.Header != "" && !strings.HasSuffix(c.Header, "\r\n") {
		return c, errors.New("handshake header: the last line does not end in CRLF")
	}
	c.Loops = min(c.Loops, c.Connections, 4*runtime.NumCPU())
	return c, nil
}

// resolveAll is resolve for all URLs.
func resolveAll(ctx context.Context, urls []string, sources []netip.Addr) ([]target, error) {
	all := make([]target, len(urls))
	for i, u := range urls {
		var err error
		if all[i], err = resolve(ctx, u, sources); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// resolve turns a URL into an address, one of the family of the source
// addresses; without those IPv4 first.
func resolve(ctx context.Context, raw string, sources []netip.Addr) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	usual := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if usual == "" || u.Hostname() == "" {
		return target{}, fmt.Errorf("%q is not ws://host:port/path or wss://host:port/path", raw)
	}
	port := u.Port()
	if port == "" {
		port = usual
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return target{}, fmt.Errorf("%q: %w", raw, err)
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
		return target{}, fmt.Errorf("%q: %w", raw, err)
	}
	addr := addrs[0].Unmap()
	for _, a := range addrs {
		if a.Unmap().Is4() {
			addr = a.Unmap()
			break
		}
	}
	t := target{url: raw, host: u.Host, path: u.RequestURI(), addr: netip.AddrPortFrom(addr, uint16(number))}
	if u.Scheme == "wss" {
		t.name = u.Hostname()
	}
	return t, nil
}

// sockaddr is made anew for each call: x/sys writes into it while it is used.
func sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}
