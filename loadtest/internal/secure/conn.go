// Package secure is the client's side of TLS on a non-blocking socket that belongs to an
// event loop.
package secure

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is the TLS side of a wss connection. It is the net.Conn of its
// tls.Conn, but no call on it waits for a socket: during the handshake it
// belongs to a goroutine, which the loop feeds; afterwards to the loop, and Read
// returns ErrAgain once all input is read. So an idle connection has no
// goroutine.
type Conn struct {
	tls       *tls.Conn
	fd        int
	handshake *handshake // nil once it has ended
	in        []byte     // ciphertext that the loop has read and tls has not; empty between calls
	out       []byte     // ciphertext that the socket has not accepted
}

// Client is the client's side on a connected socket.
func Client(fd int, config *tls.Config) *Conn {
	s := &Conn{fd: fd, handshake: newHandshake(fd)}
	s.tls = tls.Client(s, config)
	return s
}

// Shaking reports whether the handshake has not been finished.
func (s *Conn) Shaking() bool { return s.handshake != nil }

// Handshake runs the handshake. It blocks, so it needs a goroutine.
func (s *Conn) Handshake() error { return s.tls.Handshake() }

// Give passes on what the server has sent during the handshake.
func (s *Conn) Give(b []byte) error { return s.handshake.give(b) }

// CutOff ends the handshake, since the socket has ended. Earlier input is still
// read.
func (s *Conn) CutOff(why error) { s.handshake.end(why) }

// Finish returns the connection to the loop once shake has returned, and the
// input that the handshake has not read.
func (s *Conn) Finish() (rest []byte) {
	rest = s.handshake.in
	s.handshake = nil
	return rest
}

// Resumed reports whether the handshake has resumed an earlier session.
func (s *Conn) Resumed() bool { return s.tls.ConnectionState().DidResume }

// ErrAgain tells tls.Conn that there is nothing to read at the moment. It is
// temporary, so the connection stays usable (crypto/tls remembers other
// errors).
var ErrAgain error = againError{}

type againError struct{}

func (againError) Error() string { return "no bytes at the moment" }

func (againError) Timeout() bool { return true }

func (againError) Temporary() bool { return true }

// Read implements net.Conn for tls.Conn.
func (s *Conn) Read(p []byte) (int, error) {
	if s.handshake != nil {
		return s.handshake.read(p)
	}
	if len(s.in) == 0 {
		return 0, ErrAgain
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn for tls.Conn. It accepts everything.
func (s *Conn) Write(p []byte) (int, error) {
	if s.handshake != nil {
		return s.handshake.write(p)
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

// Close implements net.Conn; the loop closes the socket.
func (s *Conn) Close() error { return nil }

// LocalAddr implements net.Conn.
func (s *Conn) LocalAddr() net.Addr { return noAddr }

// RemoteAddr implements net.Conn.
func (s *Conn) RemoteAddr() net.Addr { return noAddr }

// SetDeadline implements net.Conn; deadlines are the loop's.
func (s *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *Conn) SetWriteDeadline(time.Time) error { return nil }

var noAddr net.Addr = &net.TCPAddr{}

// Send encrypts b and writes it to the socket. What the socket does not accept
// waits in out, and nothing more is encrypted until that is written: records
// must be complete.
func (s *Conn) Send(b []byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	if _, err := s.tls.Write(b); err != nil {
		return err
	}
	return s.flush()
}

// flush writes waiting ciphertext to the socket.
func (s *Conn) flush() error {
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

// Leave ends the stream before the socket is closed: with close_notify, or by
// abandoning the handshake.
func (s *Conn) Leave() {
	if s.handshake != nil {
		s.handshake.end(net.ErrClosed)
		return
	}
	_ = s.tls.CloseWrite() // it fails only if the peer is gone
	_ = s.flush()
}

// Feed hands over ciphertext that was read from the socket. Open decrypts it, and
// must be called until it has returned ErrAgain.
func (s *Conn) Feed(b []byte) { s.in = b }

// Open decrypts into buf. Without an error buf is full, and there may be more.
// tls.Conn reads until Read has no more, so that it keeps nothing but the
// beginning of a record: epoll would not report the rest.
func (s *Conn) Open(buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = s.tls.Read(buf[n:])
		n += m
	}
	if err == ErrAgain {
		s.in = nil
	}
	return n, err
}

// maxUnsent limits the ciphertext, in bytes, that may wait for one socket. A server
// that requests key updates endlessly and does not read reaches it.
const maxUnsent = 64 << 10

// Settle sends what TLS itself has to say after input: a key update. If the socket is
// full, that is sent before anything else.
func (s *Conn) Settle() error {
	if err := s.flush(); err != nil && len(s.out) > maxUnsent {
		return errors.New("TLS: the server requests key updates but does not read")
	}
	return nil
}
