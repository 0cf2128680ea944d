package wallclock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Types of entries of the auxiliary vector, see getauxval(3).
const (
	auxEnd    = 0
	auxIgnore = 1
	auxVDSO   = 33 // AT_SYSINFO_EHDR
)

// stackStart is the field of /proc/pid/stat, counted from 1, with the address of
// argc.
const stackStart = 28

// maxWords bounds how much of a stack is read: a command line, an environment and
// the vector.
const maxWords = 1 << 16

// hideVDSO removes the vDSO from the auxiliary vector of a process that has just
// started, so that it reads clocks by system calls.
func hideVDSO(pid int) error {
	stack, err := stackOf(pid)
	if err != nil {
		return err
	}
	word := make([]byte, 8)
	next := func() (uint64, error) {
		err := peek(pid, stack, word)
		stack += 8
		return binary.NativeEndian.Uint64(word), err
	}
	// argc, argv and its 0, the environment and its 0, then pairs.
	argc, err := next()
	if err != nil {
		return err
	}
	stack += 8 * (argc + 1)
	for range maxWords {
		v, err := next()
		if err != nil {
			return err
		}
		if v == 0 {
			break
		}
	}
	for range maxWords {
		kind, err := next()
		if err != nil || kind == auxEnd {
			return err // none, or removed already
		}
		if kind == auxVDSO {
			return poke(pid, stack-8, binary.NativeEndian.AppendUint64(nil, auxIgnore))
		}
		stack += 8
	}
	return errors.New("the auxiliary vector has no end")
}

// stackOf returns the address of argc in a process.
func stackOf(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field, the name in parentheses, may contain anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stackStart-3 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	address, err := strconv.ParseUint(string(fields[stackStart-3]), 10, 64)
	if err == nil && address == 0 {
		err = errors.New("the kernel does not show the address of the stack")
	}
	return address, err
}
