package swarm

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"castgate/loadtest/payload"
)

// Config describes a swarm. Zero values mean the defaults given below.
type Config struct {
	// URLs are what connections request in turn, ws://host:port/path or
	// wss://host:port/path. At least one.
	URLs []string
	// Connections is their number, 1 to MaxConnections.
	Connections int
	// Sources are the addresses that connections come from, in turn. Default:
	// the kernel's choice. Addresses of 127.0.0.0/8 need no setup.
	Sources []netip.Addr
	// Rate is the number of connections to begin per second. Default 0: as fast
	// as InFlight allows.
	Rate float64
	// InFlight is how many connections may be opening at once, 1 to
	// MaxConnections. Default 256, well below the backlog of any listener.
	InFlight int
	// Loops is the number of epoll goroutines, 1 to 64. Default 1.
	Loops int
	// Run marks the payloads of this swarm. Default: a random number.
	Run uint32
	// First is the number of the first connection, 0 to MaxConnections, if
	// several swarms make up one: targets of unicasts and groups are numbered
	// from it.
	First int
	// Groups is the number of groups for streams of kind Group, at most
	// MaxConnections: connection number n is a member of group n % Groups.
	// Default 1.
	Groups int
	// Streams are the sequences of pushes to check, at most 256. Default: one,
	// of broadcasts.
	Streams []payload.Kind
	// Padding fills payloads up. Default: Alphabet.
	Padding payload.Padding
	// TLS is the client's TLS configuration for wss URLs: trusted authorities,
	// versions, resumption. Without a ServerName, the URL's host is used.
	// Default: the authorities of this system.
	TLS *tls.Config
	// Compress offers permessage-deflate without context takeover (RFC 7692).
	// If the server accepts, compressed messages are inflated and checked like
	// all others.
	Compress bool
	// Header is added to each handshake: lines that end with CRLF.
	Header string
	// NoInit is for servers that send no init message: a connection has no
	// client id and is open once its handshake is done or, with a Greeting,
	// once the first message has arrived.
	NoInit bool
	// Greeting, if not empty, is sent as a text message after the handshake,
	// for servers that wait for one. At most 4 KiB.
	Greeting []byte
	// Unwrap, if set, finds the payloads in a message of a server that wraps
	// them: it returns the next payload in the rest of the message, and what
	// follows it. A nil payload ends the search; a message without a payload is
	// ignored. It is called on the swarm's goroutines.
	Unwrap func(rest []byte) (payload, after []byte)
	// Arrived, if set, is called for every connection that opens, also after
	// Reopen and Replace. It is called on the swarm's goroutines and must not
	// block.
	Arrived func(connection int, clientID string)
	// AcceptForeign makes it no fault if a message is not a payload of this
	// run.
	AcceptForeign bool
	// MaxMessage is the size in bytes of the largest accepted message, inflated
	// if it was compressed. Default 16 MiB.
	MaxMessage int
	// Timeout is for one connection, from connect to its init message, TLS
	// included. Default 20 s.
	Timeout time.Duration
	// ReceiveBuffer sets SO_RCVBUF in bytes. Default 0: the kernel's choice,
	// which grows to megabytes for readers that have stopped.
	ReceiveBuffer int
	// Progress, if set, is called from time to time while connections open.
	Progress func(opened int)

	// Begun is the time of clock.Now from which times are counted; 0: when the swarm is
	// opened.
	Begun int64
	// BoundLater says that a connection expects pushes to groups and single
	// connections only once it is known to be bound, each time it opens.
	BoundLater bool
}

// Bounds and defaults of Config.
const (
	MaxConnections    = 1 << 22
	MaxStreams        = 256
	maxLoops          = 64
	defaultInFlight   = 256
	defaultTimeout    = 20 * time.Second
	defaultMaxMessage = 16 << 20
	maxHeader         = 4 << 10
)

// WithDefaults fills in zero values and reports the first setting that is out
// of range, by name.
func (c Config) WithDefaults() (Config, error) {
	if c.InFlight == 0 {
		c.InFlight = defaultInFlight
	}
	if c.Loops == 0 {
		c.Loops = 1
	}
	if c.Streams == nil {
		c.Streams = []payload.Kind{payload.Broadcast}
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
		{"streams", len(c.Streams), 1, MaxStreams},
		{"largest message", c.MaxMessage, 1, 1 << 30},
		{"receive buffer", c.ReceiveBuffer, 0, 1 << 30},
		{"handshake header", len(c.Header), 0, maxHeader},
		{"greeting", len(c.Greeting), 0, maxHeader},
		{"number of the first connection", c.First, 0, MaxConnections},
		{"groups", c.Groups, 1, MaxConnections},
		{"padding", int(c.Padding), 0, int(payload.Paddings) - 1},
	} {
		if n.value < n.least || n.value > n.most {
			return c, fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	if c.Rate < 0 || c.Rate > 1e6 {
		return c, fmt.Errorf("rate: %v is not between 0 and 1,000,000 per second", c.Rate)
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
