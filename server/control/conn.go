package control

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// States of a connection; a positive one is the time since when it is idle, or
// lingers: then its answer is written, and it may make room as well.
const (
	stateActive  = 0
	stateNew     = -1 // nothing came yet
	stateEvicted = -2 // closed while it was idle
)

// conn is a control connection that the listener counts.
type conn struct {
	net.Conn
	listener *listener
	addr     netip.Addr // of the peer; not valid for a unix socket
	state    atomic.Int64
	// linger makes Close read on for a moment: closing with unread bytes
	// would reset the connection and take the answer away from the caller.
	linger atomic.Bool
	once   sync.Once
}

// started is what idle times are counted from, on the monotonic clock.
var started = time.Now().Add(-time.Second)

// trackState is fasthttp's ConnState hook.
func trackState(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	// A connection that was evicted stays so: both swaps fail.
	switch state {
	case fasthttp.StateActive:
		if was := c.state.Load(); was != stateEvicted {
			c.state.CompareAndSwap(was, stateActive)
		}
	case fasthttp.StateIdle:
		c.idle()
	}
}

func (c *conn) idle() { c.state.CompareAndSwap(stateActive, int64(time.Since(started))) }

// evicted tells whether the connection was closed to make room, or for a
// shutdown, when its next request was on its way.
func (c *conn) evicted() bool { return c.state.Load() == stateEvicted }

// silent tells whether not one byte has come.
func (c *conn) silent() bool { return c.state.Load() == stateNew }

// Close implements net.Conn. Any goroutine may call it, and again.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		if c.linger.Load() {
			c.idle()
			_ = c.SetDeadline(time.Now().Add(lingerTimeout))
			lingerOn(c.Conn)
		}
		err = c.Conn.Close()
		c.listener.mu.Lock()
		delete(c.listener.conns, c)
		c.listener.mu.Unlock()
	})
	return err
}

// lingerOn ends the sending side and reads until the peer has ended its own,
// or until the deadline, which the caller has set.
func lingerOn(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, onlyReader{c})
	}
}

// onlyReader keeps io.Copy from methods that would splice.
type onlyReader struct{ io.Reader }

// watch calls gone once the peer has closed or half-closed the connection; a
// next request that is there already ends the watch. Nothing else may read
// meanwhile. stop ends it and leaves the connection without a read deadline:
// fasthttp sets one for every request.
func (c *conn) watch(gone func()) (stop func()) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var one [1]byte
		_ = raw.Read(func(fd uintptr) bool {
			n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if err == syscall.EAGAIN || err == syscall.EINTR {
				return false
			}
			if n <= 0 {
				gone()
			}
			return true
		})
	}()
	return func() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.SetReadDeadline(time.Time{})
	}
}
