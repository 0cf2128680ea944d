// Package wallclock gives a process a wall clock of its own, which a test sets
// as it likes while the process runs. The machine's clock stays as it is, and
// so does what the process sees of monotonic time.
//
// The process is started by a command that Clock.Wrap names: this program
// again, which installs a seccomp filter, hands the filter's listener to the
// Clock and execs the process. From then on the kernel asks the Clock (see
// seccomp_unotify(2)) for each reading of the wall clock; all else runs as it
// would without a filter. The vDSO, which readings would not leave the process
// for, is struck from the auxiliary vector before the process has looked at it.
// Nothing is traced: signals, exit codes and the process id are as ever.
//
// It works for programs of Go, with cgo and the race detector too: their
// runtime reads the vector after the call at which the vDSO is struck from it.
// A libc reads it earlier, so that C in the process has the machine's time. It
// needs amd64, Linux 5.9 and leave to write another process' memory; Usable
// tells.
package wallclock
