package acceptor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Options of client sockets are set on the listener, which costs nothing for a
// connection: on Linux, accepted sockets inherit them.

const (
	// maxKeepAlive is the largest number of seconds that the kernel takes.
	maxKeepAlive = 32767
	// keepAliveProbes is how many probes must remain without an answer where the time of
	// keepalive was set: a lost packet is no reason to end a client.
	keepAliveProbes = 3
)

// Sockets are options of accepted sockets.
type Sockets struct {
	// NotsentLowat is TCP_NOTSENT_LOWAT in bytes.
	NotsentLowat int
	Liveness
	// IdleProbe is after how much silence the kernel probes a peer, and how long it
	// waits for an answer, where there are no pings.
	IdleProbe time.Duration
}

// Liveness are the times by which peers that are gone are found.
type Liveness struct {
	// PingInterval is how much silence leads to a ping, and PingTimeout how much more
	// means that the peer is gone; a PingInterval of 0 is no pings.
	PingInterval, PingTimeout time.Duration
	// KeepAlive is how much silence leads to a probe of the kernel's, where there are no
	// pings; 0 is PingInterval, or IdleProbe.
	KeepAlive time.Duration
}

// set sets what sockets accepted from a listener shall have.
func (o *Sockets) set(fd int, s Scheme) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.NotsentLowat),
		o.keepAlive(fd, s))
}

// keepAlive has the kernel find idle peers that are gone, where no pings do. A silent peer
// is probed after interval, and is gone after timeout more: without an answer to one
// probe, or to the last of keepAliveProbes where KeepAlive is set. The kernel does not probe
// while it holds bytes for a peer; the event loops then do the same. TCP_USER_TIMEOUT is
// left off, since it also ends a peer that reads slowly: it measures for how long the
// window has no room for a whole segment.
func (o *Sockets) keepAlive(fd int, s Scheme) error {
	interval, timeout, probes := o.PingInterval, o.PingTimeout, 1
	on := 1
	switch {
	case o.PingInterval > 0 && s.WebSocket():
		on = 0
	case o.KeepAlive > 0:
		interval, timeout, probes = o.KeepAlive, o.PingTimeout/keepAliveProbes, keepAliveProbes
	case o.PingInterval == 0:
		interval, timeout = o.IdleProbe, o.IdleProbe
	}
	seconds := func(d time.Duration) int {
		return int(min(max((d+time.Second-1)/time.Second, 1), maxKeepAlive))
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, on),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(interval)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(timeout)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes))
}

// SetLiveness changes the times, for sockets that are accepted from now on. Any goroutine.
func (a *Acceptor) SetLiveness(l Liveness) {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return // it is closed
	}
	o := Sockets{Liveness: l, IdleProbe: a.idleProbe}
	_ = raw.Control(func(fd uintptr) { err = o.keepAlive(int(fd), a.scheme) })
	if err != nil {
		a.log.Warn("cannot set the keepalive of a listener", "listen", a.addr.String(), "err", err)
	}
}
