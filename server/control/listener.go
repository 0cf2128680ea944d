package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// refuseConns is how many connections above MaxConns may be told so at once.
const refuseConns = 16

// Modes and pauses of the listener.
const (
	socketMode   = 0o660
	acceptPause  = 50 * time.Millisecond
	acceptWarned = 10 * time.Second
)

// listen binds host:port or unix:/path. A socket file that nobody listens on
// any more is removed; one that is in use is an error.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		ln, err := net.Listen("tcp", address)
		return ln, plain(err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, plain(err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("the file is there and is no socket")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return errors.New("another process listens on the socket")
	}
	return os.Remove(path)
}

// plain strips the address that the caller's message names already.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// listener bounds the connections that are open, so that idle ones can't keep
// a backend out, and outlives errors of accept.
type listener struct {
	net.Listener
	max  int
	log  *slog.Logger
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	conns map[*trackedConn]struct{}
	// idle is the list of connections between two requests, longest first.
	first, last *trackedConn

	refused, evicted uint64
	warned           time.Time
}

func newListener(ln net.Listener, most int, log *slog.Logger) *listener {
	return &listener{Listener: ln, max: most, log: log, done: make(chan struct{}), conns: map[*trackedConn]struct{}{}}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// Accept implements net.Listener. It fails only when the listener was closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			select {
			case <-l.done:
				return nil, err
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			if time.Since(l.warned) > acceptWarned {
				l.warned = time.Now()
				l.log.Warn("no control connection can be accepted for the moment", "error", err)
			}
			time.Sleep(acceptPause)
			continue
		}
		if t := l.admit(c); t != nil {
			return t, nil
		}
		refuse(c)
	}
}

// admit makes room for a connection; nil if there is none.
func (l *listener) admit(c net.Conn) *trackedConn {
	l.mu.Lock()
	var oldest *trackedConn
	if len(l.conns) >= l.max {
		if oldest = l.first; oldest == nil {
			l.refused++
			l.mu.Unlock()
			return nil
		}
		l.unlink(oldest)
		delete(l.conns, oldest)
		l.evicted++
	}
	t := &trackedConn{Conn: c, l: l}
	l.conns[t] = struct{}{}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close()
	}
	return t
}

func refuse(c net.Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(acceptPause))
	body := problemNoConnection.json()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		problemType, len(body), body)
	_ = c.Close()
}

// open is how many connections there are, idle ones included.
func (l *listener) open() (conns int, refused, evicted uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns), l.refused, l.evicted
}

// trackedConn is a connection the listener counts. Its list fields are guarded
// by the listener's mu.
type trackedConn struct {
	net.Conn
	l          *listener
	idle       bool
	next, prev *trackedConn
}

// Close implements net.Conn.
func (t *trackedConn) Close() error {
	t.setIdle(false)
	t.l.mu.Lock()
	delete(t.l.conns, t)
	t.l.mu.Unlock()
	return t.Conn.Close()
}

func (t *trackedConn) setIdle(idle bool) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.conns[t]; !open || idle == t.idle {
		return
	}
	if !idle {
		l.unlink(t)
		return
	}
	t.idle = true
	t.prev = l.last
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
}

// unlink takes t out of the idle list. The caller holds mu.
func (l *listener) unlink(t *trackedConn) {
	if !t.idle {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	t.idle, t.next, t.prev = false, nil, nil
}
