package control

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"castgate/server/internal/listen"
)

// noted is a connection that records what is written to it.
type noted struct {
	net.Conn
	writes atomic.Int64
	closed atomic.Bool
}

func (n *noted) Write(b []byte) (int, error) {
	n.writes.Add(1)
	return n.Conn.Write(b)
}

func (n *noted) Close() error {
	n.closed.Store(true)
	return n.Conn.Close()
}

// TestEvictionSaysNothing: making room writes nothing, not even TLS's closing
// alert: a peer that does not read would delay all newcomers.
func TestEvictionSaysNothing(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pair, err := tls.LoadX509KeyPair(pki.path("server.crt"), pki.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inner.Close() }()
	for what, evict := range map[string]func(l *listener){
		"a new one": func(l *listener) {
			for range leastLobby {
				l.admit(nopConn{})
			}
		},
		"no descriptors": func(l *listener) { l.freeFile() },
		"cut off":        func(l *listener) { l.closeAll() },
	} {
		l := newListener(inner, func() int { return 1 }, slog.New(slog.DiscardHandler))
		client, server := net.Pipe()
		raw := &noted{Conn: server}
		go func() {
			_, _ = io.Copy(io.Discard, tls.Client(client, &tls.Config{InsecureSkipVerify: true}))
		}()
		c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		l.admit(&secureConn{Conn: c}).become(kindIdle)
		before := raw.writes.Load()
		evict(l)
		if !raw.closed.Load() || raw.writes.Load() != before {
			t.Errorf("%s: closed %v after %d writes", what, raw.closed.Load(), raw.writes.Load()-before)
		}
	}
}

// TestEvictedRequest: a request on a connection that was closed meanwhile is
// not executed.
func TestEvictedRequest(t *testing.T) {
	c := &conn{}
	c.become(kindIdle)
	c.become(kindEvicted)
	for _, state := range []int{1, 2, 1} { // active, idle, active
		trackState(c, fasthttpState(state))
		if c.become(kindServing) || !c.evicted() {
			t.Fatalf("state %d brought an evicted connection back", state)
		}
	}
	p := start(t, nil)
	gone := &conn{Conn: nopConn{}, listener: p.listener}
	gone.become(kindEvicted)
	ctx := request(gone, "POST", "/v1/push", `{"to":{"all":true},"text":"x"}`)
	p.handle(ctx)
	if got := p.fake.took(); got != "" || !ctx.Response.ConnectionClose() {
		t.Errorf("the gateway was asked %q", got)
	}
}

// failing is a listener whose first Accepts fail.
type failing struct {
	net.Listener
	errno syscall.Errno
	mu    sync.Mutex
	left  int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", f.errno)}
	}
	return f.Listener.Accept()
}

// TestAcceptErrors: no error of accept ends the port, and lasting ones lead to
// pauses (see package listen). Running out of descriptors costs an idle
// connection.
func TestAcceptErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENOMEM, syscall.ENETDOWN} {
		t.Run(errno.Error(), func(t *testing.T) { checkAcceptError(t, errno) })
	}
}

func checkAcceptError(t *testing.T, errno syscall.Errno) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l := newListener(&failing{Listener: inner, errno: errno, left: 3}, func() int { return 5 }, slog.New(slog.NewTextHandler(&log, nil)))
	idle := l.admit(nopConn{})
	idle.become(kindIdle)
	go func() { _, _ = net.Dial("tcp", inner.Addr().String()) }()
	began := time.Now()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if d := time.Since(began); errno != syscall.ENETDOWN && d < 3*listen.Pause {
		t.Errorf("three errors in %v: no pauses", d)
	}
	if n := l.failed.Load(); n != 3 {
		t.Errorf("%d errors counted", n)
	}
	if n := strings.Count(log.String(), "\n"); (n == 1) != (errno != syscall.ENETDOWN) {
		t.Errorf("the log has %d lines: %s", n, log.String())
	}
	if files := errno == syscall.EMFILE; idle.evicted() != files {
		t.Error("the idle connection: closed", !files)
	}
	_ = l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	// A socket file that nobody listens on, as a killed process leaves it.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	p := start(t, func(c *Config) { c.Listen = "unix:" + path })
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if status, body, _ := p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	other, err := New(p.fake, p.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "in use") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a second gateway: %v", err)
	}
	if status, _, _ := p.ask("GET", "/livez", ""); status != 200 {
		t.Errorf("after the second one tried: %d", status)
	}
	p.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("over a file: %v", err)
	}
}

// A successor that takes over a path listens there and says so.
func TestAddressOfSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	reused := func(c *Config) { c.Listen, c.ReusePort = "unix:"+path, true }
	for range 2 {
		if p := start(t, reused); p.Addr().String() != path || p.Addr().Network() != "unix" {
			t.Errorf("it listens on %s %v", p.Addr().Network(), p.Addr())
		}
	}
}

func TestTakenPort(t *testing.T) {
	p := start(t, nil)
	c := p.config
	c.Listen = p.Addr().String()
	other, err := New(p.fake, c)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("cannot listen for the control API on %s: address already in use", c.Listen)
	if err := other.Listen(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if other.Addr() != nil {
		t.Errorf("address %v", other.Addr())
	}
	if err := other.Serve(); err == nil {
		t.Error("Serve without Listen")
	}
}
