package million

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"castgate/internal/machine"
	"castgate/loadtest"
)

// gateway is the castgate process under measurement.
type gateway struct {
	cmd     *exec.Cmd
	control *loadtest.Control
	process loadtest.Process
	exited  chan struct{} // closed when it has, err is set then
	err     error
}

// Limits of waiting for the process. A processor that is emulated takes its
// time.
const (
	startWithin = time.Minute
	stopWithin  = 2 * time.Minute
)

// startGateway runs the binary on two addresses and waits until it is ready.
// Pings are off: they say nothing about what an idle connection weighs, and a
// million of them every 25 seconds are a measurement of their own.
func startGateway(ctx context.Context, o Options) (*gateway, error) {
	g := &gateway{
		cmd: exec.Command(o.Castgate, "serve", "--listen", o.Listen, "--control", o.Control,
			"--ping-interval", "0", "--handshake-timeout", "60s", "--control-timeout", "60s"),
		control: loadtest.NewControl(o.Control, "", 8), exited: make(chan struct{}),
	}
	g.cmd.Stdout, g.cmd.Stderr = os.Stderr, os.Stderr
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.process = loadtest.Process{PID: g.cmd.Process.Pid}
	go func() {
		g.err = g.cmd.Wait()
		close(g.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for g.control.Ready(ctx) != nil {
		select {
		case <-g.exited:
			return nil, fmt.Errorf("castgate ended before it was ready: %v", g.err)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("castgate is not ready: %w", context.Cause(ctx)), g.stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return g, nil
}

// stop ends the process and waits for it; a *exec.ExitError if it did not end
// well.
func (g *gateway) stop() error {
	defer g.control.Close()
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

// Weight is what the process weighed at one moment, in bytes, and what it held.
type Weight struct {
	Moment string `json:"moment"`
	PSS    int64  `json:"pss"`
	RSS    int64  `json:"rss"`
	Heap   int64  `json:"heap"` // memory of Go objects in use, dead ones included
	// Available is what the whole machine has left: sockets are in the
	// kernel's memory, at both ends.
	Available   int64 `json:"machine_available"`
	Files       int   `json:"files"`
	Threads     int   `json:"threads"`
	Goroutines  int   `json:"goroutines"`
	Connections int   `json:"connections"`
	UIDs        int   `json:"uids"`
	Groups      int   `json:"groups"`
}

// weigh takes all readings.
func (g *gateway) weigh(ctx context.Context, moment string) (w Weight, err error) {
	w.Moment = moment
	var errs [5]error
	w.PSS, errs[0] = g.process.PSS()
	w.RSS, errs[1] = g.process.RSS()
	w.Files, errs[2] = g.process.Files()
	w.Threads, errs[3] = g.process.Threads()
	w.Available, errs[4] = machine.Available()
	if err := errors.Join(errs[:]...); err != nil {
		return w, err
	}
	heap := 0
	for name, into := range map[string]*int{
		"castgate_go_goroutines": &w.Goroutines, "castgate_connections": &w.Connections,
		"castgate_uids": &w.UIDs, "castgate_groups": &w.Groups, "castgate_go_memstats_heap_alloc_bytes": &heap,
	} {
		v, err := g.control.Metric(ctx, name)
		if err != nil {
			return w, err
		}
		*into = int(v)
	}
	w.Heap = int64(heap)
	return w, nil
}
