package callers

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

// gate is the listening socket. Before it closes, it first accepts all waiting
// connections: closing the socket would reset them.
type gate struct {
	net.Listener               // opened by listen or listen.Passed
	common       bool          // another process may also listen here
	inherited    bool          // waiting connections are left to the next process
	settle       time.Duration // see Config.Settle
	remove       func()        // of the file of a unix socket
	path         net.Addr      // of that file, if it differs from the bound address

	leaving atomic.Bool
	emptied chan struct{} // closed once the socket is closed and all waiting connections are handed on
	closed  chan struct{} // Close was called
	close   sync.Once

	// Of the goroutine that accepts.
	gone bool       // leave is done, except for rest
	rest []net.Conn // were waiting
}

func newGate(ln net.Listener) *gate {
	return &gate{Listener: ln, remove: func() {}, emptied: make(chan struct{}), closed: make(chan struct{})}
}

// Addr is the address that callers connect to. It may be called from any
// goroutine.
func (g *gate) Addr() net.Addr {
	if g.path != nil {
		return g.path
	}
	return g.Listener.Addr()
}

// leave makes Accept take the waiting connections, close the socket, and then
// wait for Close. It may be called from any goroutine.
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
	g.remove() // no new connections arrive
	if d, ok := g.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(until)
	}
}

// left waits until leave is done or ctx is.
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
// if it stays open to new connections it may never end.
const mostWaiting = 1 << 16

// takeAll accepts until no connection waits, whatever the listener's deadline.
func takeAll(ln net.Listener) (all []net.Conn) {
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		for len(all) < mostWaiting {
			c, _, err := listen.Accept(int(fd))
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

// Close implements net.Listener. It may be called from any goroutine and more
// than once.
func (g *gate) Close() error {
	var err error
	g.close.Do(func() {
		close(g.closed)
		g.remove()
		if err = g.Listener.Close(); errors.Is(err, net.ErrClosed) {
			err = nil // leave has closed it
		}
	})
	return err
}
