package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running child whose output is kept.
type Process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the process has ended
	code int           // valid after done; -1 if a signal ended it
}

// output collects what a child prints. Its pipe is copied by a goroutine of
// os/exec while tests read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// maxOutput bounds how much of a child's log is kept, so that a program that logs
// per connection does not exhaust the test's memory.
const maxOutput = 8 << 20

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() < maxOutput {
		o.buf.Write(p)
	}
	return len(p), nil
}

// String returns everything printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Spawn starts a command and captures its output, except for a stderr that is
// already set. The child dies with the test process, and is killed at the end of
// the test if it still runs.
func Spawn(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := spawn(t, cmd)
	t.Cleanup(p.kill)
	return p
}

func spawn(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout = &p.out
	if cmd.Stderr == nil {
		cmd.Stderr = &p.out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() {
		p.code = exitCode(cmd.Wait())
		close(p.done)
	}()
	return p
}

// kill ends the process and waits until it is gone.
func (p *Process) kill() {
	p.Signal(os.Kill)
	<-p.done
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -2 // Wait itself failed
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns everything the process has printed so far.
func (p *Process) Log() string { return p.out.String() }

// Signal sends sig. It is no error if the process has already ended.
func (p *Process) Signal(sig os.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(fmt.Sprintf("signal %v to %d: %v", sig, p.PID(), err))
	}
	if sig == syscall.SIGSTOP {
		p.awaitStopped()
	}
}

// awaitStopped waits until every thread stands still. The kernel has one of them stop the
// others, and on a busy machine these may go on for a while until that one runs.
func (p *Process) awaitStopped() {
	for range 60_000 {
		stopped := true
		states, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
		for _, name := range states {
			text, err := os.ReadFile(name)
			_, state, ok := strings.Cut(string(text), ") ")
			stopped = stopped && (err != nil || ok && strings.ContainsAny(state[:1], "TtZX"))
		}
		if stopped {
			return
		}
		time.Sleep(time.Millisecond)
	}
	panic(fmt.Sprintf("process %d does not stop", p.PID()))
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited waits for the end of the process and returns its exit code, -1 if a signal
// ended it. If the process still runs after limit, it fails the test.
func (p *Process) Exited(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(limit):
		t.Fatalf("pid %d has not ended after %v; its log:\n%s", p.PID(), limit, p.Log())
		return 0
	}
}
