package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// KeepAlives is how many keepalive probes TCP has sent since the machine started.
func KeepAlives() (uint64, error) {
	b, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return 0, err
	}
	return keepAlives(b)
}

// keepAlives reads netstat: pairs of lines, names and then values, each behind the name of
// their protocol.
func keepAlives(netstat []byte) (uint64, error) {
	lines := bytes.Split(netstat, []byte("\n"))
	for i := range len(lines) - 1 {
		names, values := bytes.Fields(lines[i]), bytes.Fields(lines[i+1])
		at := slices.IndexFunc(names, func(n []byte) bool { return string(n) == "TCPKeepAlive" })
		if at < 0 {
			continue
		}
		if at >= len(values) {
			break
		}
		n, err := strconv.ParseUint(string(values[at]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/net/netstat: %w", err)
		}
		return n, nil
	}
	return 0, errors.New("/proc/net/netstat: no TCPKeepAlive")
}

// IdleCPU is how long the cores of this machine have been idle since it started, all
// together. The kernel measures idle time, while it only samples busy time at ticks: what
// interrupts and timers take is fully subtracted from it.
func IdleCPU() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return idleCPU(b)
}

func idleCPU(stat []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	words := bytes.Fields(line) // cpu user nice system idle iowait irq softirq steal
	if len(words) < 9 || string(words[0]) != "cpu" {
		return 0, errors.New("/proc/stat: no line for all cores")
	}
	var ticks int64
	for _, word := range words[4:6] {
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux Go runs on
	return time.Duration(ticks) * tick, nil
}
