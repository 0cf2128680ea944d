package server

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/frames"
)

// Options of client sockets are set on the listener, which costs nothing for a
// connection: Linux has accepted sockets inherit them.

// setOptions sets what sockets accepted from a listener shall have.
func setOptions(fd int, c *Config, m frames.Form) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, c.NotsentLowat),
		keepAlive(fd, c.PingInterval, c.PingTimeout, m))
}

// keepAlive has the kernel find idle peers that are gone where no pings do. One
// that is silent is probed after interval and gone after timeout more. The kernel
// does not probe while it holds bytes for a peer: then progress.watch does the
// same. TCP_USER_TIMEOUT is left off, since it also ends a peer that reads slowly: what
// it measures is for how long the window has no room for a whole segment.
func keepAlive(fd int, interval, timeout time.Duration, m frames.Form) error {
	on := 1
	switch {
	case interval == 0:
		interval, timeout = idleProbe, idleProbe
	case !m.Plain():
		on = 0
	}
	seconds := func(d time.Duration) int {
		const most = 32767 // the kernel's
		return int(min(max((d+time.Second-1)/time.Second, 1), most))
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, on),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(interval)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(timeout)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 1))
}

// setKeepAlive is keepAlive for those who connect from now on. Any goroutine.
func (s *Server) setKeepAlive(interval, timeout time.Duration) {
	for _, a := range s.acceptors {
		raw, err := a.file.SyscallConn()
		if err != nil {
			continue // it is closed
		}
		_ = raw.Control(func(fd uintptr) { err = keepAlive(int(fd), interval, timeout, a.form) })
		if err != nil {
			s.log.Warn("keepalive of a listener", "address", a.addr.String(), "err", err)
		}
	}
}
