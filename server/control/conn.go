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

	"castgate/server/internal/quota"
)

// kind is what a connection is doing.
type kind int64

const (
	kindNew     kind = iota // no byte received
	kindReading             // receiving a request
	kindServing             // a request is being executed or answered
	kindIdle                // waits for a request, or lingers after the answer
	kindEvicted             // closed to make room or for a shutdown
	kinds
)

// state is a kind and when it began.
type state int64

func stateOf(k kind) state { return state(now()*int64(kinds) + int64(k)) }

func (s state) kind() kind   { return kind(s % state(kinds)) }
func (s state) since() int64 { return int64(s / state(kinds)) }

// conn is a control connection that has a place.
type conn struct {
	net.Conn
	listener *listener
	addr     netip.Addr   // of the peer; not valid for a unix socket
	state    atomic.Int64 // a state
	owner    owner        // guarded by places.mu; of a caller's connection
	// asked is the owner of the last request, "" while the connection is a
	// stranger's. It belongs to the goroutine that serves the connection.
	asked string
	// linger makes Close read on for a moment: closing with unread bytes would
	// reset the connection and could destroy the answer.
	linger atomic.Bool
	once   sync.Once
}

// started is the origin of times, on the monotonic clock.
var started = time.Now().Add(-time.Second)

// now is the unit of states: nanoseconds since started.
func now() int64 { return int64(time.Since(started)) }

// become changes what the connection is doing, unless it was evicted.
func (c *conn) become(k kind) bool {
	for {
		was := c.state.Load()
		if state(was).kind() == kindEvicted {
			return false
		}
		if c.state.CompareAndSwap(was, int64(stateOf(k))) {
			return true
		}
	}
}

// trackState is fasthttp's ConnState hook.
func trackState(nc net.Conn, s fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch s {
	case fasthttp.StateActive:
		c.become(kindReading)
	case fasthttp.StateIdle:
		c.become(kindIdle)
	}
}

// letIn records that a caller with the named key, one of so many keys, was
// authorized. It returns nil, or why the connection cannot be served any
// longer.
func (c *conn) letIn(key string, keys int) error {
	if c.asked == key {
		return nil
	}
	o, p := owner{key, quota.Network(c.addr)}, c.listener.places
	if c.asked != "" {
		p.own(c, o)
		c.asked = key
		return nil
	}
	others, ok := p.promote(c, o, shareOf(keys, c.addr))
	for _, other := range others {
		other.cut()
	}
	switch {
	case ok:
		c.asked = key
		return nil
	case c.evicted():
		return errMadeRoom
	}
	return errCrowded
}

// keepOut records that the request was refused.
func (c *conn) keepOut() {
	if c.asked != "" {
		c.asked = ""
		c.listener.places.demote(c)
	}
}

// cut closes the connection without TLS's closing alert, which would wait for a
// peer that does not read.
func (c *conn) cut() {
	if s, ok := c.Conn.(*secureConn); ok {
		_ = s.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// evicted reports whether the connection was closed to make room or for a
// shutdown.
func (c *conn) evicted() bool { return state(c.state.Load()).kind() == kindEvicted }

// silent reports whether no byte has been received.
func (c *conn) silent() bool { return state(c.state.Load()).kind() == kindNew }

// hasInput reports whether received bytes are unread: closing the connection
// would reset it.
func (c *conn) hasInput() bool {
	socket := c.Conn
	if s, ok := socket.(*secureConn); ok {
		socket = s.NetConn()
	}
	sc, ok := socket.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return n > 0
}

// refused reports whether the caller failed to show a valid certificate.
func (c *conn) refused() bool {
	s, ok := c.Conn.(*secureConn)
	return ok && s.refused
}

// Close implements net.Conn. It may be called from any goroutine and more than
// once.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		if c.linger.Load() {
			c.become(kindIdle)
			_ = c.SetDeadline(time.Now().Add(lingerTimeout))
			lingerOn(c.Conn)
		}
		err = c.Conn.Close()
		c.listener.places.leave(c)
	})
	return err
}

// lingerOn closes the sending side and reads until the peer closes its own, or
// until the deadline, which the caller has set.
func lingerOn(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, onlyReader{c})
	}
}

// onlyReader hides methods with which io.Copy would splice.
type onlyReader struct{ io.Reader }

// watch calls gone once the peer has closed or half-closed the connection;
// input that is already there ends the watch. Nothing else may read meanwhile.
// stop ends the watch and clears the read deadline: fasthttp sets one for every
// request.
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
