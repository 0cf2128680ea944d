package cluster

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Boottime reads CLOCK_BOOTTIME, which goes on while the machine is suspended
// (clock_gettime(2)), in nanoseconds. It is a Config.Clock.
func Boottime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		panic("cluster: no CLOCK_BOOTTIME") // Linux has it since 2.6.39
	}
	return t.Nano()
}

// ThisProcess is a Config.Host: the boot of the machine, the namespace of process
// ids, and the process with the time at which it started. It is "" where /proc does
// not tell.
func ThisProcess() string {
	machine := thisMachine()
	start, ok := startOfProcess(os.Getpid())
	if machine == "" || !ok {
		return ""
	}
	return fmt.Sprintf("%s %d %s", machine, os.Getpid(), start)
}

func thisMachine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil {
		return ""
	}
	return string(bytes.TrimSpace(boot)) + " " + space
}

// ProcessEnded tells whether the process of another Config.Host has ended for
// certain: it was on this machine, in this namespace, and is not there any more. A
// link that is cut is no reason to believe that. It is a Config.Ended.
func ProcessEnded(host string) bool {
	fields := strings.Fields(host)
	if len(fields) != 4 || fields[0]+" "+fields[1] != thisMachine() {
		return false
	}
	pid, err := strconv.Atoi(fields[2])
	if err != nil || pid <= 0 {
		return false
	}
	if err := unix.Kill(pid, 0); err == unix.ESRCH {
		return true
	}
	start, ok := startOfProcess(pid)
	return !ok && isZombie(pid) || ok && start != fields[3]
}

// isZombie tells whether a process has ended and waits for its parent.
func isZombie(pid int) bool {
	fields := statOf(pid)
	return len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X")
}

// startOfProcess is when a process has started, in ticks since the boot (proc(5)).
func startOfProcess(pid int) (start string, ok bool) {
	const startTime = 19 // field 22
	fields := statOf(pid)
	if len(fields) <= startTime || isZombie(pid) {
		return "", false
	}
	return fields[startTime], true
}

// statOf are the fields of /proc/PID/stat from the third on, nil if there are none.
func statOf(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The second field is a name in parentheses, which may hold any byte.
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
