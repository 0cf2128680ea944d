package wallclock

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// archSetFS is ARCH_SET_FS of arch_prctl(2). A program's first thread gets its
// local storage by it, before Go's runtime reads the auxiliary vector.
const archSetFS = 0x1002

// Offsets in struct seccomp_data. The lower half of an argument comes first.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

// filter makes the kernel ask about readings of the wall clock and the one call at
// which the vDSO is removed, and allow everything else.
func filter() []unix.SockFilter {
	const arg, ask, allow = 7, 11, 12 // indexes in the program, the targets of jumps
	var program []unix.SockFilter
	load := func(offset uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
	}
	test := func(value uint32, then, otherwise int) {
		next := len(program) + 1 // jumps are relative to this
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value,
			Jt: uint8(then - next), Jf: uint8(otherwise - next)})
	}
	end := func(action uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
	}
	load(offsetArch)
	test(unix.AUDIT_ARCH_X86_64, 2, allow)
	load(offsetNumber)
	test(unix.SYS_GETTIMEOFDAY, ask, 4)
	test(unix.SYS_TIME, ask, 5)
	test(unix.SYS_CLOCK_GETTIME, arg, 6)
	test(unix.SYS_ARCH_PRCTL, arg, allow)
	// No clock has the number archSetFS, and arch_prctl has no code below 0x1001.
	load(offsetArg0)
	test(unix.CLOCK_REALTIME, ask, 9)
	test(unix.CLOCK_REALTIME_COARSE, ask, 10)
	test(archSetFS, ask, allow)
	end(unix.SECCOMP_RET_USER_NOTIF)
	end(unix.SECCOMP_RET_ALLOW)
	return program
}

// install puts the filter on this thread and on what it execs and starts. It
// returns the descriptor at which the kernel asks.
func install() (listener int, err error) {
	// Without this only root may install a filter: it could fool a program with
	// more rights than its caller.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, os.NewSyscallError("prctl", err)
	}
	program := filter()
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&p)))
	if e != 0 {
		return -1, os.NewSyscallError("seccomp", e)
	}
	return int(fd), nil
}
