package control

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/control/access"
	"castgate/server/gateway"
	"castgate/server/hostport"
	"castgate/server/internal/listen"
	"castgate/server/setting"
)

// Config configures a Server.
type Config struct {
	// Listen is host:port, unix:/path or fd:NAME. Port 0 picks a free port.
	Listen string
	// ReusePort lets another process that also sets it listen on the same
	// address: through SO_REUSEPORT, or by taking over the path of a unix
	// socket.
	ReusePort bool
	// Passed are the listening sockets inherited by the process; Listen may
	// name one as fd:NAME.
	Passed map[string][]*os.File
	// Access says who may use the port; SetAccess replaces it later.
	access.Access
	// TLS is off without files. The files are reloaded when they change; SetTLS
	// replaces them.
	TLS TLS
	// Limits is what SetLimits can change later.
	Limits
	// ReadTimeout limits reading one request, WriteTimeout writing each 16 KiB
	// of its answer, IdleTimeout the pause between two requests. 10 ms to 1 h.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// Ready answers /readyz; nil means always ready.
	Ready func() bool
	// Reload serves POST /v1/reload; the port makes one call at a time. Its
	// error is returned to the caller. nil refuses reloads.
	Reload func() (Reloaded, error)
	// Feed is the events that backends are told; nil where there are none.
	Feed gateway.EventFeed
	// Historian tells what became of clients; New needs it.
	Historian gateway.Historian
	// Audit receives a record for each kick, session change, reload, and
	// refused key or certificate, if it is Enabled for slog.LevelInfo; nil
	// discards them. It is called from many goroutines. Records that it fails
	// to write are counted.
	Audit slog.Handler
	// Collectors are the metrics of other fronts, whose names also begin with
	// castgate_; GET /metrics includes them. Their names must not collide.
	Collectors []prometheus.Collector
	// Version and Commit identify the build in the metrics.
	Version, Commit string
	// Logger receives structured logs; nil discards them.
	Logger *slog.Logger
}

// Defaults returns the configuration of a control port without any settings.
func Defaults() Config {
	return Config{
		Listen:       "127.0.0.1:7273",
		Limits:       Limits{MaxBody: 1 << 20, MaxConns: 256, RequestTimeout: 10 * time.Second},
		ReadTimeout:  10 * time.Second,
		WriteTimeout: 30 * time.Second,
		IdleTimeout:  time.Minute,
	}
}

// Bounds of Config fields.
const (
	leastBody    = 1 << 10
	mostBody     = 1 << 30
	mostConns    = 1 << 20
	leastTimeout = 10 * time.Millisecond
	mostTimeout  = time.Hour
)

// Validate reports the first wrong setting by its name on the command line.
// Errors never repeat keys.
func (c *Config) Validate() error {
	if err := c.Access.Validate(); err != nil {
		return err
	}
	if err := c.validateListen(); err != nil {
		return err
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"control-read-timeout", c.ReadTimeout},
		{"control-write-timeout", c.WriteTimeout},
		{"control-idle-timeout", c.IdleTimeout},
	} {
		if err := checkTimeout(d.name, d.value); err != nil {
			return err
		}
	}
	return c.Limits.Validate()
}

func (c *Config) validateListen() error {
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return setting.Errorf("control", "%q has no absolute path, as in unix:/run/castgate.sock", c.Listen)
		}
		if len(path) > maxSocketPath {
			return setting.Errorf("control", "the path has %d bytes; a socket path has at most %d", len(path), maxSocketPath)
		}
		if len(c.Allow) > 0 {
			return setting.Errorf("control-allow", "has no effect with a unix socket, whose callers have no address")
		}
		return nil
	}
	if _, ok := listen.Name(c.Listen); ok {
		return nil // Listen checks where it is
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		return setting.Errorf("control", "%q is neither host:port nor unix:/path", c.Listen)
	}
	if err := hostport.Check(c.Listen); err != nil {
		return setting.Errorf("control", "%q %w", c.Listen, err)
	}
	if c.Keyed() || host == "localhost" {
		return nil // Listen checks what localhost resolves to
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.Unmap().IsLoopback() {
		return c.errExposed()
	}
	return nil
}

// maxSocketPath is the longest path of a unix socket in bytes (unix(7)).
const maxSocketPath = 107

func (c *Config) errExposed() error {
	return setting.Errorf("control", "%s can be reached from other hosts; set control-key or control-keys-file, or listen on a loopback address", c.Listen)
}
