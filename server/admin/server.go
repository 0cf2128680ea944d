package admin

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/gateway"
	"castgate/server/internal/audit"
	"castgate/server/internal/listen"
	"castgate/server/internal/pemfile"
	"castgate/server/setting"
)

// Limits of the port.
const (
	mostConns   = 128      // connections at once
	headSize    = 16 << 10 // of a request
	bodySize    = 1 << 20  // of a request
	readTime    = 10 * time.Second
	answerTime  = 30 * time.Second
	idleTime    = time.Minute
	requestTime = 5 * time.Second // of a call of the gateway
)

// Server is the admin port: New, Listen, Serve, Shutdown. Its methods may be called from
// any goroutine, but Listen comes before Serve.
type Server struct {
	config   Config
	cluster  gateway.Cluster // nil if the gateway is not one
	log      *slog.Logger
	audit    *audit.Log
	http     *http.Server
	tls      *pemfile.Watched[tls.Config] // holds nil without TLS
	sessions sessions
	gate     *gate
	past     past
	tails    tails
	pages    pages
	instance string // of the process: another start has another

	listener net.Listener
	local    bool // other hosts cannot reach it
	conns    atomic.Int64
	// turnedAway counts connections beyond mostConns.
	turnedAway atomic.Uint64
	times      prometheus.Histogram // of requests
	base       context.Context      // ends when Shutdown begins
	cancel     context.CancelFunc
}

// New makes an admin port. The error is that of c.Validate.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Logger, audit: audit.New(c.Audit), sessions: newSessions(), gate: newGate(), times: newTimes()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.cluster, _ = c.Gateway.(gateway.Cluster)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.tls = pemfile.NewWatched[tls.Config](s.log)
	if c.TLSCert != "" {
		_, err := s.tls.Set(pemfile.Source[tls.Config]{
			Files: []string{c.TLSCert, c.TLSKey},
			Load:  func() (*tls.Config, error) { return loadTLS(c.TLSCert, c.TLSKey, s.log) },
		})
		if err != nil {
			return nil, err
		}
	}
	s.pages, s.instance = newPages(), rand.Text()
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headSize, BaseContext: func(net.Listener) context.Context { return s.base },
		ErrorLog: log.New(quiet{s.log}, "", 0),
	}
	return s, nil
}

// loadTLS reads the certificate. An error is a *setting.Error.
func loadTLS(cert, key string, log *slog.Logger) (*tls.Config, error) {
	pair, err := pemfile.Pair(cert, key)
	if err != nil {
		return nil, setting.Named("admin-tls-cert", err)
	}
	pemfile.WarnOfTime(log, cert, pair.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}, nil
}

// quiet is where net/http says what went wrong with single connections.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(line []byte) (int, error) {
	q.log.Debug("admin port", "message", string(line))
	return len(line), nil
}

// Listen binds the address. The error is one line that names the address, or a
// *setting.Error.
func (s *Server) Listen() error {
	ln, err := listen.TCP(s.config.Listen, listen.Options{})
	if err != nil {
		return fmt.Errorf("cannot listen for the admin page on %s: %w", s.config.Listen, err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		s.local = tcp.IP.IsLoopback()
	}
	if !s.local {
		if err := s.config.exposed(); err != nil {
			_ = ln.Close()
			return err
		}
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

// URL is where the page is, for the log.
func (s *Server) URL() string { return s.scheme() + "://" + s.Addr().String() + "/" }

func (s *Server) scheme() string {
	if s.config.TLSCert != "" {
		return "https"
	}
	return "http"
}

// Built tells whether the page is in this program.
func (s *Server) Built() bool { return s.pages.built() }

// Serve answers requests until Shutdown; it then returns nil.
func (s *Server) Serve() error {
	if s.listener == nil {
		return errors.New("admin: Serve before Listen")
	}
	go s.tls.Watch(s.base.Done())
	go s.past.record(s.base, s.sample)
	ln := net.Listener(&limited{s.listener, &s.conns, &s.turnedAway})
	if s.tls.Now() != nil {
		ln = tls.NewListener(ln, &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Now(), nil },
		})
	}
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown ends what is watched and returns when requests in progress are answered, or
// with ctx's error once it is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.cancel()
	if s.listener == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	s.tails.wait(ctx)
	s.audit.Flush()
	return err
}

// limited closes connections beyond mostConns as soon as they come.
type limited struct {
	net.Listener
	open       *atomic.Int64
	turnedAway *atomic.Uint64
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= mostConns {
			return &counted{Conn: c, open: l.open}, nil
		}
		l.open.Add(-1)
		l.turnedAway.Add(1)
		_ = c.Close()
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

// Close implements net.Conn.
func (c *counted) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
