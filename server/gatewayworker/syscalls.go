package gatewayworker

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls of the inner loop that do not block bypass Go's scheduler, whose
// bookkeeping costs more than some of the calls. The wrapper of golang.org/x/sys
// for recvmsg also asks the kernel for the socket's protocol each time.

// call makes a system call that does not block.
func call(trap, a, b, c, d, e uintptr) (int, error) {
	n, _, errno := unix.RawSyscall6(trap, a, b, c, d, e, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func readNow(fd int, p []byte) (int, error) {
	return call(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0)
}

func sendNow(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// receiveNow is recvmsg: p gets the bytes, oob the kernel's notes about them.
func receiveNow(fd int, p, oob []byte, flags int) (n, oobn int, err error) {
	vector := unix.Iovec{Base: unsafe.SliceData(p)}
	vector.SetLen(len(p))
	message := unix.Msghdr{Iov: &vector, Control: unsafe.SliceData(oob)}
	message.SetIovlen(1)
	message.SetControllen(len(oob))
	n, err = call(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	if err != nil {
		return -1, 0, err
	}
	return n, int(message.Controllen), nil
}

// lookNow is ppoll without waiting.
func lookNow(fds []unix.PollFd) error {
	var now unix.Timespec
	_, err := call(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))), uintptr(len(fds)), uintptr(unsafe.Pointer(&now)), 0, 0)
	return err
}

// waitNow is epoll_wait. A call that may block must be known to the scheduler. A
// non-blocking look first would usually find nothing.
func waitNow(epoll int, events []unix.EpollEvent, milliseconds int) (int, error) {
	if milliseconds != 0 {
		return unix.EpollWait(epoll, events, milliseconds)
	}
	return call(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0)
}

func watchNow(epoll, op, fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	_, err := call(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0)
	return err
}

// closeNow closes a descriptor.
func closeNow(fd int) { _, _ = call(unix.SYS_CLOSE, uintptr(fd), 0, 0, 0, 0) }
