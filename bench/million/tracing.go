package million

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// traceCalls has strace count all calls of a process for a while, into a file. strace stops
// the process at each call, so nothing else is measured meanwhile.
func traceCalls(ctx context.Context, pid int, long time.Duration, file string) error {
	cmd := exec.CommandContext(ctx, "strace", "-c", "-f", "-o", file, "-p", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return fmt.Errorf("strace ended by itself: %w", errors.Join(err, ctx.Err()))
	case <-time.After(long):
	}
	_ = cmd.Process.Signal(syscall.SIGINT) // it lets go and writes the file
	<-ended                                // its status is the signal's
	return context.Cause(ctx)
}

// parseTrace reads the table of strace -c: the calls of each name.
func parseTrace(table string) (map[string]int, error) {
	calls := map[string]int{}
	for line := range strings.Lines(table) {
		// % time, seconds, usecs/call, calls, errors (or nothing), syscall
		words := strings.Fields(line)
		if len(words) < 5 || words[len(words)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(words[3]); err == nil {
			calls[words[len(words)-1]] += n
		}
	}
	if len(calls) == 0 {
		return nil, errors.New("strace has counted no calls")
	}
	return calls, nil
}
