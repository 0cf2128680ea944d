package server

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/bell"
)

// door is where an acceptor waits for the next socket, or to be called away.
type door struct {
	fd int // of the listener, which does not block: others may accept from it too

	mu     sync.Mutex
	bell   bell.Bell
	closed bool // guarded by mu, like the bell
}

func newDoor(sys *system, listener *os.File) (*door, error) {
	d := &door{}
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := raw.Control(func(fd uintptr) { d.fd = int(fd) }); err != nil {
		return nil, err
	}
	d.bell, err = sys.bell()
	return d, err
}

// await waits until somebody can be accepted, which it tells, the bell rings, or
// until, if that is not zero. The acceptor's goroutine.
func (d *door) await(until time.Time) bool {
	wait := -1
	if !until.IsZero() {
		wait = int(max(time.Until(until).Milliseconds(), 0)) + 1
	}
	p := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}, {Fd: int32(d.bell), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, wait); err != nil {
		return false
	}
	if p[1].Revents != 0 {
		d.bell.Answer()
	}
	return p[0].Revents != 0
}

// ring ends await. Any goroutine.
func (d *door) ring() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.bell.Ring()
	}
}

// close gives the bell back; who rings later rings nothing.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.bell.Close()
	}
}
