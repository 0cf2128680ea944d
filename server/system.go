package server

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
)

// system is the border to the kernel for client sockets, so that tests can
// put faults there. Calls never block.
type system struct {
	read     func(fd int, p []byte) (int, error)
	write    func(fd int, p []byte) (int, error)
	accept   func(fd int) (int, unix.Sockaddr, error)
	close    func(fd int)
	shutdown func(fd int)
	// yield lets threads that wait have the core.
	yield func()
	// now is the clock of tokens, whose times are of the wall clock.
	now func() time.Time
	// elapsed is the clock of quotas and of the loops' ticks. It counts monotonic
	// time: setting the wall clock neither fills a bucket nor keeps it empty, and
	// moves no deadline.
	elapsed func() time.Duration
	// unsent is how many written bytes the peer has not acknowledged.
	unsent func(fd int) int
	// flow is how a peer takes what it is sent.
	flow func(fd int) flow
	// resetOnClose makes close drop what the kernel still holds for the peer.
	resetOnClose func(fd int)
	// watch has a poller tell when a descriptor can be read, watchRoom also when
	// it can be written, and unwatchRoom no longer. unwatch has it tell nothing,
	// and watchOnlyRoom then when it can be written and nothing else, or watchEnd
	// when the peer has sent its last byte; each byte more is told once, too.
	watch, watchRoom, unwatchRoom, unwatch, watchOnlyRoom, watchEnd func(p *netpoll.Poller, fd int) error
	// bell returns an eventfd for a loop, ticker a timerfd.
	bell   func() (bell.Bell, error)
	ticker func() (int, error)
	// spare opens a descriptor only to have it; -1 if there is none.
	spare func() int
}

// processBegan is taken once, since a time after 2157 has no monotonic reading:
// the difference of two of them would be the wall clock's.
var processBegan = time.Now()

// steadyNow is the time for what is compared with a later one: by the monotonic
// clock, wherever the wall clock is at the moment.
func steadyNow() time.Time { return processBegan.Add(time.Since(processBegan)) }

var linux = system{
	read:  unix.Read,
	write: send,
	accept: func(fd int) (int, unix.Sockaddr, error) {
		return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	},
	close:    func(fd int) { _ = unix.Close(fd) },
	now:      time.Now,
	elapsed:  func() time.Duration { return time.Since(processBegan) },
	shutdown: func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) },
	yield:    func() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) },
	unsent: func(fd int) int {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err != nil {
			return 0
		}
		return n
	},
	flow: flowOf,
	resetOnClose: func(fd int) {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	},
	watch: func(p *netpoll.Poller, fd int) error {
		return p.AddRead(&netpoll.PollAttachment{FD: fd}, false)
	},
	watchRoom: func(p *netpoll.Poller, fd int) error {
		return p.ModReadWrite(&netpoll.PollAttachment{FD: fd}, false)
	},
	unwatchRoom: func(p *netpoll.Poller, fd int) error {
		return p.ModRead(&netpoll.PollAttachment{FD: fd}, false)
	},
	unwatch: func(p *netpoll.Poller, fd int) error { return p.Delete(fd) },
	watchOnlyRoom: func(p *netpoll.Poller, fd int) error {
		return p.AddWrite(&netpoll.PollAttachment{FD: fd}, false)
	},
	watchEnd: func(p *netpoll.Poller, fd int) error {
		return p.AddRead(&netpoll.PollAttachment{FD: fd}, true)
	},
	bell:   bell.New,
	ticker: newTicker,
	spare:  openSpare,
}

// newTicker returns a timerfd that fires every tick of a loop. It counts
// monotonic time: setting the clock moves no deadline.
func newTicker() (int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("timerfd_create: %w", err)
	}
	every := unix.NsecToTimespec(int64(tickLen))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("timerfd_settime: %w", err)
	}
	return fd, nil
}

func openSpare() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// rawSendLen is the length up to which send keeps its processor.
const rawSendLen = 64 << 10

// send writes to a socket that does not block. send(2) is some tens of
// nanoseconds less than write(2), and for short buffers the runtime is not told
// of a system call that ends at once anyway: with thousands a slice, taking the
// processor away and back costs more than it could gain.
func send(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > rawSendLen {
		return unix.Write(fd, p)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}
