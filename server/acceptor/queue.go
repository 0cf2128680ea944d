package acceptor

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
)

// queue is the kernel's queue of sockets that wait to be accepted, and a bell that calls
// the acceptor away from it.
type queue struct {
	fd int // of the listener, which does not block: others may accept from it too

	mu     sync.Mutex
	bell   bell.Bell
	closed bool // guarded by mu, like the bell
}

func newQueue(listener *os.File, newBell func() (bell.Bell, error)) (*queue, error) {
	q := &queue{}
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := raw.Control(func(fd uintptr) { q.fd = int(fd) }); err != nil {
		return nil, err
	}
	q.bell, err = newBell()
	return q, err
}

// await waits until a socket can be accepted, which it reports, until the bell rings, or
// until a time, if that is not zero. The acceptor's goroutine.
func (q *queue) await(until time.Time) bool {
	wait := -1
	if !until.IsZero() {
		wait = int(max(time.Until(until).Milliseconds(), 0)) + 1
	}
	p := []unix.PollFd{{Fd: int32(q.fd), Events: unix.POLLIN}, {Fd: int32(q.bell), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, wait); err != nil {
		return false
	}
	if p[1].Revents != 0 {
		q.bell.Answer()
	}
	return p[0].Revents != 0
}

// length is how many sockets wait to be accepted; at least 1, also if the kernel does not
// tell.
func (q *queue) length() int {
	i, err := unix.GetsockoptTCPInfo(q.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 1
	}
	return max(int(i.Unacked), 1) // of a listener: its backlog
}

// ready reports whether a socket can be accepted now.
func (q *queue) ready() bool {
	p := []unix.PollFd{{Fd: int32(q.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if err == unix.EINTR { // by a signal of the runtime
			continue
		}
		return err == nil && n == 1
	}
}

// ring ends await. Any goroutine.
func (q *queue) ring() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.bell.Ring()
	}
}

// close closes the bell; ring then does nothing.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.bell.Close()
	}
}
