package bench

import (
	"context"
	"crypto/tls"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"castgate/bench/gateway"
	"castgate/bench/profile"
	"castgate/loadtest/control"
	"castgate/loadtest/proc"
	"castgate/loadtest/swarm"
)

// server is a child process under measurement, and its own children.
type server struct {
	family
	name        string
	url         string // for clients
	control     *control.Client
	controlAddr string // host:port
	// broadcast pushes to everybody.
	broadcast control.Pusher
	candidate *candidate
	// trust is the client's TLS configuration, nil without TLS.
	trust *tls.Config

	profiler *profile.Recorder

	dir    string // its own files
	cmd    *exec.Cmd
	output *tail
	exited chan struct{} // closed when it has exited; err is set then
	err    error
}

const (
	startWithin = 15 * time.Second
	stopWithin  = 30 * time.Second
)

// Revision is the commit that a binary was built from, "" if it does not say.
func Revision(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return ""
	}
	text := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = s.Value[:min(len(s.Value), 12)] + text
		case s.Key == "vcs.modified" && s.Value == "true":
			text += " with changes"
		}
	}
	return text
}

// checkedOut is the commit checked out in dir, "" if git does not say.
func checkedOut(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty= with changes").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// start runs a server on free ports, with additional flags, and waits until it
// is ready. callers is how many control requests will run concurrently.
func start(ctx context.Context, name, binary string, callers int, more ...string) (*server, error) {
	c := find(name)
	if c == nil {
		return nil, fmt.Errorf("unknown server %q", name)
	}
	ports, err := gateway.FreeAddrs(2)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "castgate-bench-"+name)
	if err != nil {
		return nil, err
	}
	args, err := c.prepare(dir, ports[0], ports[1])
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	scheme := "ws://"
	var trust *tls.Config
	if c.secure {
		scheme = "wss://"
		if trust, err = gateway.Trust(dir); err != nil {
			os.RemoveAll(dir)
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	s := &server{
		name: name, url: scheme + ports[0] + c.path, trust: trust, control: control.New(ports[1], "", callers),
		controlAddr: ports[1], candidate: c, dir: dir,
		cmd: exec.Command(binary, append(args, more...)...), output: &tail{}, exited: make(chan struct{}),
	}
	s.broadcast = s.control.PushTo(nil)
	if c.broadcast != nil {
		s.broadcast = c.broadcast(ports[1], callers)
	}
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	for _, e := range os.Environ() {
		// Settings of the user's own gateway must not apply.
		if !strings.HasPrefix(e, "CASTGATE_") {
			s.cmd.Env = append(s.cmd.Env, e)
		}
	}
	return s.launch(ctx)
}

// launch starts the program and waits until it is ready.
func (s *server) launch(ctx context.Context) (*server, error) {
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(s.dir)
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	s.family = family{proc.Process{PID: s.cmd.Process.Pid}}
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.awaitReady(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w\n%s", s.name, err, s.output)
	}
	return s, nil
}

func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("not ready after %v", startWithin))
	defer cancel()
	for {
		err := s.control.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it ended before it was ready: %v", s.err)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for it. The error includes the last output if
// the server had already ended or had to be killed.
func (s *server) stop() error {
	defer os.RemoveAll(s.dir)
	defer s.control.Close()
	select {
	case <-s.exited:
		return fmt.Errorf("%s ended early: %v\n%s", s.name, s.err, s.output)
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be ending by itself
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return fmt.Errorf("%s had to be killed: it did not stop within %v\n%s", s.name, stopWithin, s.output)
	}
}

// configure adapts a swarm to the server's protocol.
func (s *server) configure(c *swarm.Config) {
	c.TLS = s.trust
	if s.candidate.configure != nil {
		s.candidate.configure(c)
	}
}

// tail keeps the last bytes that a server printed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const maxTail = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - maxTail; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
