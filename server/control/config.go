package control

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/hostport"
	"castgate/server/internal/listen"
	"castgate/server/setting"
)

// Config is everything a Server is told at its start.
type Config struct {
	// Listen is host:port, unix:/path or fd:NAME. Port 0 picks a free one.
	Listen string
	// ReusePort lets another process listen on the same address meanwhile, if it has
	// this set too: by SO_REUSEPORT, or, of a unix socket, by taking its path.
	ReusePort bool
	// Passed are the listening sockets that the process was started with; Listen
	// may name one as fd:NAME.
	Passed map[string][]*os.File
	// Access says who may use the port; SetAccess changes it later.
	Access
	// TLS is off without files. They are reloaded when they change; SetTLS
	// changes them.
	TLS TLS
	// MaxBody is the largest request body in bytes, 1 KiB to 1 GiB. Each
	// connection may hold one in memory, and replies to a batch of 8 times that,
	// or 1 MiB.
	MaxBody int
	// MaxConns is how many connections of callers are open at once: of those
	// whose last request was let in. Half as many again, 8 at least, may be of
	// strangers, who become callers by their first whole request that is let in.
	// Where all places of callers are taken, one in the middle of a request
	// makes room, or one that is idle, of the key and address that have most; if
	// all serve requests, or a key (or an address) has seven eighths of them,
	// the request is answered 503. 1 to 1,048,576.
	MaxConns int
	// ReadTimeout is for reading one request, WriteTimeout for writing each 16 KiB
	// of its answer, IdleTimeout for the
	// pause between two. 10 ms to 1 h.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// RequestTimeout is how long a request may take: waiting for deliveries
	// ends then with the counts so far, a query or what is left of a batch with
	// 503. In a streamed listing it is for a page.
	RequestTimeout time.Duration
	// Ready answers /readyz; nil is always ready.
	Ready func() bool
	// Reload serves POST /v1/reload; the port makes one call at a time. Its
	// error is told to the caller. nil refuses.
	Reload func() (Reloaded, error)
	// Audit gets a record for each kick, change of a session, reload and
	// refusal of a key or certificate, where it is Enabled for slog.LevelInfo; nil is none.
	// It is called from many goroutines. What its error loses is counted.
	Audit slog.Handler
	// Collectors are the metrics of other fronts, whose names begin with
	// castgate_ as well; GET /metrics shows them. Two may not collide.
	Collectors []prometheus.Collector
	// Version and Commit say what runs, in the metrics.
	Version, Commit string
	// Logger receives structured logs; nil discards them.
	Logger *slog.Logger
}

// Defaults returns the configuration of a control port without settings.
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

// Validate reports the first setting that is wrong, by its name on the command
// line. Keys are never repeated in an error.
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

// validateLimits is the part of Validate about numbers and times.
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
		return nil // where it is, Listen looks at
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		return setting.Errorf("control", "%q is neither host:port nor unix:/path", c.Listen)
	}
	if err := hostport.Check(c.Listen); err != nil {
		return setting.Errorf("control", "%q %w", c.Listen, err)
	}
	if c.keyed() || host == "localhost" {
		return nil // what localhost really is, Listen looks at
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
