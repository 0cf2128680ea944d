package kernel

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
	"castgate/server/internal/listen"
)

// Calls are what is asked of the kernel for the sockets of clients. Tests put faults in
// their place. None of them blocks but Rest. Any goroutine may call them.
type Calls struct {
	Read     func(fd int, p []byte) (int, error)
	Write    func(fd int, p []byte) (int, error)
	Accept   func(fd int) (int, netip.AddrPort, error)
	Close    func(fd int)
	Shutdown func(fd int)
	// Yield lets threads that wait have the core.
	Yield func()
	// Rest waits for a time, or until a bell has been rung, which it does not answer.
	Rest func(b bell.Bell, d time.Duration)
	// Now is the clock of tokens, whose times are of the wall clock.
	Now func() time.Time
	// Elapsed is the clock of quotas and of the loops' ticks. It counts monotonic
	// time: setting the wall clock neither fills a bucket nor keeps it empty, and
	// moves no deadline.
	Elapsed func() time.Duration
	// Unsent is how many written bytes the peer has not acknowledged.
	Unsent func(fd int) int
	// Flow is how a peer takes what it is sent.
	Flow func(fd int) Flow
	// ResetOnClose makes Close drop what the kernel still holds for the peer.
	ResetOnClose func(fd int)
	// Watch has a poller tell when a descriptor can be read, WatchRoom also when
	// it can be written, and UnwatchRoom no longer. Unwatch has it tell nothing,
	// and WatchOnlyRoom then when it can be written and nothing else, or WatchEnd
	// when the peer has sent its last byte; each byte more is told once, too.
	Watch, WatchRoom, UnwatchRoom, Unwatch, WatchOnlyRoom, WatchEnd func(p *netpoll.Poller, fd int) error
	// Bell returns an eventfd for a loop, Ticker a timerfd that fires at an interval.
	Bell   func() (bell.Bell, error)
	Ticker func(every time.Duration) (int, error)
	// Spare opens a descriptor only to have it; -1 if there is none.
	Spare func() int
}

// processBegan is taken once, since a time after 2157 has no monotonic reading:
// the difference of two of them would be the wall clock's.
var processBegan = time.Now()

// Linux are the calls of the kernel itself.
var Linux = Calls{
	Read:     unix.Read,
	Write:    send,
	Accept:   listen.Accept,
	Close:    func(fd int) { _ = unix.Close(fd) },
	Now:      time.Now,
	Elapsed:  func() time.Duration { return time.Since(processBegan) },
	Shutdown: func(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) },
	Yield:    func() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) },
	Rest:     bell.Bell.Wait,
	Unsent: func(fd int) int {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err != nil {
			return 0
		}
		return n
	},
	Flow: flowOf,
	ResetOnClose: func(fd int) {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	},
	Watch: func(p *netpoll.Poller, fd int) error {
		return p.AddRead(&netpoll.PollAttachment{FD: fd}, false)
	},
	WatchRoom: func(p *netpoll.Poller, fd int) error {
		return p.ModReadWrite(&netpoll.PollAttachment{FD: fd}, false)
	},
	UnwatchRoom: func(p *netpoll.Poller, fd int) error {
		return p.ModRead(&netpoll.PollAttachment{FD: fd}, false)
	},
	Unwatch: func(p *netpoll.Poller, fd int) error { return p.Delete(fd) },
	WatchOnlyRoom: func(p *netpoll.Poller, fd int) error {
		return p.AddWrite(&netpoll.PollAttachment{FD: fd}, false)
	},
	WatchEnd: func(p *netpoll.Poller, fd int) error {
		return p.AddRead(&netpoll.PollAttachment{FD: fd}, true)
	},
	Bell:   bell.New,
	Ticker: newTicker,
	Spare:  openSpare,
}

// newTicker returns a timerfd that fires at an interval. It counts monotonic time:
// setting the clock moves no deadline.
func newTicker(interval time.Duration) (int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("timerfd_create: %w", err)
	}
	every := unix.NsecToTimespec(int64(interval))
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
