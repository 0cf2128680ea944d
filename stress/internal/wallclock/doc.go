// Package wallclock gives a process a wall clock of its own, which a test can set
// while the process runs. The machine's clock does not change, and neither does the
// process's monotonic time.
//
// The process is started by a command from Clock.Wrap. That is this program again,
// which installs a seccomp filter, passes the filter's listener to the Clock and
// execs the process. From then on the kernel asks the Clock (see
// seccomp_unotify(2)) for each reading of the wall clock; all else runs as without
// a filter. The vDSO, through which readings would never leave the process, is
// removed from the auxiliary vector before the process has read it. Nothing is
// traced: signals, exit codes and the process id work as always.
//
// It works for Go programs, including cgo and the race detector, since Go's runtime
// reads the vector after the call at which the vDSO is removed. A libc reads it
// earlier, so C code in the process sees the machine's time. It needs amd64, Linux
// 5.9 and permission to write another process's memory; Usable checks that.
package wallclock
