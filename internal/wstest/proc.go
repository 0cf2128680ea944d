package wstest

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// PSS is the proportional set size of a process in bytes, including its share of
// shared pages.
func PSS(t testing.TB, pid int) int {
	t.Helper()
	return 1024 * procField(t, fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
}

// PSSAnon is the part of PSS that is private memory, in bytes. Unlike PSS it does
// not change when other processes of the same binary start and end.
func PSSAnon(t testing.TB, pid int) int {
	t.Helper()
	return 1024 * procField(t, fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss_Anon:")
}

// RSS is the resident set size of a process in bytes.
func RSS(t testing.TB, pid int) int {
	t.Helper()
	return 1024 * procField(t, fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
}

// Threads is the number of threads of a process.
func Threads(t testing.TB, pid int) int {
	t.Helper()
	return procField(t, fmt.Sprintf("/proc/%d/status", pid), "Threads:")
}

// FDs is the number of file descriptors a process has open.
func FDs(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// procField reads the number behind a name in one of proc's "Name: n kB" files.
func procField(t testing.TB, path, name string) int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		n, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatalf("%s: %q", path, lines.Text())
		}
		return n
	}
	t.Fatalf("%s has no line %s", path, name)
	return 0
}

// SettledPSS is the least PSSAnon of the process in 8 seconds, or in up to a minute
// until it is at most enough: memory comes back once the process has been at rest for
// a while, which takes longer on a busy machine.
func (g *Gateway) SettledPSS(enough int) int {
	g.t.Helper()
	least := PSSAnon(g.t, g.PID())
	for n := 0; n < 16 || n < 120 && least > enough; n++ {
		time.Sleep(500 * time.Millisecond)
		least = min(least, PSSAnon(g.t, g.PID()))
	}
	return least
}
