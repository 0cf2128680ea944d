package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"castgate/server/internal/quota"
)

// secure is the TLS side of a connection of a wss listener. It is the net.Conn
// of its tls.Conn, but no call on it waits for a socket: during the handshake
// it belongs to a goroutine (handshaking), which the loop feeds; afterwards to the
// loop, where Read returns errAgain if the loop has read no more, and what
// Write gets is sent by the loop. So an idle connection has no goroutine and
// no timer.
type secure struct {
	tls       *tls.Conn // nil until the handshake has ended
	loop      *loop
	handshake *handshaking // nil once it has ended
	out       []byte       // ciphertext the socket has not taken
	// sealed is how many bytes of what waits for the client are in out.
	sealed uint32
	said   bool // close_notify is sealed; nothing follows it
	dead   bool // there is no TLS, or no more: bytes from the peer mean nothing
	rekeys quota.Bucket
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
	if s.handshake != nil {
		return s.handshake.Read(p)
	}
	l := s.loop
	if len(l.unopened) == 0 {
		return 0, errAgain
	}
	n := copy(p, l.unopened)
	l.unopened = l.unopened[n:]
	return n, nil
}

// Write implements net.Conn for tls.Conn. It takes all.
func (s *secure) Write(p []byte) (int, error) {
	if s.handshake != nil {
		s.handshake.Write(p)
	} else {
		s.loop.cipher = append(s.loop.cipher, p...)
	}
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

// secureOf returns the TLS side of a connection with flagSecure.
func (l *loop) secureOf(slot uint32) *secure {
	return l.slots.chunkAt(slot).secure[slot%chunkLen]
}

// makeSecure gives a new connection a TLS side.
func (l *loop) makeSecure(slot uint32, c *conn) {
	ch := l.slots.chunkAt(slot)
	if ch.secure == nil {
		ch.secure = new([chunkLen]*secure)
	}
	s := &secure{loop: l}
	s.handshake = &handshaking{secure: s, handle: l.handle(slot, c)}
	l.srv.tlsPool.Prepare(&s.handshake.Handshake, s.handshake)
	ch.secure[slot%chunkLen] = s
	c.set(flagSecure)
}

// begun returns the last of the frames waiting for c of which the peer has a
// part or will have one because it is sealed; 0 if there is none. What else
// waits may still be overtaken or dropped.
func (l *loop) begun(slot uint32, c *conn) uint32 {
	n := c.head
	part := int(c.headOff)
	if c.is(flagSecure) {
		part += int(l.secureOf(slot).sealed)
	}
	if n == 0 || part == 0 {
		return 0
	}
	for {
		nd := l.nodes.at(n)
		if part -= len(nd.frame.as(c.form)); part <= 0 || nd.next == 0 {
			return n
		}
		n = nd.next
	}
}

// readSecure takes up ciphertext that has come, which stands in rbuf.
func (l *loop) readSecure(slot uint32, c *conn, b []byte) {
	s := l.secureOf(slot)
	switch {
	case s.dead:
	case s.handshake != nil:
		l.feed(slot, c, s, b)
	default:
		l.unseal(slot, c, s, b)
	}
}

// openLen is how much plaintext is taken up at once: the largest record and
// some more.
const openLen = 32 << 10

// unseal decrypts what has come and takes it up.
func (l *loop) unseal(slot uint32, c *conn, s *secure, b []byte) {
	if l.unsealed == nil {
		l.unsealed = make([]byte, openLen)
	}
	gen := c.gen
	l.unopened = b
	defer l.reclaim(s.tls, l.lend(s.tls))
	for {
		l.cipher = l.cipher[:0]
		n := 0
		var err error
		for n < len(l.unsealed) && err == nil {
			var m int
			m, err = l.open(s, l.unsealed[n:])
			n += m
		}
		// TLS itself may have something to say: an alert, a new key.
		said := len(l.cipher) > 0
		s.out = append(s.out, l.cipher...)
		s.dead = err != nil && err != errAgain
		if n > 0 {
			l.take(slot, c, l.unsealed[:n])
			if c.gen != gen || c.state == connFree {
				return
			}
		}
		if said && !l.flush(slot, c) {
			return
		}
		if s.dead || len(s.out) > maxUnsent {
			l.endSecure(slot, c, err)
			return
		}
		if err == errAgain {
			return
		}
	}
}

const (
	// maxHand is how much of a message of the handshake a client may leave
	// unfinished. After the handshake there are two honest ones: a change of
	// keys, 5 bytes, and the wish of TLS 1.2 to negotiate anew, a few hundred,
	// which crypto/tls refuses once it is whole. Of others it would keep 256 KiB
	// for as long as the client likes.
	maxHand = 4 << 10
	// rekeyBurst is how many reads with changes of keys a client may save up, one
	// each rekeyEvery. A read gets to data or the end of what has come, and
	// crypto/tls tires of more than 16 changes in one. No honest client does it
	// more than once a minute; each costs ten times what a small record does, and
	// no limit of messages or bytes counts it.
	rekeyBurst = 16
	rekeyEvery = 10 * time.Second
)

var (
	rekeyRate      = quota.NewRate(float64(time.Second)/float64(rekeyEvery), rekeyBurst)
	errLongMessage = errors.New("a message of the handshake that is too long")
	errRekeys      = errors.New("too many changes of keys")
)

// open is Read of s.tls within maxHand and rekeyRate.
func (l *loop) open(s *secure, p []byte) (int, error) {
	b, ok := buffersOf(s.tls)
	if !ok {
		return s.tls.Read(p)
	}
	key := unsafe.SliceData(*b.key) // held, so that no other comes to its place
	n, err := s.tls.Read(p)
	switch {
	case err != nil && err != errAgain:
	case b.hand.Len() > maxHand:
		err = errLongMessage
	case unsafe.SliceData(*b.key) != key && !s.rekeys.Take(rekeyRate, 1, l.srv.now()):
		err = errRekeys
	}
	runtime.KeepAlive(key)
	return n, err
}

// endSecure ends a connection whose TLS stream has ended: by the peer's
// close_notify, which is io.EOF, or because it broke a rule of TLS or of open.
func (l *loop) endSecure(slot uint32, c *conn, err error) {
	why := goneReason(c)
	if why == closeGone && err != io.EOF {
		why = closeTLS
	}
	l.closeNow(slot, c, why)
}

// maxUnsent bounds the ciphertext that may wait for one socket. Frames are
// sealed only when nothing waits, sealLen at a time; a peer that asks for new
// keys without end and does not read reaches it.
const maxUnsent = 2 * sealLen

// sealLen is how many bytes are sealed at once, two records. The ciphertext of
// so much is kept, beside the frames, while a client's socket is full.
const sealLen = 32 << 10

// seal returns ciphertext for c's socket that is not kept anywhere else: of
// the frames that wait or, behind the last of a closing connection,
// close_notify. Valid until the next call of seal or unseal.
func (l *loop) seal(c *conn, s *secure) ([]byte, error) {
	if s.handshake != nil || s.dead || s.said {
		return nil, nil
	}
	l.cipher = l.cipher[:0]
	switch {
	case c.head != 0:
		b := l.gather(c)
		n, err := s.tls.Write(b[:min(len(b), sealLen)])
		if err != nil {
			return nil, err
		}
		s.sealed = uint32(n)
	case c.state == connClosing:
		s.said = true
		_ = s.tls.CloseWrite() // it has nothing to fail at but an earlier error
	}
	return l.cipher, nil
}

// flushSecure is flush through TLS. A frame counts as written when the kernel
// has its last record.
func (l *loop) flushSecure(slot uint32, c *conn) bool {
	s := l.secureOf(slot)
	for {
		b, kept := s.out, true
		if len(b) == 0 {
			var err error
			if b, err = l.seal(c, s); err != nil {
				l.endSecure(slot, c, err)
				return false
			}
			if kept = false; len(b) == 0 {
				break
			}
		}
		n, err := l.sys.write(int(c.fd), b)
		l.wrote(n)
		b = b[max(n, 0):]
		switch {
		case len(b) == 0:
			s.out = nil
			l.written(c, int(s.sealed))
			s.sealed = 0
			continue
		case kept:
			s.out = b
		default:
			s.out = append([]byte(nil), b...)
		}
		switch {
		case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			return l.block(slot, c)
		case errors.Is(err, unix.EINTR):
		default:
			l.closeNow(slot, c, goneReason(c))
			return false
		}
	}
	return l.emptied(slot, c)
}
