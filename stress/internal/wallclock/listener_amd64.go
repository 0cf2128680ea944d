package wallclock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// question is struct seccomp_notif: a system call that a thread waits in.
type question struct {
	id     uint64
	thread uint32
	_      uint32
	number int32
	_      uint32 // architecture
	_      uint64 // instruction pointer
	args   [6]uint64
}

// answer is struct seccomp_notif_resp: the result with which the thread continues.
type answer struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// serve answers until the process and all that it started have ended.
func (c *Clock) serve(listener int) {
	defer unix.Close(listener)
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
			c.fail(os.NewSyscallError("poll", err))
			return
		}
		switch {
		case ready[0].Revents&unix.POLLIN != 0:
			if err := c.answer(listener); err != nil {
				c.fail(err)
			}
		case ready[0].Revents != 0:
			return // no process is left
		}
	}
}

// gone reports that a thread no longer waits for its answer. A signal has killed
// it, or interrupted it, and then it asks again.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// answer handles one question.
func (c *Clock) answer(listener int) error {
	var q question
	if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)); err != nil {
		if gone(err) || err == unix.EINTR {
			return nil
		}
		return os.NewSyscallError("seccomp receive", err)
	}
	a := answer{id: q.id}
	err := c.carryOut(listener, &q, &a)
	if err != nil && !gone(err) {
		// The thread must not use what is in its memory as the time.
		a = answer{id: q.id, err: -int32(unix.EPERM)}
	}
	if e := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)); e != nil && !gone(e) {
		return os.NewSyscallError("seccomp send", e)
	}
	if gone(err) {
		return nil
	}
	return err
}

// carryOut does what the system call would have done.
func (c *Clock) carryOut(listener int, q *question, a *answer) error {
	if q.number == unix.SYS_ARCH_PRCTL {
		a.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		return hideVDSO(int(q.thread))
	}
	c.readings.Add(1)
	now := c.Now()
	seconds, rest, where := now.Unix(), int64(now.Nanosecond()), q.args[0]
	switch q.number {
	case unix.SYS_CLOCK_GETTIME:
		where = q.args[1]
	case unix.SYS_GETTIMEOFDAY:
		rest /= int64(time.Microsecond)
	case unix.SYS_TIME:
		a.value = seconds
	}
	if where == 0 {
		return nil
	}
	b := binary.NativeEndian.AppendUint64(nil, uint64(seconds))
	if q.number != unix.SYS_TIME {
		b = binary.NativeEndian.AppendUint64(b, uint64(rest))
	}
	// While the thread waits, its number cannot be reused.
	if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&q.id)); err != nil {
		return err
	}
	return poke(int(q.thread), where, b)
}

// poke writes to the memory of another process.
func poke(thread int, where uint64, b []byte) error {
	n, err := unix.ProcessVMWritev(thread, []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}},
		[]unix.RemoteIovec{{Base: uintptr(where), Len: len(b)}}, 0)
	if err != nil {
		return fmt.Errorf("process_vm_writev: %w", err)
	}
	if n != len(b) {
		return fmt.Errorf("process_vm_writev: %d of %d bytes", n, len(b))
	}
	return nil
}

// peek reads the memory of another process.
func peek(thread int, where uint64, b []byte) error {
	n, err := unix.ProcessVMReadv(thread, []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}},
		[]unix.RemoteIovec{{Base: uintptr(where), Len: len(b)}}, 0)
	if err != nil {
		return fmt.Errorf("process_vm_readv: %w", err)
	}
	if n != len(b) {
		return fmt.Errorf("process_vm_readv: %d of %d bytes", n, len(b))
	}
	return nil
}

func ioctl(fd int, request uint, p unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(p)); e != 0 {
		return e
	}
	return nil
}
