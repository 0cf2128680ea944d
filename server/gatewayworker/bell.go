package gatewayworker

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// bell is an eventfd: whoever rings it wakes the inner loop. Any goroutine.
type bell int

func newBell() (bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("eventfd: %w", err)
	}
	return bell(fd), nil
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

// ring fails only when the counter is full, and then it rings already.
func (b bell) ring() { _, _ = unix.Write(int(b), one) }

func (b bell) answer() {
	var p [8]byte
	_, _ = unix.Read(int(b), p[:])
}
