package wstest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options of StartWith, in addition to the flags.
type Options struct {
	// Flags are passed to castgate serve after --listen and --control, unless they
	// include these.
	Flags []string
	// Env is added to the environment of the process, as name=value.
	Env []string
	// Wrap is put before the binary: a command that execs its arguments, such as
	// prlimit, so that the process id is the gateway's.
	Wrap []string
	// Key is sent with every control request.
	Key string
	// Schemes are those of additional listeners; see Gateway.Listeners.
	Schemes []string
	// Stderr, if not nil, is the stderr of the process. Log then contains nothing
	// of it.
	Stderr *os.File
	// ControlTLS, if not nil, is the client's TLS configuration for the control
	// port.
	ControlTLS *tls.Config
	// Inherited, if not nil, is a listening socket that is passed to the process,
	// as systemd does, instead of opening its own.
	Inherited *net.TCPListener
}

// Gateway is a running castgate process.
type Gateway struct {
	*Process
	// Addr is host:port of the client listener.
	Addr string
	// Listeners are the host:port of the listeners for Options.Schemes.
	Listeners map[string]string
	// ControlAddr is the value of --control: host:port or unix:/path.
	ControlAddr string
	// Key is sent with every control request. Change it to try another one.
	Key string

	t       testing.TB
	opts    Options
	http    *http.Client
	past    string // logs of the processes before a Restart
	stopped bool   // the test ends the process itself: no check at clean-up
}

// Start boots castgate serve with the given flags on free ports of 127.0.0.1 and
// waits until /readyz answers 200. When the test ends the process gets SIGTERM and
// must exit with status 0. Its log is printed if the test failed.
func Start(t testing.TB, flags ...string) *Gateway {
	t.Helper()
	return StartWith(t, Options{Flags: flags})
}

// StartWith is Start with options.
func StartWith(t testing.TB, opts Options) *Gateway {
	t.Helper()
	g := &Gateway{t: t, opts: opts, Key: opts.Key}
	g.http = &http.Client{Timeout: Patience, Transport: &http.Transport{
		DialContext:         g.dialControl,
		TLSClientConfig:     opts.ControlTLS,
		MaxIdleConnsPerHost: 16,
	}}
	t.Cleanup(g.cleanup)
	for try := 1; ; try++ {
		g.Addr, g.ControlAddr = flagValue(opts.Flags, "--listen"), flagValue(opts.Flags, "--control")
		if opts.Inherited != nil {
			g.Addr = opts.Inherited.Addr().String()
		}
		fixed := g.Addr != "" && g.ControlAddr != ""
		if g.Addr == "" {
			g.Addr = FreeAddr(t)
		}
		if g.ControlAddr == "" {
			g.ControlAddr = FreeAddr(t)
		}
		g.Listeners = map[string]string{}
		for _, scheme := range opts.Schemes {
			g.Listeners[scheme] = FreeAddr(t)
		}
		if g.boot() {
			return g
		}
		if taken := strings.Contains(g.Log(), "address already in use"); fixed || !taken || try == 5 {
			g.stopped = true
			t.Fatalf("castgate did not start; its log:\n%s", g.Log())
		}
	}
}

// flagValue finds name in flags, as "name value" or "name=value".
func flagValue(flags []string, name string) string {
	for i, f := range flags {
		if v, ok := strings.CutPrefix(f, name+"="); ok {
			return v
		}
		if f == name && i+1 < len(flags) {
			return flags[i+1]
		}
	}
	return ""
}

// Command returns an unstarted command: castgate with the arguments.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Build(t), args...)
	cmd.Env = cleanEnv()
	return cmd
}

// cleanEnv is the environment of this process without settings of castgate, which
// the shell that runs the tests may have.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CASTGATE_") })
}

// boot starts the process at g's addresses and reports whether it became ready.
func (g *Gateway) boot() bool {
	g.t.Helper()
	args := append([]string{}, g.opts.Wrap...)
	listen := g.Addr
	if g.opts.Inherited != nil {
		listen = "fd:clients"
		args = append(args, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh")
	}
	args = append(args, Build(g.t), "serve", "--listen", listen, "--control", g.ControlAddr)
	for scheme, addr := range g.Listeners {
		args = append(args, "--listen", scheme+"://"+addr)
	}
	args = append(args, withoutAddresses(g.opts.Flags)...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(cleanEnv(), g.opts.Env...)
	if g.opts.Inherited != nil {
		passed, err := g.opts.Inherited.File()
		if err != nil {
			g.t.Fatal(err)
		}
		defer passed.Close()
		cmd.ExtraFiles = []*os.File{passed}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=clients")
	}
	if g.opts.Stderr != nil {
		cmd.Stderr = g.opts.Stderr
	}
	if g.Process != nil {
		g.past += g.Log()
	}
	g.Process = spawn(g.t, cmd)
	deadline := time.Now().Add(Patience)
	for time.Now().Before(deadline) {
		select {
		case <-g.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if status, err := g.probe("/readyz"); err == nil && status == http.StatusOK {
			return true
		}
	}
	g.t.Fatalf("castgate is not ready after %v; its log:\n%s", Patience, g.Log())
	return false
}

// withoutAddresses removes --listen and --control, which boot has set.
func withoutAddresses(flags []string) []string {
	var kept []string
	for i := 0; i < len(flags); i++ {
		name, _, assigned := strings.Cut(flags[i], "=")
		if name == "--listen" || name == "--control" {
			if !assigned {
				i++
			}
			continue
		}
		kept = append(kept, flags[i])
	}
	return kept
}

// probe requests a path without a key or keep-alive.
func (g *Gateway) probe(path string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, g.controlURL()+path, nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := g.http.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// controlURL is the URL of the control port. dialControl ignores its host.
func (g *Gateway) controlURL() string {
	if g.opts.ControlTLS != nil {
		return "https://control"
	}
	return "http://control"
}

// DialControl opens a connection to the control port, TCP or unix socket.
func (g *Gateway) DialControl() (net.Conn, error) {
	return g.dialControl(context.Background(), "", "")
}

func (g *Gateway) dialControl(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	if path, ok := strings.CutPrefix(g.ControlAddr, "unix:"); ok {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", g.ControlAddr)
}

// Kill kills the process with SIGKILL and waits until it is gone.
func (g *Gateway) Kill() {
	g.t.Helper()
	g.stopped = true
	g.Signal(syscall.SIGKILL)
	g.Exited(g.t, Patience)
	g.http.CloseIdleConnections()
}

// Stop sends SIGTERM, waits for the end and returns the exit code. The clean-up at
// the end of the test then checks nothing more.
func (g *Gateway) Stop() int {
	g.t.Helper()
	g.stopped = true
	g.Signal(syscall.SIGTERM)
	return g.Exited(g.t, Patience+15*time.Second)
}

// Expected tells the clean-up that the test ends the process itself.
func (g *Gateway) Expected() { g.stopped = true }

// Restart starts the program again on the same addresses with the same options,
// after Kill or Stop. Afterwards the process id and log are the new process's.
func (g *Gateway) Restart() {
	g.t.Helper()
	if !g.boot() {
		g.t.Fatalf("castgate did not start again on %s; its log:\n%s", g.Addr, g.Log())
	}
	g.stopped = false
}

func (g *Gateway) cleanup() {
	if g.Process == nil {
		return
	}
	defer g.kill()
	if !g.stopped {
		select {
		case <-g.Done():
			g.t.Errorf("castgate exited unexpectedly with code %d", g.code)
		default:
			if code := g.Stop(); code != 0 {
				g.t.Errorf("exit code after SIGTERM is %d, want 0", code)
			}
		}
	}
	log := g.past + g.Log()
	if strings.Contains(log, "DATA RACE") {
		g.t.Errorf("the race detector found a data race in castgate")
	}
	g.http.CloseIdleConnections()
	if g.t.Failed() {
		g.t.Logf("castgate's log:\n%s", log)
	}
}
