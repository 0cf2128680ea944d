package callers

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pieceLen is how many bytes of an answer share one write timeout.
	pieceLen = 16 << 10
	// unsentLen is how many unsent bytes of an answer the kernel holds. The
	// kernel reports room when half of them are sent, so that a piece is not
	// delayed by megabytes before it.
	unsentLen = 32 << 10
)

// steadyConn is a connection whose write timeout applies to each piece: a
// caller that reads steadily gets all of a long answer; one that reads nothing
// is cut off.
type steadyConn struct {
	net.Conn
	// allowance is how long a piece may take; 0 means no limit.
	allowance atomic.Int64
	// fresh says that the deadline was set and nothing written since.
	fresh atomic.Bool
}

// SetDeadline implements net.Conn.
func (c *steadyConn) SetDeadline(t time.Time) error {
	c.allow(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *steadyConn) SetWriteDeadline(t time.Time) error {
	c.allow(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *steadyConn) allow(t time.Time) {
	d := time.Duration(0)
	if !t.IsZero() {
		d = max(time.Until(t), 0)
	}
	c.allowance.Store(int64(d))
	c.fresh.Store(true)
}

// Write implements net.Conn.
func (c *steadyConn) Write(p []byte) (n int, err error) {
	for {
		if d := time.Duration(c.allowance.Load()); !c.fresh.Swap(false) && d > 0 {
			if err := c.Conn.SetWriteDeadline(time.Now().Add(d)); err != nil {
				return n, err
			}
		}
		m, err := c.Conn.Write(p[n:min(n+pieceLen, len(p))])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

// CloseWrite closes the sending side.
func (c *steadyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return syscall.EOPNOTSUPP
}

// SyscallConn implements syscall.Conn.
func (c *steadyConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.EOPNOTSUPP
}

// steadying makes the connections of a listener steady.
type steadying struct{ net.Listener }

// Accept implements net.Listener.
func (l steadying) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &steadyConn{Conn: c}, nil
}

// keepLittleUnsent sets unsentLen on a TCP listener; its connections inherit
// it.
func keepLittleUnsent(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLen)
}
