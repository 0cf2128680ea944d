package callers

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"castgate/server/internal/audit"
	"castgate/server/internal/pemfile"
)

// Config configures a Listener.
type Config struct {
	// ReusePort lets another process that also sets it listen on the same
	// address: through SO_REUSEPORT, or by taking over the path of a unix
	// socket.
	ReusePort bool
	// Passed are the listening sockets inherited by the process, by name.
	Passed map[string][]*os.File
	// Most returns the number of places for callers, at least 1. It is called
	// from any goroutine, for every connection, so that the number can change.
	Most func() int
	// Allows reports whether connections from an address are accepted; an
	// invalid address is that of a unix socket. The goroutine that accepts calls
	// it.
	Allows func(netip.Addr) bool
	// Settle is how long a TCP listener that is closed waits for handshakes that
	// have begun, see listen.Settle.
	Settle time.Duration
	// TLS holds what new connections speak TLS by; while it holds nil, they do
	// not.
	TLS *pemfile.Watched[tls.Config]
	// Audit receives a record of each caller without a valid client
	// certificate.
	Audit *audit.Log
	// Full answers a connection that finds no place, Plaintext one that does not
	// speak TLS although it must. Both are whole HTTP responses that end their
	// connection.
	Full, Plaintext []byte
	Log             *slog.Logger
}
