package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// host reads what doctor examines, relative to a root of the file system.
// Methods return ok false if a file is missing or has an unexpected format.
type host struct{ root fs.FS }

// capSysResource is the bit of CAP_SYS_RESOURCE, which allows a process to
// raise its own hard limits.
const capSysResource = 24

// numbers are the whole numbers in a file; "max" and "unlimited" count as the
// largest int64.
func (h host) numbers(name string) []int64 {
	text, err := fs.ReadFile(h.root, name)
	if err != nil {
		return nil
	}
	var out []int64
	for field := range strings.FieldsSeq(string(text)) {
		n, ok := wholeNumber(field)
		if !ok {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// number is the first whole number in a file.
func (h host) number(name string) (n int64, ok bool) {
	all := h.numbers(name)
	if len(all) == 0 {
		return 0, false
	}
	return all[0], true
}

// wholeNumber parses a decimal number, clamped to int64.
func wholeNumber(text string) (int64, bool) {
	if text == "max" || text == "unlimited" {
		return math.MaxInt64, true
	}
	u, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return int64(min(u, math.MaxInt64)), true
}

// line is the rest of the first line that begins with a prefix.
func (h host) line(name, prefix string) (rest string, ok bool) {
	text, err := fs.ReadFile(h.root, name)
	if err != nil {
		return "", false
	}
	in := bufio.NewScanner(bytes.NewReader(text))
	for in.Scan() {
		if rest, ok := strings.CutPrefix(in.Text(), prefix); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// openFiles is RLIMIT_NOFILE of this process, soft and hard.
func (h host) openFiles() (soft, hard int64, ok bool) {
	rest, ok := h.line("proc/self/limits", "Max open files")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 2 {
		return 0, 0, false
	}
	soft, okSoft := wholeNumber(fields[0])
	hard, okHard := wholeNumber(fields[1])
	return soft, hard, okSoft && okHard
}

// mayRaise reports whether this process has CAP_SYS_RESOURCE.
func (h host) mayRaise() bool {
	rest, ok := h.line("proc/self/status", "CapEff:")
	caps, err := strconv.ParseUint(rest, 16, 64)
	return ok && err == nil && caps>>capSysResource&1 == 1
}

// memory is the memory that this process may use, in bytes, and what determines
// it: the machine, or a control group (v2 or v1) at or above ours.
func (h host) memory() (n int64, from string, ok bool) {
	if rest, found := h.line("proc/meminfo", "MemTotal:"); found {
		if kib, isNumber := wholeNumber(strings.TrimSuffix(rest, " kB")); isNumber {
			n, from, ok = kib<<10, "MemTotal", true
		}
	}
	for _, file := range h.memoryLimitFiles() {
		if limit, found := h.number(file); found && (!ok || limit < n) && limit < math.MaxInt64 {
			n, from, ok = limit, "/"+file, true
		}
	}
	return n, from, ok
}

// memoryLimitFiles are the limits of this process's control groups, from its
// own up to the root. A container sees its own group as the root.
func (h host) memoryLimitFiles() []string {
	var files []string
	add := func(base, group, file string) {
		for depth := 0; depth < 64; depth++ {
			files = append(files, path.Join(base, group, file))
			if group == "/" || group == "." || group == "" {
				return
			}
			group = path.Dir(group)
		}
	}
	text, _ := fs.ReadFile(h.root, "proc/self/cgroup")
	for entry := range strings.SplitSeq(string(text), "\n") {
		parts := strings.SplitN(entry, ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "":
			add("sys/fs/cgroup", path.Clean("/"+parts[2]), "memory.max")
		case parts[1] == "memory":
			add("sys/fs/cgroup/memory", path.Clean("/"+parts[2]), "memory.limit_in_bytes")
		}
	}
	return files
}
