package control

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	Access
	// TLS is off without files. The files are reloaded when they change; SetTLS
	// replaces them.
	TLS TLS
	// MaxBody is the largest request body in bytes, 1 KiB to 1 GiB. Each
	// connection may hold one in memory, and the replies to a batch may hold 8
	// times as much, or 1 MiB if that is more.
	MaxBody int
	// MaxConns is the largest number of open connections of callers, those
	// whose last request was authorized. Half as many more, at least 8, are
	// open to strangers, who become callers with their first complete
	// authorized request. When all callers' places are taken, a connection in
	// the middle of a request makes room, or else an idle one, of the key and
	// address that have the most. If all are serving requests, or a key or an
	// address has seven eighths of them, the request is answered 503. 1 to
	// 1,048,576.
	MaxConns int
	// ReadTimeout limits reading one request, WriteTimeout writing each 16 KiB
	// of its answer, IdleTimeout the pause between two requests. 10 ms to 1 h.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// RequestTimeout limits a request: then waiting for deliveries ends with
	// the counts so far, and a query or the rest of a batch is answered 503. In
	// a streamed listing it applies to each page.
	RequestTimeout time.Duration
	// Ready answers /readyz; nil means always ready.
	Ready func() bool
	// Reload serves POST /v1/reload; the port makes one call at a time. Its
	// error is returned to the caller. nil refuses reloads.
	Reload func() (Reloaded, error)
	// Feed is the events that backends are told; nil where there are none.
	Feed gateway.EventFeed
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
		Listen:         "127.0.0.1:7273",
		MaxBody:        1 << 20,
		MaxConns:       256,
		ReadTimeout:    10 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    time.Minute,
		RequestTimeout: 10 * time.Second,
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
	if err := c.Access.validate(); err != nil {
		return err
	}
	if err := c.validateListen(); err != nil {
		return err
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	return c.validateLimits()
}

// validateLimits checks numbers and durations for Validate.
func (c *Config) validateLimits() error {
	if c.MaxBody < leastBody || c.MaxBody > mostBody {
		return setting.Errorf("control-max-body", "%d is not between %d and %d", c.MaxBody, leastBody, mostBody)
	}
	if c.MaxConns < 1 || c.MaxConns > mostConns {
		return setting.Errorf("control-max-conns", "%d is not between 1 and %d", c.MaxConns, mostConns)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"control-read-timeout", c.ReadTimeout},
		{"control-write-timeout", c.WriteTimeout},
		{"control-idle-timeout", c.IdleTimeout},
		{"control-timeout", c.RequestTimeout},
	} {
		if d.value < leastTimeout || d.value > mostTimeout {
			return setting.Errorf(d.name, "%v is not between %v and %v", d.value, leastTimeout, mostTimeout)
		}
	}
	return nil
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
	if c.keyed() || host == "localhost" {
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
