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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const live = "GET /livez HTTP/1.1\r\nHost: c\r\n\r\n"

// TestIdleConnectionsMakeRoom: 1,000 idle keep-alive connections keep no
// caller out; the longest idle ones go first, and requests get an answer or
// no outcome.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	const most, callers = 20, 1000
	p := start(t, func(c *Config) { c.MaxConns = most })
	for i := range callers {
		c, in := p.dial()
		if _, err := io.WriteString(c, live); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := read(t, in); status != 200 {
			t.Fatalf("caller %d: status %d", i, status)
		}
		if i >= most {
			continue
		}
		defer func() { // of the first ones, after all
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("connection %d of the first is still there: %v", i, err)
			}
		}()
	}
	if n := p.listener.open(); n > most {
		t.Errorf("%d connections are open, %d are allowed", n, most)
	}
	if n := p.listener.madeRoom.Load(); n != callers-most {
		t.Errorf("%d made room, want %d", n, callers-most)
	}
	if status, body, _ := p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`); status != 200 {
		t.Errorf("one more: %d %s", status, body)
	}
}

// TestFull: when no connection is idle a new one gets 503 and the end.
func TestFull(t *testing.T) {
	p := start(t, func(c *Config) { c.MaxConns = 2; c.RequestTimeout = time.Hour })
	p.fake.waiting = make(chan struct{}, 2)
	var busy []net.Conn
	for range 2 {
		c, _ := p.dial()
		_, _ = io.WriteString(c, post(`{"to":{"all":true},"text":"x","wait":"written"}`))
		<-p.fake.waiting
		busy = append(busy, c)
	}
	c, in := p.dial()
	_, _ = io.WriteString(c, live)
	status, body, h := read(t, in)
	requireProblem(t, "full", status, body, h.Get("Content-Type"), 503, "too_many_connections")
	if h.Get("Retry-After") != "1" {
		t.Errorf("headers %v", h)
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	for _, c := range busy {
		_ = c.Close() // ends its request's wait
	}
	for limit := time.Now().Add(patience); p.listener.open() > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if status, _, _ := p.ask("GET", "/livez", ""); status != 200 {
		t.Errorf("with room again: %d", status)
	}
}

// requireRoom waits until some connection could make room for a new one: that is
// only a moment after its answer was read.
func (p *port) requireRoom() {
	p.t.Helper()
	idle := func() bool {
		for _, c := range p.listener.all() {
			if c.state.Load() > 0 {
				return true
			}
		}
		return false
	}
	for limit := time.Now().Add(patience); !idle(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("no connection is idle")
		}
	}
}

// TestLingeringMakesRoom: a caller who was refused for good and stays keeps
// nobody out.
func TestLingeringMakesRoom(t *testing.T) {
	p := start(t, func(c *Config) { c.MaxConns = 1 })
	for range 3 {
		c, in := p.dial()
		_, _ = io.WriteString(c, "garbage\r\n\r\n")
		if status, _, _ := read(t, in); status != 400 {
			t.Errorf("garbage: status %d", status)
		}
		p.requireRoom()
	}
	if status, body, _ := p.ask("GET", "/livez", ""); status != 200 {
		t.Errorf("beside one who lingers: %d %s", status, body)
	}
	if n := p.listener.madeRoom.Load(); n != 3 {
		t.Errorf("%d made room, want 3", n)
	}
}

// requireOld waits until so many connections are open, and all of them so long
// that strangers among them can make room.
func (p *port) requireOld(n int) {
	p.t.Helper()
	old := func() bool {
		all := p.listener.all()
		for _, c := range all {
			if now()-c.opened < int64(strangerTime) {
				return false
			}
		}
		return len(all) == n
	}
	for limit := time.Now().Add(patience); !old(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("the connections do not grow old")
		}
	}
}

// requireSpare waits until a stranger's connection could make room.
func (p *port) requireSpare() {
	p.t.Helper()
	spare := func(c *conn) bool {
		_, _, known, ok := c.givesWay(now())
		return ok && !known
	}
	for limit := time.Now().Add(patience); !slices.ContainsFunc(p.listener.all(), spare); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("no stranger can make room")
		}
	}
}

// TestStrangersMakeRoom: those who take all places and have shown no key keep
// nobody out who has one, be they silent, slow with a request or idle after one
// that needs none; and who has one keeps the place.
func TestStrangersMakeRoom(t *testing.T) {
	const key = "X-API-Key: secret-key\r\n"
	for what, begin := range map[string]string{"silent": "", "slow": "G", "slow with a body": "POST /v1/push HTTP/1.1\r\nHost: c\r\nContent-Length: 9\r\n\r\n", "idle": live} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := start(t, func(c *Config) {
				c.MaxConns, c.Keys = 4, []string{"secret-key"}
				c.ReadTimeout, c.IdleTimeout = time.Hour, time.Hour
			})
			p.fake.waiting = make(chan struct{}, 1)
			idle, idleIn := p.dial()
			ask := func() {
				t.Helper()
				_, _ = io.WriteString(idle, "GET /v1/stats HTTP/1.1\r\nHost: c\r\n"+key+"\r\n")
				if status, _, _ := read(t, idleIn); status != 200 {
					t.Fatalf("status %d", status)
				}
			}
			ask()
			body := `{"to":{"all":true},"text":"x","wait":"written"}`
			busy, _ := p.dial()
			_, _ = fmt.Fprintf(busy, "POST /v1/push HTTP/1.1\r\nHost: c\r\n%sContent-Length: %d\r\n\r\n%s", key, len(body), body)
			<-p.fake.waiting
			for range 2 {
				c, in := p.dial()
				_, _ = io.WriteString(c, begin)
				if begin == live {
					read(t, in)
				}
			}
			p.requireOld(4)
			for range 4 { // each in the place of a stranger, or of the one before
				p.requireSpare()
				c, in := p.dial()
				_, _ = io.WriteString(c, live)
				if status, _, _ := read(t, in); status != 200 {
					t.Fatalf("status %d", status)
				}
			}
			ask()
			if n := p.listener.madeRoom.Load(); n != 4 {
				t.Errorf("%d made room, want 4", n)
			}
			_ = busy.Close()
		})
	}
}

// TestEvictedMeanwhile: a request whose connection was closed while its key was
// looked at is not carried out.
func TestEvictedMeanwhile(t *testing.T) {
	c := &conn{}
	for state, want := range map[int64]bool{stateActive: true, stateStranger: true, stateEvicted: false} {
		c.state.Store(state)
		if c.trust() != want || want && c.state.Load() != stateActive {
			t.Errorf("state %d: then %d", state, c.state.Load())
		}
	}
}

// noted is a connection that notes what is written to it.
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

// TestEvictionSaysNothing: making room writes nothing, not even TLS's goodbye: a
// peer that does not read would hold up all who come.
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
		"a new one":      func(l *listener) { l.admit(nopConn{}) },
		"no descriptors": func(l *listener) { l.hold(syscall.EMFILE) },
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
		l.admit(&secureConn{Conn: c}).state.Store(5)
		before := raw.writes.Load()
		evict(l)
		if !raw.closed.Load() || raw.writes.Load() != before {
			t.Errorf("%s: closed %v after %d writes", what, raw.closed.Load(), raw.writes.Load()-before)
		}
	}
}

// TestEvictedRequest: a request on a connection that was closed meanwhile is
// not carried out.
func TestEvictedRequest(t *testing.T) {
	c := &conn{}
	c.state.Store(int64(time.Second))
	if !c.state.CompareAndSwap(int64(time.Second), stateEvicted) {
		t.Fatal("an idle connection can't be taken")
	}
	for _, state := range []int{1, 2, 1} { // active, idle, active
		trackState(c, fasthttpState(state))
		if !c.evicted() {
			t.Fatalf("state %d brought an evicted connection back", state)
		}
	}
	p := start(t, nil)
	gone := &conn{Conn: nopConn{}, listener: p.listener}
	gone.state.Store(stateEvicted)
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

// TestAcceptErrors: no error of accept ends the port; there is a pause, and the
// log has it once. Running out of descriptors costs an idle connection.
func TestAcceptErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ENETDOWN} {
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
	idle.state.Store(5)
	go func() { _, _ = net.Dial("tcp", inner.Addr().String()) }()
	began := time.Now()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if d := time.Since(began); d < 7*leastPause {
		t.Errorf("three errors in %v: no pauses", d)
	}
	if n := l.failed.Load(); n != 3 {
		t.Errorf("%d errors counted", n)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), errno.Error()) {
		t.Errorf("the log has %d lines: %s", n, log.String())
	}
	if files := errno == syscall.EMFILE || errno == syscall.ENFILE; idle.evicted() != files {
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
