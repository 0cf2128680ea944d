package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"time"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/heartbeat"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
	"castgate/server/loop"
	"castgate/server/openfiles"
	"castgate/server/setting"
	"castgate/server/token"
)

// Config is everything a Server is told at its start. Defaults gives a usable
// one; Validate names the first setting that is wrong. Nothing deeper down
// reads flags, files or the environment.
type Config struct {
	// Policy is what SetPolicy can change later.
	admission.Policy
	// Capacity is what SetCapacity can change later.
	capacity.Capacity

	// Listen are the listeners of clients, 1 to 16: [scheme://]host:port, with
	// the schemes ws, the default, wss for TLS, and those of GatewayWorker without a
	// handshake: text, frame and tcp. An empty host means all addresses; port 0
	// picks a free one (Server.Addrs tells which).
	Listen []string
	// ReusePort lets another gateway listen on the same addresses meanwhile, if
	// it has this set too (SO_REUSEPORT): a successor, before this one stops.
	ReusePort bool
	// Passed are the listening sockets that the process was started with; one is
	// named in Listen as fd:NAME in the place of host:port.
	Passed map[string][]*os.File
	// Loops is the number of event loops, 1 to 256. Default GOMAXPROCS.
	Loops int
	// OnMessage is what a client message does. Default ignore.
	OnMessage loop.OnMessage
	// InitMessage is the first text frame after the handshake; every %s in it
	// becomes the client id. Empty turns it off.
	InitMessage string
	// DrainTimeout is how long Shutdown may take.
	DrainTimeout time.Duration
	// Settle is how long Shutdown goes on accepting sockets whose handshake of TCP has
	// begun, about a round trip. 0 means 250 ms; tests on loopback need less.
	Settle time.Duration
	// DrainRate is how many clients Shutdown closes a second, 0 for all at once. It
	// closes them faster where half of its time would not be enough.
	DrainRate int
	// Compress lets clients agree on permessage-deflate (RFC 7692), without
	// context takeover. Off by default: what secrets and an attacker's text
	// share a message may be guessed from its compressed length.
	Compress bool
	// CompressMin is the payload in bytes from which a push is compressed, 0
	// to 1 GiB; shorter ones rarely get shorter.
	CompressMin int
	// CompressLevel is 1, fastest, to 9, smallest.
	CompressLevel int
	// NotsentLowat is how many bytes for one client the kernel holds before it
	// has sent them (TCP_NOTSENT_LOWAT), 16 KiB to 1 GiB; up to 64 KiB more may get
	// in. What it does not take waits within SendQueue.
	NotsentLowat int
	// ProxyProtocol makes Policy.TrustedProxies begin each connection with a
	// PROXY protocol header, which says who the client is.
	ProxyProtocol bool
	// TLSCerts and TLSKeys are files in PEM, in pairs: those of the wss
	// listeners, chosen by the name a client asks for, the first if none fits.
	// They are reloaded when they change; SetCertificates changes them.
	TLSCerts, TLSKeys []string
	// TLSMinVersion is "1.2" or "1.3".
	TLSMinVersion string
	// TLSHandshakes is how many TLS handshakes go on at once. 8192 more wait;
	// the rest is refused.
	TLSHandshakes int
	// Node is this gateway's number in a cluster, carried in client ids.
	Node uint16
	// ClientIDs, if not nil, makes the client ids of a cluster: all its nodes can read
	// them. Otherwise ids are under a key of this process.
	ClientIDs *SharedIDs
	// ReserveFiles is how many descriptors MaxConns leaves free for the
	// control port, turned-away clients and the process itself.
	// 0 derives it from the open-file limit.
	ReserveFiles int
	// PeerAddress, if valid, is the IPv4 address and port under which PHP
	// backends reach the inner listener of GatewayWorker. Client ids are then
	// its 20 hexadecimal digits (docs/gatewayworker-protocol.md section 4) and
	// name this address.
	PeerAddress netip.AddrPort
	// ConnectionIDs replaces the source of the connection ids in such client
	// ids, for tests that need certain ones. 0 and ids in use are passed over.
	// Called from event loops, several at once.
	ConnectionIDs func() uint32
	// Heartbeat asks clients for signs of life the way GatewayWorker does. The
	// zero value is off.
	Heartbeat heartbeat.Settings
	// Events is told what clients do; nil tells nobody.
	Events gateway.Events
	// Watchers are told the life of each client, at most 8 of them.
	Watchers []gateway.Watcher
	// Names is told which uids and groups are in use; nil tells nobody.
	Names gateway.NameWatcher
	// Hook is asked before a connection becomes a client; nil lets all in. Clients of
	// text, frame and tcp listeners have no request, and it is not asked about them.
	Hook gateway.ConnectHook
	// Logger receives structured logs; nil discards them.
	Logger *slog.Logger
}

// SharedIDs are client ids that all nodes of a cluster can read.
type SharedIDs struct {
	Key   clientid.Key // that all nodes know
	Start [6]byte      // random, of this process
}

// Defaults returns the configuration of a gateway started without settings.
func Defaults() Config {
	return Config{
		Capacity:      capacity.DefaultCapacity(),
		Listen:        []string{":7272"},
		Loops:         runtime.GOMAXPROCS(0),
		OnMessage:     loop.OnMessageIgnore,
		InitMessage:   `{"type":"init","client_id":"%s"}`,
		DrainTimeout:  15 * time.Second,
		DrainRate:     5000,
		CompressMin:   defaultCompressMin,
		CompressLevel: defaultCompressLevel,
		NotsentLowat:  768 << 10,
		TLSMinVersion: defaultTLSMinVersion,
		TLSHandshakes: defaultTLSHandshakes,
		Policy:        admission.Policy{JWT: admission.JWT{Rules: token.Rules{Leeway: token.DefaultLeeway}, JWKSRefresh: admission.DefaultJWKSRefresh}},
	}
}

// What Config has where nothing is compressed, or there is no TLS.
const (
	defaultCompressMin   = 256
	defaultCompressLevel = 1
	defaultTLSMinVersion = "1.2"
	defaultTLSHandshakes = 1024
)

// Validate reports the first setting that is out of its range, by its name on
// the command line.
func (c *Config) Validate() error {
	if len(c.Watchers) > loop.MaxWatchers {
		return fmt.Errorf("%d watchers are more than %d", len(c.Watchers), loop.MaxWatchers)
	}
	if err := c.validate(); err != nil {
		return err
	}
	return c.Policy.Fits(c.MaxMessage)
}

// validate is Validate less what ties Capacity to Policy: the two are set one
// after the other.
func (c *Config) validate() error {
	if err := c.validateListen(); err != nil {
		return err
	}
	for _, n := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"loops", c.Loops, 1, table.MaxLoops},
		{"max-conns", c.MaxConns, 0, table.MaxSlots * max(c.Loops, 1)},
		{"compress-min", c.CompressMin, 0, capacity.MaxMessageSize},
		{"compress-level", c.CompressLevel, codec.MinDeflateLevel, codec.MaxDeflateLevel},
		{"notsent-lowat", c.NotsentLowat, 16 << 10, capacity.MaxQueueSize},
		{"tls-handshakes", c.TLSHandshakes, 1, 1 << 16},
		{"reserve-files", c.ReserveFiles, 0, 1 << 20},
		{"drain-rate", c.DrainRate, 0, 1 << 24},
	} {
		if err := capacity.InRange(n.name, n.value, n.least, n.most); err != nil {
			return err
		}
	}
	if err := c.validateUse(); err != nil {
		return err
	}
	if err := c.Capacity.Validate(); err != nil {
		return err
	}
	if err := capacity.InRange("drain-timeout", c.DrainTimeout, capacity.MinTimeout, capacity.MaxTimeout); err != nil {
		return err
	}
	if c.PeerAddress.IsValid() && (!c.PeerAddress.Addr().Is4() || c.PeerAddress.Addr().IsUnspecified() || c.PeerAddress.Port() == 0) {
		return setting.Errorf("gatewayworker-advertise", "%v is not the IPv4 address and port of a host", c.PeerAddress)
	}
	if err := c.Heartbeat.Validate(); err != nil {
		return err
	}
	switch c.OnMessage {
	case loop.OnMessageIgnore, loop.OnMessageEcho, loop.OnMessageClose, loop.OnMessageForward:
	default:
		return setting.Errorf("on-message", "%q is not one of ignore, echo, close, forward", c.OnMessage)
	}
	if err := c.Policy.FitsProxyProtocol(c.ProxyProtocol); err != nil {
		return err
	}
	return c.Policy.Validate()
}

// CheckFiles reports what New would: that MaxConns and ReserveFiles are more
// than this process may open. openfiles.Raise comes before.
func (c *Config) CheckFiles() error {
	_, err := c.files()
	return err
}

// files divides the files that this process may open.
func (c *Config) files() (openfiles.Limits, error) {
	return openfiles.Divide(c.MaxConns, c.ReserveFiles, c.Loops*table.MaxSlots)
}

// validateUse finds settings that have no effect: whoever made them expects one.
func (c *Config) validateUse() error {
	const noTLS = "has no effect without a wss:// listener"
	secure := c.TLSProcessors() > 0
	for _, u := range []struct {
		name   string
		useful bool
		why    string
	}{
		{"compress-min", c.Compress || c.CompressMin == defaultCompressMin, "has no effect without compress"},
		{"compress-not-for", c.Compress || len(c.CompressNotFor) == 0, "has no effect without compress"},
		{"compress-level", c.Compress || c.CompressLevel == defaultCompressLevel, "has no effect without compress"},
		{"tls-cert", secure || len(c.TLSCerts) == 0, noTLS},
		{"tls-min-version", secure || c.TLSMinVersion == defaultTLSMinVersion, noTLS},
		{"tls-handshakes", secure || c.TLSHandshakes == defaultTLSHandshakes, noTLS},
	} {
		if !u.useful {
			return setting.Errorf(u.name, "%s", u.why)
		}
	}
	return nil
}
