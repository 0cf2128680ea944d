package register

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/server/internal/listen"
)

// Config is the configuration of the embedded Register
// (docs/gatewayworker-protocol.md section 1). Limits of zero mean their defaults.
type Config struct {
	Address string       // ip:port to listen on; loopback only if Secret is empty
	Secret  string       // key that gateways, workers and API clients must send
	Own     []string     // our own advertised inner addresses: always listed, first
	Log     *slog.Logger // nil: slog.Default

	ReusePort bool // SO_REUSEPORT on Address

	MaxConns    int           // concurrent connections; 1,000
	MaxLine     int           // bytes of a line including its end; 16 KiB. PHP accepts 10 MiB
	AuthTimeout time.Duration // for a successful connect event; 10 s
	SendTimeout time.Duration // for writing a line to a worker that does not read; 10 s
	PingTimeout time.Duration // until the next ping of a gateway that has pinged; 75 s, three of PHP's ping intervals
}

// leavePoll is how often Leave looks whether everyone has got the list.
const leavePoll = 5 * time.Millisecond

// maxAddress is the longest address that a gateway may register, in bytes: a DNS
// name, a colon and a port.
const maxAddress = 253 + 6

// Validate returns an error of one line for the first invalid setting.
func (c *Config) Validate() error {
	addr, err := netip.ParseAddrPort(c.Address)
	switch {
	case err != nil:
		return fmt.Errorf("address %q of the Register: want an IP address and a port", c.Address)
	case c.Secret == "" && !addr.Addr().IsLoopback():
		return fmt.Errorf("the Register at %s needs a secret because it is not on a loopback address", c.Address)
	case c.MaxConns < 0 || c.MaxLine < 0 || c.AuthTimeout < 0 || c.SendTimeout < 0 || c.PingTimeout < 0:
		return errors.New("a limit of the Register is negative")
	}
	for _, own := range c.Own {
		if own == "" || len(own) > maxAddress {
			return fmt.Errorf("address %q of a gateway: want 1 to %d bytes", own, maxAddress)
		}
	}
	return nil
}

func (c *Config) defaults() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxConns == 0 {
		c.MaxConns = 1000
	}
	if c.MaxLine == 0 {
		c.MaxLine = 16 << 10
	}
	if c.AuthTimeout == 0 {
		c.AuthTimeout = 10 * time.Second
	}
	if c.PingTimeout == 0 {
		c.PingTimeout = 75 * time.Second
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = 10 * time.Second
	}
}

// Server is the embedded Register: it tells workers and API clients the addresses
// of gateways. One goroutine reads each connection and, for a worker, another one
// writes. There are at most MaxConns connections. All methods may be called from
// any goroutine.
type Server struct {
	cfg      Config
	listener net.Listener
	counters counters
	running  sync.WaitGroup // goroutines of connections
	closed   chan struct{}
	settle   time.Duration // listen.Settle
	asking   atomic.Int64  // workers and calls whose line is still to be written

	mu      sync.Mutex
	conns   map[*conn]struct{}
	strange *list.List // of *conn without a successful connect, oldest first
	listed  addressList
	line    []byte // the broadcast for listed; replaced, never changed
}

// New checks the configuration and binds the address, so that its port is
// known. Peers wait in the backlog until Serve. Our own addresses are listed from
// the start, so that an empty list is never sent.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.defaults()
	listener, err := listen.TCP(cfg.Address, listen.Options{ReusePort: cfg.ReusePort})
	if err != nil {
		return nil, err
	}
	if listener.Taken {
		cfg.Log.Warn("another process also listens on this address; until one of them stops, each PHP connection reaches one of the two Registers (reuse-port)",
			"register", cfg.Address)
	}
	r := &Server{
		cfg: cfg, listener: listener.Listener, settle: listen.Settle, closed: make(chan struct{}),
		conns: map[*conn]struct{}{}, strange: list.New(), listed: addressList{own: cfg.Own},
	}
	r.line = r.listed.line()
	return r, nil
}

// LimitConns lowers MaxConns. Call it before Serve.
func (r *Server) LimitConns(n int) { r.cfg.MaxConns = min(r.cfg.MaxConns, max(n, 1)) }

// Addr is the listening address.
func (r *Server) Addr() netip.AddrPort {
	return r.listener.Addr().(*net.TCPAddr).AddrPort()
}

// Serve accepts connections until Close, and then returns nil. An accept that
// fails, for example because there are no descriptors left, is counted and retried,
// unless the listener is broken.
func (r *Server) Serve() error {
	accepting := listen.NewErrors(r.cfg.Log, "the Register cannot accept connections", &r.counters.acceptErrors)
	for {
		c, err := r.listener.Accept()
		if err == nil {
			accepting.Accepted()
			r.start(patientConn{c.(stream)})
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		reaction := accepting.Failed(err)
		if reaction.Broken {
			return fmt.Errorf("accept: %w", err)
		}
		select {
		case <-time.After(reaction.Wait):
		case <-r.closed:
			return nil
		}
	}
}

// start starts a connection. At MaxConns the oldest connection without a successful
// connect is closed; if there is none, the new one is.
func (r *Server) start(tcp patientConn) {
	c := newConn(r, tcp)
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
		_ = tcp.Close()
		return
	default:
	}
	r.counters.accepted.Add(1)
	if len(r.conns) >= r.cfg.MaxConns {
		oldest := r.strange.Front()
		r.counters.refused[refusedFull].Add(1)
		if oldest == nil {
			_ = tcp.Close()
			return
		}
		r.remove(oldest.Value.(*conn))
	}
	r.conns[c] = struct{}{}
	c.strange = r.strange.PushBack(c)
	r.running.Add(1)
	go c.read()
}

// remove forgets a connection, once. If it was a gateway's, workers are told. The
// caller holds mu.
func (r *Server) remove(c *conn) {
	if _, ok := r.conns[c]; !ok {
		return
	}
	delete(r.conns, c)
	if c.strange != nil {
		r.strange.Remove(c.strange)
		c.strange = nil
	}
	_ = c.tcp.Close()
	close(c.done)
	if c.worker {
		r.counters.workers.Add(-1)
	}
	if r.listed.remove(c) {
		r.counters.gateways.Add(-1)
		r.broadcast()
	}
}

// broadcast builds the line and sends it to all workers. The caller holds mu.
func (r *Server) broadcast() {
	r.line = r.listed.line()
	r.counters.broadcasts.Add(1)
	for c := range r.conns {
		if c.worker {
			select {
			case c.changed <- struct{}{}:
			default: // its writer will see the newest line
			}
		}
	}
}

// current is the line that a worker should have. It must not be changed.
func (r *Server) current() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line
}

// leaveTime is how long the latest connections may take to ask and be answered.
const leaveTime = time.Second

// Leave stops accepting, and waits until the existing connections have asked and
// are answered: a call of PHP that gets no list fails. Close comes next.
func (r *Server) Leave(ctx context.Context) {
	if socket, ok := r.listener.(syscall.Conn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = listen.Deafen(int(fd)) })
		}
	}
	answered := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.strange.Len() == 0 && r.asking.Load() == 0
	}
	settled, end := time.Now().Add(r.settle), time.Now().Add(r.settle+leaveTime)
	for now := time.Now(); now.Before(settled) || now.Before(end) && !answered(); now = time.Now() {
		select {
		case <-time.After(leavePoll):
		case <-r.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close stops listening, ends all connections and waits for their goroutines. It
// may be called more than once.
func (r *Server) Close() error {
	r.mu.Lock()
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
	for c := range r.conns { // no broadcasts: a list without us must not be sent
		if c.worker {
			c.worker = false
			r.counters.workers.Add(-1)
		}
	}
	for c := range r.conns {
		r.remove(c)
	}
	r.mu.Unlock()
	err := r.listener.Close()
	r.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
