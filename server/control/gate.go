package control

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/internal/listen"
)

// gate is the listening socket. When it is to close it first takes all who wait
// there: closing the socket would reset them.
type gate struct {
	net.Listener               // as listen or listen.Passed have opened it
	common       bool          // another process may listen here as well
	inherited    bool          // who waits is for the next process
	settle       time.Duration // see listen.Settle
	remove       func()        // of the file of a unix socket
	path         net.Addr      // of that file, where it is not the one that was bound

	leaving atomic.Bool
	emptied chan struct{} // closed when the socket is, and all are handed on who waited
	closed  chan struct{} // Close was called
	close   sync.Once

	// of the goroutine that accepts
	gone bool       // leave is done but for rest
	rest []net.Conn // have waited
}

func newGate(ln net.Listener) *gate {
	return &gate{Listener: ln, settle: listen.Settle, remove: func() {}, emptied: make(chan struct{}), closed: make(chan struct{})}
}

// Addr is where clients of the control API connect to. Any goroutine.
func (g *gate) Addr() net.Addr {
	if g.path != nil {
		return g.path
	}
	return g.Listener.Addr()
}

// leave has Accept take who waits, close the socket, and then wait for Close.
// Any goroutine.
func (g *gate) leave() {
	if !g.leaving.CompareAndSwap(false, true) {
		return
	}
	until := time.Now()
	if _, tcp := g.Listener.(*net.TCPListener); tcp && !g.inherited {
		if raw, err := g.Listener.(syscall.Conn).SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = listen.Deafen(int(fd)) })
		}
		until = until.Add(g.settle)
	}
	g.remove() // nobody new finds the way
	if d, ok := g.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(until)
	}
}

// left waits until leave is done, or ctx.
func (g *gate) left(ctx context.Context) {
	select {
	case <-g.emptied:
	case <-g.closed:
	case <-ctx.Done():
	}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		if len(g.rest) > 0 {
			c := g.rest[0]
			g.rest = g.rest[1:]
			return c, nil
		}
		if g.gone {
			close(g.emptied)
			<-g.closed
			return nil, net.ErrClosed
		}
		c, err := g.Listener.Accept()
		if err == nil || !g.leaving.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		if !g.inherited {
			g.rest = takeAll(g.Listener)
		}
		_ = g.Listener.Close()
		g.gone = true
	}
}

// mostWaiting bounds takeAll: no queue is longer than the kernel's limit, but
// where it cannot be closed to new ones it may never end.
const mostWaiting = 1 << 16

// takeAll accepts until nobody waits, whatever the listener's deadline.
func takeAll(ln net.Listener) (all []net.Conn) {
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		for len(all) < mostWaiting {
			c, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			if err != nil {
				return
			}
			file := os.NewFile(uintptr(c), "control connection")
			if conn, err := net.FileConn(file); err == nil {
				all = append(all, conn)
			}
			_ = file.Close()
		}
	})
	return all
}

// Close implements net.Listener. Any goroutine may call it, and again.
func (g *gate) Close() error {
	var err error
	g.close.Do(func() {
		close(g.closed)
		g.remove()
		if err = g.Listener.Close(); errors.Is(err, net.ErrClosed) {
			err = nil // leave has
		}
	})
	return err
}
