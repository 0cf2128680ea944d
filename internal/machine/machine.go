// Package machine describes the machine of a measurement.
package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is where something was measured.
type Machine struct {
	Processor string `json:"processor"` // as in /proc/cpuinfo, "" if it has no name
	Cores     int    `json:"cores"`
	Memory    int64  `json:"memory"` // bytes, 0 if /proc/meminfo does not say
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
}

// This describes the machine that the process runs on, as far as it can be found
// out.
func This() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.Memory, _ = memory("MemTotal:")
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// Available is how much memory is available without swapping, in bytes. Unlike the
// figures of a process, it also reflects what the kernel uses for sockets.
func Available() (int64, error) { return memory("MemAvailable:") }

// memory returns a line of /proc/meminfo in bytes.
func memory(name string) (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no %s", name)
}
