package gatewayworker

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
	"castgate/server/internal/listen"
)

// system is the boundary to the kernel for the sockets of the inner endpoint, where
// tests inject faults and set the time. Only wait and sleep block.
type system struct {
	read   func(fd int, p []byte) (int, error)
	write  func(fd int, p []byte) (int, error)
	accept func(fd int) (int, netip.AddrPort, error)
	// look reports for many sockets whether they can be read, and whether their
	// peers have ended.
	look func(fds []unix.PollFd) error
	// receive is read; it also returns the kernel's notes about the bytes.
	receive func(fd int, p, oob []byte) (n, oobn int, err error)
	// peek returns the next bytes of a socket, which stay there, and the kernel's
	// notes about them.
	peek func(fd int, p, oob []byte) (n, oobn int, err error)
	// watch is epoll_ctl, wait is epoll_wait.
	watch func(epoll, op, fd int, events uint32) error
	wait  func(epoll int, events []unix.EpollEvent, milliseconds int) (int, error)
	close func(fd int)
	// orderly makes close end a connection with a FIN. Accepted connections end
	// with a reset.
	orderly func(fd int)
	// atOnce keeps short what the kernel buffers of a worker's events: events that
	// wait here can still be shared out.
	atOnce func(fd int)
	// unacknowledged returns how many written bytes the peer's kernel has not
	// acknowledged, how many of them were not sent, and whether that is final: the
	// peer has reset the connection or is gone.
	unacknowledged func(fd int) (n, unsent int, gone bool)
	// bell returns an eventfd.
	bell func() (bell.Bell, error)
	// now is the time for deadlines.
	now   func() time.Time
	sleep func(time.Duration)
}

var linux = system{
	read: readNow, write: sendNow, accept: listen.Accept, look: lookNow, watch: watchNow, wait: waitNow, close: closeNow,
	receive: func(fd int, p, oob []byte) (n, oobn int, err error) { return receiveNow(fd, p, oob, 0) },
	peek:    func(fd int, p, oob []byte) (n, oobn int, err error) { return receiveNow(fd, p, oob, unix.MSG_PEEK) },
	atOnce: func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent)
	},
	orderly: func(fd int) {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	},
	unacknowledged: func(fd int) (n, unsent int, gone bool) {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err != nil {
			return 0, 0, false
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return n, 0, false
		}
		return n, int(info.Notsent_bytes), info.State == unix.BPF_TCP_CLOSE
	},
	bell: bell.New, now: sinceStart, sleep: time.Sleep,
}

// notSent is how many bytes of a worker's events the kernel accepts beyond what it
// can send at once.
const notSent = 2 << 10

var started = time.Now()

// sinceStart is time.Now, but always has a monotonic reading, which time.Now lacks after
// March 2157: if the wall clock were that late for a moment, a deadline taken then would
// expire centuries later.
func sinceStart() time.Time { return started.Add(time.Since(started)) }
