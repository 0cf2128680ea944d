// Package gateway runs castgate as a process under measurement and says what
// it weighs. A Gateway may be used by any goroutine.
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

	"castgate/loadtest"
)

// Options say what to run.
type Options struct {
	Binary string
	// Listen are listeners as --listen takes them, Control is the address of
	// the control API.
	Listen  []string
	Control string
	// Flags are given to castgate serve beside those.
	Flags []string
	// Callers is how many control requests run at once; the others wait.
	Callers int
	// Output is where it prints.
	Output io.Writer
}

// Gateway is a castgate process.
type Gateway struct {
	// Control is a client of its control API.
	Control *loadtest.Control
	// Process reads what it costs.
	Process loadtest.Process

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has, err is set then
	err    error
}

// Limits of waiting for the process. A processor that is emulated takes its
// time.
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
		Control: loadtest.NewControl(o.Control, "", o.Callers), exited: make(chan struct{}),
	}
	// Settings of the user's own gateway are none of ours.
	g.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CASTGATE_") })
	g.cmd.Stdout, g.cmd.Stderr = o.Output, o.Output
	// Ctrl-C on a terminal is for us: we say when it ends. It ends with us
	// anyhow.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.Process = loadtest.Process{PID: g.cmd.Process.Pid}
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

// Stop ends the process and waits for it; a *exec.ExitError if it did not end
// well.
func (g *Gateway) Stop() error {
	defer g.Control.Close()
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
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

// FreeAddrs are n addresses on 127.0.0.1 that nobody listens on now.
func FreeAddrs(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
