package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/internal/listen"
	"castgate/server/transport"
)

// acceptor takes sockets from the listener and hands them to the loops in
// turn. It is a goroutine of its own, which waits in poll while there are none: no
// error of accept, running out of files or kernel memory included, ends a loop.
type acceptor struct {
	srv     *Server
	addr    net.Addr
	secure  bool        // its clients speak TLS
	form    frames.Form // what its clients are sent before anything is agreed
	index   uint8       // in Server.acceptors
	file    *os.File
	door    *door
	stopped atomic.Bool
	closed  chan struct{}
	spare   int // a descriptor kept to be able to accept and refuse when there are no more
	warned  time.Time
	failed  int // accepts in a row
	lost    int // in a row, to another process

	inherited bool        // the socket was passed and outlives this process
	leaving   atomic.Bool // nobody new is to get in line
	until     time.Time   // from when an empty line is the end; zero before leave
}

const (
	// acceptPause is how long the acceptor waits after an error that more
	// accepting would only repeat.
	acceptPause = 50 * time.Millisecond
	// refuseWait is how long the acceptor waits for one of the sockets being
	// refused to be done, before it turns one away roughly.
	refuseWait = 20 * time.Millisecond
	// mostFailures is how many accepts may fail in a row before the acceptor
	// waits, whatever their errors say.
	mostFailures = 16
	// lostPause is how long the acceptor waits where another process is always
	// faster: it takes the clients.
	lostPause = time.Millisecond
	// warnEvery bounds the log lines about such errors.
	warnEvery = 10 * time.Second
	// mostLeaving is how long those who wait are taken beyond listen.Settle.
	mostLeaving = 2 * time.Second
)

func newAcceptor(s *Server, e endpoint, index uint8) (*acceptor, error) {
	m := e.scheme.form()
	ln, err := listen.TCP(e.address, listen.Options{
		ReusePort: s.config.ReusePort, Passed: s.config.Passed,
		Prepare: func(fd int) error { return setOptions(fd, &s.config, m) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ln.Close() }()
	if ln.Taken {
		s.log.Warn("another process listens on this address too; each client goes to one of the two until one stops (reuse-port)", "listen", ln.Addr().String())
	}
	a := &acceptor{srv: s, addr: ln.Addr(), form: m, secure: e.scheme == schemeWSS, index: index, inherited: ln.Inherited, closed: make(chan struct{})}
	// The duplicate is ours alone, off the runtime's poller.
	if a.file, err = ln.Listener.(*net.TCPListener).File(); err != nil {
		return nil, err
	}
	if a.door, err = newDoor(s.sys, a.file); err != nil {
		_ = a.file.Close()
		return nil, err
	}
	a.spare = a.srv.sys.spare()
	return a, nil
}

// discard closes a listener that has never run.
func (a *acceptor) discard() {
	if a.spare >= 0 {
		_ = unix.Close(a.spare)
	}
	_ = a.file.Close()
	a.door.close()
}

// run accepts until it is stopped, or has been told to leave and nobody waits
// any more. It returns an error only if the listener is broken.
func (a *acceptor) run() error {
	runtime.LockOSThread() // it sits in poll; the thread would be of no other use
	defer func() {
		a.discard()
		close(a.closed)
	}()
	for next := 0; !a.stopped.Load(); {
		if a.leaving.Load() && !a.leave() {
			return nil
		}
		// An accept in vain costs several times what poll does.
		if !a.door.await(a.until) {
			if a.left() {
				return nil
			}
			continue
		}
		fd, sa, err := a.srv.sys.accept(a.door.fd)
		switch {
		case err == nil:
			a.failed, a.lost = 0, 0
			a.place(fd, sa, next)
			next++
		case err == unix.EAGAIN && a.inherited: // another process that has the socket was faster
			if a.lost++; a.lost > mostFailures {
				time.Sleep(lostPause)
			}
		default:
			if err := a.endure(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave begins the end: who waits is still taken, nobody else gets in line. It
// returns false when there is nothing left to do: a socket that was passed
// outlives this process, and who waits there is for the next one.
func (a *acceptor) leave() bool {
	switch {
	case a.inherited:
		return false
	case a.until.IsZero():
		a.until = time.Now().Add(a.srv.settle)
		if err := listen.Deafen(a.door.fd); err != nil {
			a.srv.log.Warn("clients that connect at the last moment may see a connection reset", "listen", a.addr.String(), "err", err)
		}
	case time.Since(a.until) > mostLeaving: // the line does not end
		return false
	}
	return true
}

// left tells, when nobody waits, whether that is the end.
func (a *acceptor) left() bool { return !a.until.IsZero() && !time.Now().Before(a.until) }

// endure decides what an error of accept means.
func (a *acceptor) endure(err error) error {
	a.srv.acceptErrors.Add(1)
	a.failed++
	switch {
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSOCK), errors.Is(err, unix.EFAULT):
		return fmt.Errorf("accept: %w", err)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		a.refuseWithSpare()
		a.warn(err)
		time.Sleep(acceptPause)
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EPERM):
		a.warn(err)
		time.Sleep(acceptPause)
	case a.failed > mostFailures: // it is not about one peer
		a.warn(err)
		time.Sleep(acceptPause)
	default: // the peer has gone, or the network has a fault for it (accept(2))
	}
	return nil
}

func (a *acceptor) warn(err error) {
	if time.Since(a.warned) >= warnEvery {
		a.warned = steadyNow()
		a.srv.log.Warn("clients cannot be accepted at the moment", "err", err)
	}
}

// refuseWithSpare gives up the spare descriptor to take one socket and tell it
// that there is no room, rather than leave it waiting in the kernel's queue.
func (a *acceptor) refuseWithSpare() {
	if a.spare < 0 {
		a.spare = a.srv.sys.spare()
		return
	}
	_ = unix.Close(a.spare)
	if ready(a.door.fd) { // who waited may have gone
		if fd, sa, err := a.srv.sys.accept(a.door.fd); err == nil {
			a.turnAway(fd, addrPort(sa), codec.HandshakeBusy)
		}
	}
	a.spare = a.srv.sys.spare()
}

func ready(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// place hands a socket to its loop.
func (a *acceptor) place(fd int, sa unix.Sockaddr, next int) {
	s := a.srv
	s.accepted.Add(1)
	socket := arrival{fd: fd, addr: addrPort(sa), form: a.form, endpoint: a.index, secure: a.secure}
	d := s.admission.Connect(socket.addr.Addr())
	if d.Crowded {
		a.turnAway(fd, socket.addr, d.Refusal)
		return
	}
	socket.refusal, socket.counted, socket.proxied = d.Refusal, d.Counted, d.Proxied
	if socket.refusal == codec.HandshakeOK {
		a.pace()
	}
	over := s.socketAccepted() - int(s.maxConns.Load())
	for end := time.Now().Add(refuseWait); over > s.limits.Refusing && !a.stopped.Load(); {
		if time.Now().After(end) {
			a.tell(fd, socket.addr, codec.HandshakeBusy)
			s.dismiss(socket)
			return
		}
		time.Sleep(refuseWait / 20)
		over = s.openSockets() - int(s.maxConns.Load())
	}
	if over > 0 && socket.refusal == codec.HandshakeOK {
		socket.refusal = codec.HandshakeBusy
	}
	if !s.arrive(socket, next) {
		s.dismiss(socket)
	}
}

// turnAway refuses a socket without waiting for the request. The request may be
// unread when the socket closes and the answer be lost to a reset; below the
// limit of sockets being refused, loops do it properly.
func (a *acceptor) turnAway(fd int, peer netip.AddrPort, why codec.HandshakeResult) {
	a.tell(fd, peer, why)
	a.srv.sys.close(fd)
}

// tell writes and counts a refusal, as much of it as the socket takes.
func (a *acceptor) tell(fd int, peer netip.AddrPort, why codec.HandshakeResult) {
	a.srv.turnedAway(peer, why)
	switch {
	case a.secure:
		_, _ = a.srv.sys.write(fd, transport.Refused)
	case !a.form.Plain():
		_, _ = a.srv.sys.write(fd, codec.AppendRefusal(nil, why))
	}
	a.srv.sys.shutdown(fd)
}

// pace waits until Policy.HandshakeRate lets one more socket in. Those that
// come meanwhile wait in the kernel's queue, which costs nothing; a refusal
// would cost a handshake, and bring the client back.
func (a *acceptor) pace() {
	s := a.srv
	for waited := false; !a.stopped.Load() && !a.leaving.Load(); waited = true {
		wait := s.admission.Pace()
		if wait == 0 {
			return
		}
		if !waited {
			s.delayed.Add(1)
		}
		time.Sleep(min(wait, acceptPause))
	}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// stop makes run end, whoever waits. Any goroutine.
func (a *acceptor) stop() {
	a.stopped.Store(true)
	a.door.ring()
}

// finish makes run end once all are taken who wait. Any goroutine.
func (a *acceptor) finish() {
	a.leaving.Store(true)
	a.door.ring()
}
