package wallclock

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Arguments that make this program become another one: entryArg, the address of the
// clock and the command line. nowArg in place of a command prints the time.
const (
	entryArg = "wallclock-exec"
	nowArg   = "wallclock-now"
)

// Entry must be the first call of a program, or of TestMain, that uses Clock.Wrap.
// It does not return if Wrap started the program.
func Entry() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case nowArg:
		fmt.Println(time.Now().Unix())
		os.Exit(0)
	case entryArg:
		if len(os.Args) < 4 {
			fmt.Fprintln(os.Stderr, "wallclock: no command")
			os.Exit(2)
		}
		err := become(os.Args[2], os.Args[3:])
		fmt.Fprintln(os.Stderr, "wallclock:", err)
		os.Exit(126)
	}
}

// become execs a command with the clock that listens at address. It returns only
// with an error.
func become(address string, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter belongs to this thread, which must exec
	listener, err := install()
	if err != nil {
		return fmt.Errorf("installing the filter: %w", err)
	}
	if err := send(conn, listener); err != nil {
		return fmt.Errorf("passing the listener: %w", err)
	}
	return unix.Exec(path, command, os.Environ())
}

// Usable returns why there can be no clock on this machine, nil if there can. It
// starts this program with a clock, sets the clock and compares.
func Usable() error {
	c, err := New()
	if err != nil {
		return err
	}
	defer c.Close()
	const offset = 100 * 24 * time.Hour
	c.Set(offset)
	self := append(c.Wrap(), c.Wrap()[0], nowArg)
	said, err := exec.Command(self[0], self[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
	}
	if err := c.Err(); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(said)), 10, 64)
	if off := c.Now().Sub(time.Unix(seconds, 0)); err != nil || off < -time.Minute || off > time.Minute {
		return fmt.Errorf("a process with the clock says %q, which is %v off", said, off)
	}
	return nil
}
