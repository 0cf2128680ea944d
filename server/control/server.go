package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server"
)

// Config is everything a Server is told at its start.
type Config struct {
	// Listen is host:port or unix:/path.
	Listen string
	// Keys open the control API. Without any it is open to whoever can reach
	// it, which Validate allows for loopback addresses and unix sockets only.
	Keys []string
	// MaxBody is the largest request body in bytes, 1 KiB to 1 GiB.
	MaxBody int
	// MaxConns is how many connections are open at once. For one more the
	// connection that has been idle longest is closed; if none is idle the new
	// one is answered 503.
	MaxConns int
	// ReadTimeout is for reading one request, WriteTimeout for writing its
	// answer, IdleTimeout for the pause between two.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// RequestTimeout is how long a request may wait for deliveries.
	RequestTimeout time.Duration
	// Ready answers /readyz; nil is always ready.
	Ready func() bool
	// Logger receives structured logs; nil discards them.
	Logger *slog.Logger
}

// Defaults returns the configuration of a control port without settings.
func Defaults() Config {
	return Config{
		Listen: "127.0.0.1:7273", MaxBody: 1 << 20, MaxConns: 256,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, RequestTimeout: 10 * time.Second,
	}
}

// Validate reports the first setting that is wrong, by its name on the command
// line.
func (c *Config) Validate() error {
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		if path == "" {
			return errors.New("control: unix: needs a path")
		}
	} else if err := c.validateHost(); err != nil {
		return err
	}
	for i, k := range c.Keys {
		if k == "" || strings.ContainsAny(k, "\r\n") {
			return fmt.Errorf("control-key: key %d is empty or has a line break", i+1)
		}
	}
	if c.MaxBody < 1<<10 || c.MaxBody > 1<<30 {
		return fmt.Errorf("control-max-body: %d is not between 1KiB and 1GiB", c.MaxBody)
	}
	if c.MaxConns < 1 || c.MaxConns > 1<<20 {
		return fmt.Errorf("control-max-conns: %d is not between 1 and %d", c.MaxConns, 1<<20)
	}
	for name, d := range map[string]time.Duration{
		"control-read-timeout": c.ReadTimeout, "control-write-timeout": c.WriteTimeout,
		"control-idle-timeout": c.IdleTimeout, "control-timeout": c.RequestTimeout,
	} {
		if d < 10*time.Millisecond || d > time.Hour {
			return fmt.Errorf("%s: %v is not between 10ms and 1h", name, d)
		}
	}
	return nil
}

func (c *Config) validateHost() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("control: %q is neither host:port nor unix:/path", c.Listen)
	}
	ip := net.ParseIP(host)
	if len(c.Keys) == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("control: %s can be reached from other hosts; set control-key or listen on a loopback address", c.Listen)
	}
	return nil
}

// Server is the control port. Listen, then Serve.
type Server struct {
	config   Config
	gateway  server.Gateway
	log      *slog.Logger
	http     *fasthttp.Server
	listener *listener
	keys     keyring
	router   *router
	metrics  *metrics
	// base ends when Shutdown begins, and with it what requests wait for.
	base     context.Context
	end      context.CancelFunc
	panicked atomic.Uint64
}

// New makes a control port for a gateway.
func New(gw server.Gateway, c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, gateway: gw, log: c.Logger, keys: newKeyring(c.Keys)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.base, s.end = context.WithCancel(context.Background())
	s.router = newRouter()
	s.metrics = newMetrics(s)
	s.http = &fasthttp.Server{
		Handler:      s.handle,
		ErrorHandler: s.malformed,
		ConnState: func(c net.Conn, state fasthttp.ConnState) {
			if t, ok := c.(*trackedConn); ok {
				t.setIdle(state == fasthttp.StateIdle)
			}
		},
		Concurrency:     c.MaxConns + refuseConns,
		ReadBufferSize:  16 << 10, // caps the request head
		WriteBufferSize: 4 << 10,
		ReadTimeout:     c.ReadTimeout,
		WriteTimeout:    c.WriteTimeout,
		IdleTimeout:     c.IdleTimeout,
		// Somewhat too large a body is read, so that the caller can read why it
		// is refused; a reset would take the answer away.
		MaxRequestBodySize:    4 * c.MaxBody,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		CloseOnShutdown:       true,
		Logger:                discard{},
	}
	return s, nil
}

// discard drops fasthttp's own log lines: what they say reaches callers as
// answers and operators as metrics.
type discard struct{}

func (discard) Printf(string, ...any) {}

// Listen binds the address. The error is one line that names it.
func (s *Server) Listen() error {
	ln, err := listen(s.config.Listen)
	if err != nil {
		return fmt.Errorf("control %s: %w", s.config.Listen, err)
	}
	s.listener = newListener(ln, s.config.MaxConns, s.log)
	return nil
}

// Addr is the bound address; nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Serve answers requests until Shutdown.
func (s *Server) Serve() error { return s.http.Serve(s.listener) }

// Shutdown takes no more requests and returns when those under way are
// answered, or with an error when ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	if s.listener == nil {
		return nil
	}
	return s.http.ShutdownWithContext(ctx)
}

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	route := "other"
	defer func() {
		if p := recover(); p != nil {
			s.panicked.Add(1)
			s.log.Error("defect in the control port", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ctx.Response.Reset()
			writeProblem(ctx, problemInternal)
		}
		s.metrics.count(route, ctx.Response.StatusCode())
	}()
	r, pathValue, problem := s.router.find(ctx)
	if r != nil {
		route = r.path
	}
	if problem == nil && (r == nil || !r.open) {
		problem = s.keys.check(&ctx.Request.Header)
	}
	if problem == nil && r == nil {
		problem = problemNotFound
	}
	if problem == nil && r.body {
		problem = checkBody(ctx, r, s.config.MaxBody)
	}
	if problem != nil {
		writeProblem(ctx, problem)
		return
	}
	r.serve(s, ctx, pathValue)
}

// checkBody refuses a body that can't be one of this route.
func checkBody(ctx *fasthttp.RequestCtx, r *route, limit int) *problem {
	if ctx.Request.Header.ContentLength() == -2 {
		return problemLengthRequired
	}
	if n := len(ctx.PostBody()); n > limit {
		return problemTooLarge(limit, n)
	}
	if !r.raw && !jsonContentType(ctx.Request.Header.ContentType(), r.ndjson) {
		return problemMediaType
	}
	return nil
}

func jsonContentType(b []byte, ndjson bool) bool {
	t, _, _ := strings.Cut(string(b), ";")
	t = strings.ToLower(strings.TrimSpace(t))
	switch {
	case t == "", t == "application/json":
		return true
	case strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"):
		return true
	}
	return ndjson && t == "application/x-ndjson"
}

// malformed answers what fasthttp could not read as a request.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	p := problemBadRequest
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		p = problemTooLarge(s.config.MaxBody, ctx.Request.Header.ContentLength())
	case errors.As(err, &small):
		p = problemHeadTooLarge
	case errors.As(err, &netErr) && netErr.Timeout():
		p = problemTimeout
	}
	writeProblem(ctx, p)
	ctx.SetConnectionClose()
	s.metrics.count("malformed", p.status)
}
