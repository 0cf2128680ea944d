package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/statistics"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
	"castgate/server/internal/listen"
	"castgate/server/internal/pemfile"
)

// Sizes of fasthttp's buffers, per connection.
const (
	headSize        = 16 << 10 // limits request line and headers together
	writeBufferSize = 4 << 10
)

// Server is the control port: New, Listen, Serve, Shutdown. Its methods may be
// called from any goroutine, but Listen comes before Serve.
type Server struct {
	// Constant after New.
	config  Config
	gateway gateway.Gateway
	cluster gateway.Cluster // gateway, if it is one; else nil
	log     *slog.Logger
	http    *fasthttp.Server
	routes  *router
	metrics *statistics.Metrics
	tls     *pemfile.Watched[tls.Config] // holds nil without Config.TLS
	settle  time.Duration                // of the listener, see listen.Settle
	// document is the OpenAPI document.
	document []byte
	// base ends when Shutdown begins; requests that wait end with it.
	base   context.Context
	cancel context.CancelFunc

	// Constant after Listen.
	listener *callers.Listener
	exposed  bool // other hosts can reach the port
	local    bool // over TCP, and other hosts cannot reach it

	leaving  atomic.Bool // each answer ends its connection
	serving  atomic.Bool
	access   atomic.Pointer[access.Checker]
	limits   atomic.Pointer[Limits]
	audit    *audit.Log
	reloads  reloads
	calls    sync.Pool // of *call
	panicked atomic.Uint64
	// late and overlong count commands of batches that were not executed.
	late, overlong atomic.Uint64
}

// New makes a control port for a gateway. The error is that of c.Validate.
func New(gw gateway.Gateway, c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, gateway: gw, log: c.Logger, audit: audit.New(c.Audit), routes: newRouter(), settle: listen.Settle}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.cluster, _ = gw.(gateway.Cluster)
	s.reloads.turn = make(chan struct{}, 1)
	s.reloads.last.Store(time.Now().UnixNano())
	s.access.Store(access.NewChecker(c.Access))
	limits := c.Limits
	s.limits.Store(&limits)
	s.tls = pemfile.NewWatched[tls.Config](s.log)
	if _, err := s.SetTLS(c.TLS); err != nil {
		return nil, err
	}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	var err error
	if s.document, err = newOpenAPI(s.routes.routes); err != nil {
		return nil, err
	}
	s.calls.New = func() any { return &call{answering: answering{timed: timed{incoming: incoming{server: s}}}} }
	s.http = &fasthttp.Server{
		Handler:      s.handle,
		ErrorHandler: s.malformed,
		ConnState:    trackState,
		// The listener enforces the limit, which can change. A connection that
		// was closed to make room holds its worker for a moment longer;
		// fasthttp's own plain-text refusal is never reached.
		Concurrency:                  2*mostConns + 64,
		HeaderReceived:               s.requestConfig,
		ReadBufferSize:               headSize,
		WriteBufferSize:              writeBufferSize,
		ReadTimeout:                  c.ReadTimeout,
		WriteTimeout:                 c.WriteTimeout,
		IdleTimeout:                  c.IdleTimeout,
		MaxRequestBodySize:           c.MaxBody,
		DisablePreParseMultipartForm: true, // bodies are opaque payloads
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true, // headers contain keys
		Logger:                       quiet{s.log},
	}
	return s, nil
}

// quiet is fasthttp's logger. What it says of single connections reaches
// callers as answers and operators as metrics, so it is logged at debug level
// only.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("control port", "message", fmt.Sprintf(format, args...))
}

// Listen binds the address. The error is one line that names the address, or a
// *setting.Error. Connections wait until Serve accepts them.
func (s *Server) Listen() error {
	ln, err := callers.Listen(s.config.Listen, callers.Config{
		ReusePort: s.config.ReusePort,
		Passed:    s.config.Passed,
		Most:      func() int { return s.limits.Load().MaxConns },
		Allows:    func(a netip.Addr) bool { return s.access.Load().Allows(a) },
		Settle:    s.settle,
		TLS:       s.tls,
		Audit:     s.audit,
		Full:      answerFull,
		Plaintext: answerPlaintext,
		Log:       s.log,
	})
	if err != nil {
		return fmt.Errorf("cannot listen for the control API on %s: %w", s.config.Listen, err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		s.local = tcp.IP.IsLoopback()
		s.exposed = !s.local
	}
	if s.exposed && s.access.Load().Keys() == 0 {
		_ = ln.Close()
		return s.config.errExposed()
	}
	s.listener = ln
	return nil
}

// Addr is the bound address; nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Access returns who may use the port now. Any goroutine.
func (s *Server) Access() *access.Checker { return s.access.Load() }

// Serve answers requests until Shutdown; it then returns nil.
func (s *Server) Serve() error {
	if s.listener == nil {
		return errors.New("control: Serve before Listen")
	}
	s.serving.Store(true)
	go s.tls.Watch(s.base.Done())
	return s.http.Serve(s.listener)
}

// Leave makes each answer end its connection from now on, so that callers turn
// to another gateway or another process of this one. Requests are still
// answered.
func (s *Server) Leave() { s.leaving.Store(true) }

// HandOver stops listening, after accepting the waiting connections, if another
// process may listen on the same address (ReusePort, fd:NAME), which then gets
// new connections. Open ones are served until Shutdown.
func (s *Server) HandOver() {
	if s.listener != nil && s.serving.Load() {
		s.listener.HandOver()
	}
}

// Shutdown accepts the waiting connections and then no more, ends what requests
// wait for, and returns when requests in progress are answered. If ctx is done
// first, it aborts them and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.cancel()
	if s.listener == nil {
		return nil
	}
	s.leaving.Store(true)
	stop := s.listener.Leave(ctx, s.serving.Load()) // fasthttp learns of it only once Serve runs
	defer stop()
	err := s.http.ShutdownWithContext(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if err != nil {
		s.listener.Abort()
	}
	s.audit.Flush()
	return err
}
