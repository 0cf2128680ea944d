package wallclock

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// archSetFS is ARCH_SET_FS of arch_prctl(2), by which a program's first thread
// gets its local storage: before Go's runtime reads the auxiliary vector.
const archSetFS = 0x1002

// Offsets in struct seccomp_data. Arguments have their lower half first.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

// filter has the kernel ask for what reads the wall clock and for the one call
// at which the vDSO is hidden, and allow the rest.
func filter() []unix.SockFilter {
	const arg, ask, allow = 7, 11, 12 // indexes of the program, where jumps lead
	var program []unix.SockFilter
	load := func(offset uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
	}
	test := func(value uint32, then, otherwise int) {
		next := len(program) + 1 // what jumps count from
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
	// No clock has the number archSetFS, and arch_prctl no code below 0x1001.
	load(offsetArg0)
	test(unix.CLOCK_REALTIME, ask, 9)
	test(unix.CLOCK_REALTIME_COARSE, ask, 10)
	test(archSetFS, ask, allow)
	end(unix.SECCOMP_RET_USER_NOTIF)
	end(unix.SECCOMP_RET_ALLOW)
	return program
}

// install puts the filter on this thread and what it execs and starts, and
// returns the descriptor at which the kernel asks.
func install() (listener int, err error) {
	// Else a filter is for root only: a program with more rights than its
	// caller could be fooled by it.
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
