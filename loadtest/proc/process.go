// Package proc reads from the kernel what processes cost, and which process listens at
// an address.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process reads the costs of a process. Its methods may be called from any
// goroutine; they need Linux and a process of the same user.
type Process struct{ PID int }

// CPU is the user and system time of all its threads, including ended ones, in
// nanoseconds as the scheduler counts them.
func (p Process) CPU() (time.Duration, error) {
	// The CPU clock of a process, computed as by clock_getcpuclockid(3).
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", p.PID, err)
	}
	return time.Duration(ts.Nano()), nil
}

// PSS is its proportional set size in bytes: shared memory is divided among the
// processes that share it.
func (p Process) PSS() (int64, error) {
	kib, err := p.field("smaps_rollup", "Pss:")
	return kib << 10, err
}

// RSS is its resident set size in bytes.
func (p Process) RSS() (int64, error) {
	kib, err := p.field("status", "VmRSS:")
	return kib << 10, err
}

// Threads is its number of threads.
func (p Process) Threads() (int, error) {
	n, err := p.field("status", "Threads:")
	return int(n), err
}

// Name is the name of the program, at most 15 bytes of it, "" if unknown.
func (p Process) Name() string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// Files is its number of open descriptors.
func (p Process) Files() (int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", p.PID))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names), err
}

// Calls are how often it has called read and write, in all their forms but those of
// sockets alone, such as recv and send.
func (p Process) Calls() (reads, writes int, err error) {
	r, err := p.field("io", "syscr:")
	if err != nil {
		return 0, 0, err
	}
	w, err := p.field("io", "syscw:")
	return int(r), int(w), err
}

// field is the number after a name at the beginning of a line.
func (p Process) field(file, name string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", p.PID, file)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) == 0 {
			break
		}
		return strconv.ParseInt(string(words[0]), 10, 64)
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}

// BusyCPU is the time that all cores of this machine have been busy since it
// started, including time stolen by the hypervisor. The kernel counts it in
// ticks of 10 ms.
func BusyCPU() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	words := bytes.Fields(line)
	// cpu user nice system idle iowait irq softirq steal guest guest_nice; user
	// includes guest time.
	if len(words) < 9 || string(words[0]) != "cpu" {
		return 0, errors.New("/proc/stat: no line for all cores")
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(string(words[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux Go runs on
	return time.Duration(ticks) * tick, nil
}
