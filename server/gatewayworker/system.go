package gatewayworker

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
)

// system is the border to the kernel for the sockets of the inner endpoint, so
// that tests can put faults there. Only wait blocks.
type system struct {
	read   func(fd int, p []byte) (int, error)
	write  func(fd int, p []byte) (int, error)
	accept func(fd int) (int, netip.AddrPort, error)
	// look tells of many sockets whether they can be read, and whether their peers
	// have ended.
	look func(fds []unix.PollFd) error
	// receive is read; it also returns what the kernel notes of the bytes.
	receive func(fd int, p, oob []byte) (n, oobn int, err error)
	// peek returns the next bytes of a socket, which stay there, and what the
	// kernel notes of them.
	peek func(fd int, p, oob []byte) (n, oobn int, err error)
	// watch is epoll_ctl, wait is epoll_wait.
	watch func(epoll, op, fd int, events uint32) error
	wait  func(epoll int, events []unix.EpollEvent, milliseconds int) (int, error)
	close func(fd int)
	// orderly has close end a connection by a FIN. Accepted ones end by a reset.
	orderly func(fd int)
	// atOnce keeps what the kernel holds of a worker's events short: what waits
	// here can still be shared out.
	atOnce func(fd int)
	// unacknowledged is how many written bytes the peer's kernel has not said to have
	// taken, how many of them were not sent, and whether that is for ever: it has reset
	// the connection, or is away.
	unacknowledged func(fd int) (n, unsent int, gone bool)
	// bell returns an eventfd.
	bell func() (bell.Bell, error)
}

var linux = system{
	read: readNow, write: sendNow, accept: acceptNow, look: lookNow, watch: watchNow, wait: waitNow, close: closeNow,
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
	bell: bell.New,
}

// notSent is how many bytes of a worker's events the kernel takes beyond those
// that it can send at once.
const notSent = 2 << 10
