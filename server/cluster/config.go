package cluster

import (
	"log/slog"
	"net/netip"
	"time"

	"castgate/server/cluster/internal/natslink"
	"castgate/server/gateway"
)

// Transport carries messages to other nodes. It may lose them, repeat them, or bring
// those of different senders in any order. Methods do not block and may be called
// from any goroutine; messages must not be changed afterwards.
type Transport interface {
	// Send sends a message to the processes with a node number, SendAll to all
	// processes of the cluster, with or without the sender. An error says that the
	// message will not arrive.
	Send(node uint16, m []byte) error
	SendAll(m []byte) error
	// Receive sets who is told of each message that arrives; receive may keep it. It
	// is called once, before anything is sent.
	Receive(receive func(m []byte))
	// Up tells whether messages can be sent now.
	Up() bool
	// Limit is the size of the largest message, in bytes.
	Limit() int
}

// Local is a gateway of one process, with what it remembers.
type Local interface {
	gateway.Gateway
	gateway.Historian
}

// Config is what a Node is told at its start.
type Config struct {
	// Node is this node's number, unique in its cluster. Instance is a random number of
	// this process, 1 to 1<<48-1; client ids carry it, see Keys.
	Node     uint16
	Instance uint64
	// Keys are those of the secrets that this node knows: what it sends is sealed with
	// the first, and it accepts all.
	Keys []Keys
	// Lease is for how long a member that is not heard still counts as alive, MinLease
	// to MaxLease. It should be the same on all nodes.
	Lease time.Duration
	// Local is the gateway of this process, and Names watches its names. Without Names
	// nobody knows what names it has, and it is asked about all.
	Local     gateway.Home
	Names     *Names
	Transport Transport
	// Clock reads the time in nanoseconds since any moment. It goes on while the
	// machine is suspended (CLOCK_BOOTTIME), and never back.
	Clock func() int64
	// Release is the program's version, told to the others.
	Release string
	// PeerAddress is the address in this node's client ids if they are those of
	// GatewayWorker.
	PeerAddress netip.AddrPort
	// Host identifies this process on its machine, and Ended tells whether the process
	// of another Host has ended for certain. Ended may be nil, and must be quick.
	Host  string
	Ended func(host string) bool
	// Duplicate is called once if another live process has this node's number; this
	// one stays outside. It may be nil.
	Duplicate func(other string)
	// Logger receives a line for each change of the view; nil discards them.
	Logger *slog.Logger
}

// Limits of Config.Lease.
const (
	MinLease = 500 * time.Millisecond
	MaxLease = time.Minute
	// DefaultLease is used unless a lease is set.
	DefaultLease = 3 * time.Second
)

// beatsPerLease is how many heartbeats a member sends in the time of a lease.
const beatsPerLease = 6

// LinkConfig is how a node reaches the others over NATS, see OpenLink.
type LinkConfig = natslink.Config

// Link is a Transport over NATS.
type Link = natslink.Link

// OpenLink opens a link to a NATS that is there, or starts an embedded server. NATS
// may be away; errors are about the configuration or this host.
func OpenLink(c LinkConfig) (*Link, error) { return natslink.Open(c) }
