// Package bell wakes an event loop from other goroutines.
package bell

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bell is an eventfd that its loop polls for reading. Rings add up until they are
// answered, so many rings are one event. The value of a Bell is its descriptor, by
// which a loop recognises its event.
type Bell int

// New returns a bell that has not been rung.
func New() (Bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("eventfd: %w", err)
	}
	return Bell(fd), nil
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

// Ring makes the bell readable with one write(2). The write fails only if the
// counter is full, and then the bell is already readable. Any goroutine may call
// it. Neither Ring nor Answer can block, so they skip the scheduler's bookkeeping
// of system calls.
func (b Bell) Ring() {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(b), uintptr(unsafe.Pointer(&one[0])), uintptr(len(one)))
}

// Answer clears all rings so far. A later Ring wakes the loop again, so the loop
// must call Answer first and then look for work.
func (b Bell) Answer() {
	var p [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(b), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
}

// Wait waits for a time, or until the bell has been rung, which it does not answer. It
// may end early, by a signal.
func (b Bell) Wait(d time.Duration) {
	until := unix.NsecToTimespec(int64(d))
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(b), Events: unix.POLLIN}}, &until, nil)
}

// Close closes the descriptor. Nobody may ring afterwards: the number may soon
// belong to another file.
func (b Bell) Close() { _ = unix.Close(int(b)) }
