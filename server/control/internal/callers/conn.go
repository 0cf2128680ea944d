package callers

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/server/internal/quota"
)

// Kind is what a connection is doing.
type Kind int64

const (
	New     Kind = iota // no byte received
	Reading             // receiving a request
	Serving             // a request is being executed or answered
	Idle                // waits for a request, or lingers after the answer
	Evicted             // closed to make room or for a shutdown
	kinds
)

// state is a kind and when it began.
type state int64

func stateOf(k Kind) state { return state(now()*int64(kinds) + int64(k)) }

func (s state) kind() Kind   { return Kind(s % state(kinds)) }
func (s state) since() int64 { return int64(s / state(kinds)) }

// Conn is a connection that has a place.
type Conn struct {
	net.Conn
	listener *Listener
	addr     netip.Addr   // of the peer; not valid for a unix socket
	state    atomic.Int64 // a state
	owner    owner        // guarded by places.mu; of a caller's connection
	// asked is the owner of the last request, "" while the connection is a
	// stranger's. It belongs to the goroutine that serves the connection.
	asked  string
	linger atomic.Bool // see Linger
	once   sync.Once
}

// started is the origin of times, on the monotonic clock.
var started = time.Now().Add(-time.Second)

// now is the unit of states: nanoseconds since started.
func now() int64 { return int64(time.Since(started)) }

// Become changes what the connection is doing, unless it was evicted. It may be
// called from any goroutine.
func (c *Conn) Become(k Kind) bool {
	for {
		was := c.state.Load()
		if state(was).kind() == Evicted {
			return false
		}
		if c.state.CompareAndSwap(was, int64(stateOf(k))) {
			return true
		}
	}
}

// State is what the connection is doing, and for how long. It may be called from
// any goroutine.
func (c *Conn) State() (k Kind, age time.Duration) {
	s := state(c.state.Load())
	return s.kind(), time.Duration(now() - s.since())
}

// Addr is the IP address of the peer, without zone and with IPv4 unmapped; not
// valid for a unix socket. It may be called from any goroutine.
func (c *Conn) Addr() netip.Addr { return c.addr }

// Linger makes Close read on for a moment: closing with unread bytes would reset
// the connection and could destroy the answer. It may be called from any
// goroutine.
func (c *Conn) Linger() { c.linger.Store(true) }

// Why LetIn does not let a caller in.
var (
	ErrMadeRoom = errors.New("the connection was closed to make room for another")
	ErrCrowded  = errors.New("no place is free, or the owner has its share")
)

// LetIn records that a caller with the named key, one of so many keys, was
// authorized. It returns nil, or ErrMadeRoom or ErrCrowded: then the connection
// cannot be served any longer. Only the goroutine that serves the connection may
// call it.
func (c *Conn) LetIn(key string, keys int) error {
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
		return ErrMadeRoom
	}
	return ErrCrowded
}

// KeepOut records that the request was refused. Only the goroutine that serves
// the connection may call it.
func (c *Conn) KeepOut() {
	if c.asked != "" {
		c.asked = ""
		c.listener.places.demote(c)
	}
}

// cut closes the connection without TLS's closing alert, which would wait for a
// peer that does not read.
func (c *Conn) cut() {
	if s, ok := c.Conn.(*secureConn); ok {
		_ = s.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// evicted reports whether the connection was closed to make room or for a
// shutdown.
func (c *Conn) evicted() bool { return state(c.state.Load()).kind() == Evicted }

// hasInput reports whether received bytes are unread: closing the connection
// would reset it.
func (c *Conn) hasInput() bool {
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

// Refused reports whether the caller failed to show a valid certificate. Only
// the goroutine that serves the connection may call it.
func (c *Conn) Refused() bool {
	s, ok := c.Conn.(*secureConn)
	return ok && s.refused
}

// Close implements net.Conn. It may be called from any goroutine and more than
// once.
func (c *Conn) Close() (err error) {
	c.once.Do(func() {
		if c.linger.Load() {
			c.Become(Idle)
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

// Watch calls gone, on a goroutine of its own, once the peer has closed or
// half-closed the connection; input that is already there ends the watch.
// Nothing else may read meanwhile. stop ends the watch and clears the read
// deadline: the HTTP server must set one for every request.
func (c *Conn) Watch(gone func()) (stop func()) {
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

// addrOf is the IP address of a TCP peer, without zone and with IPv4 unmapped;
// invalid for other peers.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// From names a peer in audit records: its address, or "unix".
func From(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.String()
	}
	return "unix"
}
