// Package bell wakes an event loop from other goroutines.
package bell

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bell is an eventfd, which its loop polls for reading. Rings add up until they
// are answered: many of them are one event. A Bell is its descriptor's number,
// so that a loop can tell its event from others.
type Bell int

// New makes a bell that has not been rung.
func New() (Bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("eventfd: %w", err)
	}
	return Bell(fd), nil
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

// Ring makes the bell readable: one write(2), which fails only when the counter
// is full, and then it rings already. Any goroutine may call it. Neither this nor
// Answer can block, so Go's scheduler need not be told of them.
func (b Bell) Ring() {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(b), uintptr(unsafe.Pointer(&one[0])), uintptr(len(one)))
}

// Answer takes all rings so far. Who rings afterwards wakes the loop again, so
// it answers first and then looks for what there is to do.
func (b Bell) Answer() {
	var p [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(b), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
}

// Close gives the descriptor back. Nobody may ring any more: the number may
// soon be another file's.
func (b Bell) Close() { _ = unix.Close(int(b)) }
