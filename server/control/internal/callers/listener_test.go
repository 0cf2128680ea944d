package callers

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
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
	pair := selfSigned(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inner.Close() }()
	for what, evict := range map[string]func(l *Listener){
		"a new one": func(l *Listener) {
			for range leastLobby {
				l.admit(nopConn{})
			}
		},
		"no descriptors": func(l *Listener) { l.freeFile() },
		"cut off":        func(l *Listener) { l.Abort() },
	} {
		l := newListener(inner, roomFor(1))
		client, server := net.Pipe()
		raw := &noted{Conn: server}
		go func() {
			_, _ = io.Copy(io.Discard, tls.Client(client, &tls.Config{InsecureSkipVerify: true}))
		}()
		c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		l.admit(&secureConn{Conn: c}).Become(Idle)
		before := raw.writes.Load()
		evict(l)
		if !raw.closed.Load() || raw.writes.Load() != before {
			t.Errorf("%s: closed %v after %d writes", what, raw.closed.Load(), raw.writes.Load()-before)
		}
	}
}

// An evicted connection stays evicted, whatever the HTTP server says of it.
func TestEvicted(t *testing.T) {
	c := &Conn{}
	c.Become(Idle)
	c.Become(Evicted)
	for _, k := range []Kind{Reading, Idle, Serving, New} {
		if c.Become(k) || !c.evicted() {
			t.Fatalf("kind %d brought an evicted connection back", k)
		}
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
	config := roomFor(5)
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	l := newListener(&failing{Listener: inner, errno: errno, left: 3}, config)
	idle := l.admit(nopConn{})
	idle.Become(Idle)
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
