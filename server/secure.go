package server

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"castgate/server/transport"
)

// secureOf returns the TLS side of a connection with flagSecure.
func (l *loop) secureOf(slot uint32) *transport.Conn {
	return l.slots.chunkAt(slot).secure[slot%chunkLen]
}

// makeSecure gives a new connection a TLS side.
func (l *loop) makeSecure(slot uint32, c *conn) {
	ch := l.slots.chunkAt(slot)
	if ch.secure == nil {
		ch.secure = new([chunkLen]*transport.Conn)
	}
	h := &handshaking{loop: l, handle: l.handle(slot, c)}
	h.secure = l.records.NewConn(l.srv.tlsPool, &h.Handshake, h)
	ch.secure[slot%chunkLen] = h.secure
	c.set(flagSecure)
}

// begun returns the last of the frames waiting for c of which the peer has a
// part, or will have one because it is sealed; 0 if there is none. What else
// waits may still be overtaken or dropped.
func (l *loop) begun(slot uint32, c *conn) uint32 {
	n := c.head
	part := int(c.headOff)
	if c.is(flagSecure) {
		part += l.secureOf(slot).Sealed()
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
	case s.Dead():
	case s.Handshaking():
		l.feed(slot, c, s, b)
	default:
		l.open(slot, c, s, b)
	}
}

// open decrypts what has come and takes it up.
func (l *loop) open(slot uint32, c *conn, s *transport.Conn, b []byte) {
	gen := c.gen
	defer l.records.Finish(s, l.records.Begin(s, b))
	for more := true; more; {
		o := l.records.Open(s)
		if more = o.More; len(o.Plain) > 0 {
			l.take(slot, c, o.Plain)
			if c.gen != gen || c.state == connFree {
				return
			}
		}
		if o.Said && !l.flush(slot, c) {
			return
		}
		if o.Err == nil {
			o.Err = s.Overfull()
		}
		if o.Err != nil {
			l.endSecure(slot, c, o.Err)
			return
		}
	}
}

// endSecure ends a connection whose TLS stream has ended: with the peer's
// close_notify, which is io.EOF, or because the peer has broken a rule.
func (l *loop) endSecure(slot uint32, c *conn, err error) {
	why := goneReason(c)
	if why == closeGone && err != io.EOF {
		why = closeTLS
	}
	l.closeNow(slot, c, why)
}

// seal returns ciphertext for c's socket that is not kept anywhere else: of
// the frames that wait or, behind the last of a closing connection,
// close_notify. It is valid until the records are used again.
func (l *loop) seal(c *conn, s *transport.Conn) ([]byte, error) {
	switch {
	case !s.CanSeal():
		return nil, nil
	case c.head != 0:
		return l.records.Seal(s, l.gather(c))
	case c.state == connClosing:
		return l.records.SealClose(s), nil
	}
	return nil, nil
}

// flushSecure is flush through TLS. A frame counts as written when the kernel
// has its last record.
func (l *loop) flushSecure(slot uint32, c *conn) bool {
	s := l.secureOf(slot)
	for {
		b := s.Unsent()
		if len(b) == 0 {
			var err error
			if b, err = l.seal(c, s); err != nil {
				l.endSecure(slot, c, err)
				return false
			}
			if len(b) == 0 {
				return l.emptied(slot, c)
			}
		}
		n, err := l.sys.write(int(c.fd), b)
		l.wrote(n)
		if plain, all := s.Sent(b, max(n, 0)); all {
			l.written(c, plain)
			continue
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
}
