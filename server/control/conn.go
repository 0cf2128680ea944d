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
	stateActive   = 0  // serves who may have that
	stateNew      = -1 // nothing came yet
	stateEvicted  = -2 // closed to make room, or while it was idle
	stateStranger = -3 // has begun a request, and may have none for what is known
)

// strangerTime is for how long who has not yet shown that he may have a request
// is safe from making room.
const strangerTime = time.Second

// conn is a control connection that the listener counts.
type conn struct {
	net.Conn
	listener *listener
	addr     netip.Addr // of the peer; not valid for a unix socket
	opened   int64      // when, as state has it
	state    atomic.Int64
	// known says that the last request was let in: with a key where one is asked for.
	known atomic.Bool
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
		next := int64(stateStranger)
		if c.known.Load() {
			next = stateActive
		}
		if was := c.state.Load(); was != stateEvicted {
			c.state.CompareAndSwap(was, next)
		}
	case fasthttp.StateIdle:
		c.idle()
	}
}

// now is what states and opened are counted in.
func now() int64 { return int64(time.Since(started)) }

func (c *conn) idle() {
	if was := c.state.Load(); was == stateActive || was == stateStranger {
		c.state.CompareAndSwap(was, now())
	}
}

// trust notes that the caller may have the request. It is false if the
// connection was closed meanwhile: then nobody can be told the outcome.
func (c *conn) trust() bool {
	c.known.Store(true)
	return c.state.CompareAndSwap(stateStranger, stateActive) || c.state.Load() == stateActive
}

// givesWay reports since when the connection could make room for another, if it
// can. known ones do only when no other can.
func (c *conn) givesWay(at int64) (state, since int64, known, ok bool) {
	state, known = c.state.Load(), c.known.Load()
	switch {
	case state > 0:
		return state, state, known, true
	case (state == stateNew || state == stateStranger) && at-c.opened >= int64(strangerTime):
		return state, c.opened, false, true
	}
	return state, 0, known, false
}

// cut closes the connection without a word: the end of TLS has one, which would
// wait for a peer that does not read.
func (c *conn) cut() {
	if s, ok := c.Conn.(*secureConn); ok {
		_ = s.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// evicted tells whether the connection was closed to make room, or for a
// shutdown, when its next request was on its way.
func (c *conn) evicted() bool { return c.state.Load() == stateEvicted }

// silent tells whether not one byte has come.
func (c *conn) silent() bool { return c.state.Load() == stateNew }

// refused tells whether the caller has shown no good certificate.
func (c *conn) refused() bool {
	s, ok := c.Conn.(*secureConn)
	return ok && s.refused
}

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
