package gatewayworker

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/gateway"
	"castgate/server/gatewayworker/internal/register"
	"castgate/server/internal/audit"
	"castgate/server/internal/listen"
	"castgate/server/setting"
)

// Front is the GatewayWorker side of a gateway: New, Listen, Serve, Drain,
// Shutdown. Its methods may be called from any goroutine.
type Front struct {
	cfg     Config
	sys     *system
	log     *slog.Logger
	audit   *audit.Log
	count   counters
	loop    *innerLoop
	queue   *eventQueue
	inner   netip.AddrPort
	address netip.AddrPort

	register *register.Server
	joiner   *register.Joiner

	settle  time.Duration // listen.Settle
	serving atomic.Bool
	leaving atomic.Bool
	ended   chan struct{} // closed when the inner loop has ended
}

// New binds the inner endpoint and the Register, so that an address in use is
// reported at once. Both answer only after Serve. Errors of settings begin with the
// setting's name.
func New(c Config) (*Front, error) { return newFront(c, &linux) }

func newFront(c Config, sys *system) (*Front, error) {
	if !c.On() {
		return nil, setting.Errorf("gatewayworker-inner", "it is not set")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f := &Front{cfg: c, sys: sys, log: c.Log, audit: audit.New(c.Audit), settle: listen.Settle, ended: make(chan struct{})}
	fd, err := f.listen()
	if err != nil {
		return nil, fmt.Errorf("cannot listen for GatewayWorker on %s: %w", c.Inner, err)
	}
	f.address = c.advertised(f.inner)
	if err := f.newLoop(fd); err != nil {
		f.sys.close(fd)
		return nil, err
	}
	if c.Register != "" {
		if f.register, err = register.New(c.registerConfig(f.inner)); err != nil {
			f.release()
			return nil, fmt.Errorf("cannot listen for a Register on %s: %w", c.Register, err)
		}
	}
	if len(c.Join) > 0 {
		if f.joiner, err = register.NewJoiner(c.joinerConfig(f.inner)); err != nil {
			f.release()
			return nil, setting.Named("gatewayworker-join", err)
		}
	}
	return f, nil
}

// unsentLen is how many unsent bytes the kernel buffers for an inner connection. It
// reports room when half of them are sent, so StallTimeout sees the progress of a
// slow reader, which megabytes in the kernel would hide.
const unsentLen = 64 << 10

// listen binds the inner address. The descriptor is ours, not the runtime poller's.
func (f *Front) listen() (fd int, err error) {
	opened, err := listen.TCP(f.cfg.Inner, listen.Options{ReusePort: f.cfg.ReusePort})
	if err != nil {
		return -1, err
	}
	ln := opened.Listener
	defer func() { _ = ln.Close() }()
	if opened.Taken {
		f.log.Warn("another process also listens on this address; until one of them stops, each PHP connection reaches one of the two (reuse-port)", "inner", f.cfg.Inner)
	}
	f.inner = ln.Addr().(*net.TCPAddr).AddrPort()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		return -1, err
	}
	ctlErr := raw.Control(func(s uintptr) {
		// Accepted sockets inherit all these options.
		err = errors.Join(unix.SetsockoptInt(int(s), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetsockoptInt(int(s), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.SetsockoptInt(int(s), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLen),
			unix.SetsockoptLinger(int(s), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})) // see orderly
		if err == nil {
			fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
		}
	})
	return fd, errors.Join(ctlErr, err)
}

func (f *Front) newLoop(listener int) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	b, err := f.sys.bell()
	if err != nil {
		f.sys.close(epoll)
		return err
	}
	for _, fd := range []int{listener, int(b)} {
		if err := f.sys.watch(epoll, unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
			f.sys.close(epoll)
			b.Close()
			return fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	f.queue = newEventQueue(f.address, f.cfg.EventQueue, b, &f.count)
	f.queue.phase.Store(int32(f.cfg.firstPhase()))
	var id [6]byte
	ip := f.address.Addr().As4()
	copy(id[:], ip[:])
	id[4], id[5] = byte(f.address.Port()>>8), byte(f.address.Port())
	f.loop = newInnerLoop(f.cfg, f.sys, &f.count, f.log, f.audit, f.queue, hex.EncodeToString(id[:]))
	f.loop.epoll, f.loop.bell = epoll, b
	f.loop.arrivals = newArrivals(f.loop, listener)
	f.loop.sweeper = newSweeper(f.loop, f.address.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	return nil
}

// Address is where PHP reaches the inner endpoint; it is Config.PeerAddress of the
// server.
func (f *Front) Address() netip.AddrPort { return f.address }

// Inner is the listening address of the inner endpoint.
func (f *Front) Inner() netip.AddrPort { return f.inner }

// Register is the listening address of the embedded Register, invalid if there is
// none.
func (f *Front) Register() netip.AddrPort {
	if f.register == nil {
		return netip.AddrPort{}
	}
	return f.register.Addr()
}

// Events receives the events of the server's clients; it is Config.Events of the
// server.
func (f *Front) Events() gateway.Events { return f.queue }

// SetLimits lowers the maximum number of connections to the inner endpoint and the
// Register to the available descriptors. Call it before Serve.
func (f *Front) SetLimits(inner, ofRegister int) {
	l := f.loop
	l.cfg.MaxConns = min(l.cfg.MaxConns, max(inner, 1))
	l.cfg.MaxSilent = min(l.cfg.MaxSilent, max(l.cfg.MaxConns/2, 1))
	if f.register != nil {
		f.register.LimitConns(ofRegister)
	}
}

// Gateway is the verbs that PHP's commands need.
type Gateway interface {
	gateway.Gateway
	gateway.GatewayWorker
}

// Serve answers PHP until Shutdown, and then returns nil.
func (f *Front) Serve(gw Gateway, host gateway.Host) error {
	f.loop.serves(gw, host)
	failed := make(chan error, 2)
	if f.register != nil {
		go func() {
			if err := f.register.Serve(); err != nil {
				failed <- fmt.Errorf("the Register failed: %w", err)
			}
		}()
	}
	f.serving.Store(true)
	go func() {
		failed <- f.loop.run()
		close(f.ended)
	}()
	if f.joiner != nil {
		f.joiner.Start()
	}
	err := <-failed
	if err != nil {
		f.halt()
	}
	<-f.ended
	f.closeRegisters()
	f.release()
	return err
}

// do runs a task on the inner loop and waits for ready. It returns false if the
// loop has ended, or ctx is done first.
func (f *Front) do(ctx context.Context, task func(l *innerLoop), ready <-chan struct{}) bool {
	if !f.serving.Load() {
		return false
	}
	select {
	case f.loop.tasks <- task:
	case <-f.ended:
		return false
	case <-ctx.Done():
		return false
	}
	f.loop.bell.Ring()
	select {
	case <-ready:
		return true
	case <-f.ended:
	case <-ctx.Done():
	}
	return false
}

// release closes what New opened, when the loop does not run. The bell stays open,
// since event loops of the server may still ring it.
func (f *Front) release() {
	f.loop.arrivals.closeListener()
	if f.loop.epoll >= 0 {
		f.sys.close(f.loop.epoll)
		f.loop.epoll = -1
	}
	if f.register != nil {
		_ = f.register.Close()
	}
}
