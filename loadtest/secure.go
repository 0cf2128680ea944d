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
// loop, where Read returns errAgain once all is read that has come. So an idle
// connection has no goroutine.
type secure struct {
	tls   *tls.Conn
	fd    int
	shake *handshake // nil once it has ended
	in    []byte     // ciphertext the loop has read and tls has not; empty between calls
	out   []byte     // ciphertext the socket has not taken
}

// errAgain tells tls.Conn that there is nothing to read for the moment. For an
// error that is temporary the connection stays usable (crypto/tls remembers
// others).
var errAgain error = againError{}

type againError struct{}

func (againError) Error() string   { return "no bytes for the moment" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

// Read implements net.Conn for tls.Conn.
func (s *secure) Read(p []byte) (int, error) {
	if s.shake != nil {
		return s.shake.read(p)
	}
	if len(s.in) == 0 {
		return 0, errAgain
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn for tls.Conn. It takes all.
func (s *secure) Write(p []byte) (int, error) {
	if s.shake != nil {
		return s.shake.write(p)
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

// send seals b and gives it to the socket. What the socket does not take waits
// in out, and nothing more is sealed before that is gone: records have to be
// whole.
func (s *secure) send(b []byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	if _, err := s.tls.Write(b); err != nil {
		return err
	}
	return s.flush()
}

// flush gives the socket what waits for it.
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

// leave ends the stream, before the socket is closed: with close_notify, or by
// giving the handshake up.
func (s *secure) leave() {
	if s.shake != nil {
		s.shake.end(net.ErrClosed)
		return
	}
	_ = s.tls.CloseWrite() // fails only where there is nobody to tell
	_ = s.flush()
}

// Sizes of what is taken up of a wss connection.
const (
	// clearLen is how much plaintext is taken up at once: some records.
	clearLen = 64 << 10
	// maxUnsent bounds the ciphertext that may wait for one socket: a server
	// that asks for new keys without end and does not read reaches it.
	maxUnsent = 64 << 10
)

// unseal decrypts all that has come on connection i, and takes it up. tls.Conn
// reads on until Read has no more for it, so that nothing stays in it but the
// beginning of a record: epoll would not tell of the rest.
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
			if err := l.take(i, c, l.clear[:n], Now()); err != nil {
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
		// TLS itself may have something to say: a new key. If the socket is
		// full it goes out before the next thing that is said.
		if err := s.flush(); err != nil && len(s.out) > maxUnsent {
			return errors.New("TLS: the server requests key updates but does not read")
		}
		return nil
	}
}
