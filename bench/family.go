package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/proc"
)

// family is a process and all its descendants.
type family struct{ root proc.Process }

// CPU is the user and system time of all living members.
func (f family) CPU() (time.Duration, error) { return sum(f, proc.Process.CPU) }

// PSS is the proportional set size of all together in bytes: memory that they
// share counts once.
func (f family) PSS() (int64, error) { return sum(f, proc.Process.PSS) }

// Threads is the number of threads of all together.
func (f family) Threads() (int, error) { return sum(f, proc.Process.Threads) }

// sum adds up what read returns for every process. A process that has ended
// meanwhile counts nothing, unless it is the root.
func sum[N int | int64 | time.Duration](f family, read func(proc.Process) (N, error)) (total N, err error) {
	members, err := f.members()
	if err != nil {
		return 0, err
	}
	for _, p := range members {
		n, err := read(p)
		switch {
		case err == nil:
			total += n
		case p == f.root || !hasEnded(err):
			return 0, err
		}
	}
	return total, nil
}

// hasEnded reports whether an error means that the process no longer exists.
func hasEnded(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}

// members are the root and its descendants.
func (f family) members() ([]proc.Process, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range entries {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		parent, err := parentOf(pid)
		if err == nil {
			children[parent] = append(children[parent], pid)
		} else if !hasEnded(err) {
			return nil, err
		}
	}
	all := []proc.Process{f.root}
	for i := 0; i < len(all); i++ {
		for _, pid := range children[all[i].PID] {
			all = append(all, proc.Process{PID: pid})
		}
	}
	return all, nil
}

// parentOf reads /proc/<pid>/stat: "1 (name) S 0 ..."; the name may contain any
// character.
func parentOf(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	words := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(words) < 2 {
		return 0, fmt.Errorf("/proc/%d/stat: no parent in %q", pid, b)
	}
	return strconv.Atoi(string(words[1]))
}
