// Package gateway runs castgate as a process under measurement and reads its
// memory and resources. A Gateway may be used by any goroutine.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/proc"
)

// Options say what to run.
type Options struct {
	Binary string
	// Listen are listeners as --listen takes them; Control is the address of
	// the control API.
	Listen  []string
	Control string
	// Flags are further flags for castgate serve.
	Flags []string
	// Callers is how many control requests run concurrently; others wait.
	Callers int
	// Output receives what it prints.
	Output io.Writer
}

// Gateway is a castgate process.
type Gateway struct {
	// Control is a client of its control API.
	Control *control.Client
	// Process reads its costs.
	Process proc.Process

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has exited; err is set then
	err    error
}

// Time limits. An emulated processor is slow.
const (
	startWithin = time.Minute
	stopWithin  = 2 * time.Minute
)

// Start runs the binary and waits until it is ready.
func Start(ctx context.Context, o Options) (*Gateway, error) {
	args := []string{"serve", "--control", o.Control}
	for _, l := range o.Listen {
		args = append(args, "--listen", l)
	}
	g := &Gateway{
		cmd:     exec.Command(o.Binary, append(args, o.Flags...)...),
		Control: control.New(o.Control, "", o.Callers), exited: make(chan struct{}),
	}
	// Settings of the user's own gateway must not apply.
	g.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CASTGATE_") })
	g.cmd.Stdout, g.cmd.Stderr = o.Output, o.Output
	// Ctrl-C on a terminal is for us: we decide when it ends. If we die, it
	// ends too.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.Process = proc.Process{PID: g.cmd.Process.Pid}
	go func() {
		g.err = g.cmd.Wait()
		close(g.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for g.Control.Ready(ctx) != nil {
		select {
		case <-g.exited:
			return nil, fmt.Errorf("castgate ended before it was ready: %v", g.err)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("castgate is not ready: %w", context.Cause(ctx)), g.Stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return g, nil
}

// Stop ends the process and waits for it; the error is an *exec.ExitError if it
// did not exit cleanly.
func (g *Gateway) Stop() error {
	defer g.Control.Close()
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may already have ended
	select {
	case <-g.exited:
	case <-time.After(stopWithin):
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	if g.err != nil {
		return fmt.Errorf("castgate: %w", g.err)
	}
	return nil
}

// FreeAddrs returns n addresses on 127.0.0.1 that are free now.
func FreeAddrs(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the loop, so that the addresses differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
