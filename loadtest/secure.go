package loadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// secure is the TLS side of a wss connection. It is the net.Conn of its
// tls.Conn, but no call on it waits for a socket: during the handshake it
// belongs to a goroutine (handshake), which the loop feeds; afterwards to the
// loop, and Read returns errAgain once all input is read. So an idle connection
// has no goroutine.
type secure struct {
	tls       *tls.Conn
	fd        int
	handshake *handshake // nil once it has ended
	in        []byte     // ciphertext that the loop has read and tls has not; empty between calls
	out       []byte     // ciphertext that the socket has not accepted
}

// errAgain tells tls.Conn that there is nothing to read at the moment. It is
// temporary, so the connection stays usable (crypto/tls remembers other
// errors).
var errAgain error = againError{}

type againError struct{}

func (againError) Error() string   { return "no bytes at the moment" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

// Read implements net.Conn for tls.Conn.
func (s *secure) Read(p []byte) (int, error) {
	if s.handshake != nil {
		return s.handshake.read(p)
	}
	if len(s.in) == 0 {
		return 0, errAgain
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn for tls.Conn. It accepts everything.
func (s *secure) Write(p []byte) (int, error) {
	if s.handshake != nil {
		return s.handshake.write(p)
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

// Close implements net.Conn; the loop closes the socket.
func (s *secure) Close() error { return nil }

// LocalAddr implements net.Conn.
func (s *secure) LocalAddr() net.Addr { return noAddr }

// RemoteAddr implements net.Conn.
func (s *secure) RemoteAddr() net.Addr { return noAddr }

// SetDeadline implements net.Conn; deadlines are the loop's.
func (s *secure) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *secure) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *secure) SetWriteDeadline(time.Time) error { return nil }

var noAddr net.Addr = &net.TCPAddr{}

// send encrypts b and writes it to the socket. What the socket does not accept
// waits in out, and nothing more is encrypted until that is written: records
// must be complete.
func (s *secure) send(b []byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	if _, err := s.tls.Write(b); err != nil {
		return err
	}
	return s.flush()
}

// flush writes waiting ciphertext to the socket.
func (s *secure) flush() error {
	for len(s.out) > 0 {
		n, err := unix.Write(s.fd, s.out)
		if err != nil && err != unix.EINTR {
			return err
		}
		s.out = s.out[max(n, 0):]
	}
	s.out = nil
	return nil
}

// leave ends the stream before the socket is closed: with close_notify, or by
// abandoning the handshake.
func (s *secure) leave() {
	if s.handshake != nil {
		s.handshake.end(net.ErrClosed)
		return
	}
	_ = s.tls.CloseWrite() // it fails only if the peer is gone
	_ = s.flush()
}

// Limits on input and output of a wss connection.
const (
	// clearLen is how much plaintext is handled at once: a few records.
	clearLen = 64 << 10
	// maxUnsent limits the ciphertext that may wait for one socket. A server
	// that requests key updates endlessly and does not read reaches it.
	maxUnsent = 64 << 10
)

// unseal decrypts and handles everything that has arrived on connection i.
// tls.Conn reads until Read has no more, so that it keeps nothing but the
// beginning of a record: epoll would not report the rest.
func (l *loop) unseal(i int, c *conn, b []byte) error {
	if l.clear == nil {
		l.clear = make([]byte, clearLen)
	}
	s := c.tls
	s.in = b
	for {
		n := 0
		var err error
		for n < len(l.clear) && err == nil {
			var m int
			m, err = s.tls.Read(l.clear[n:])
			n += m
		}
		if n > 0 {
			if err := l.consume(i, c, l.clear[:n], Now()); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			continue
		case err == io.EOF:
			return l.hungUp(c)
		case err != errAgain:
			return fmt.Errorf("TLS: %w", err)
		}
		s.in = nil
		// TLS itself may have something to send: a key update. If the socket is
		// full, that is sent before anything else.
		if err := s.flush(); err != nil && len(s.out) > maxUnsent {
			return errors.New("TLS: the server requests key updates but does not read")
		}
		return nil
	}
}
