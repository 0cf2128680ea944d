package server

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"castgate/server/transport"
)

// secureStreams are the TLS sides of a loop's connections.
type secureStreams struct {
	loop    *loop
	records transport.Records
}

// of returns the TLS side of a connection with flagSecure.
func (t *secureStreams) of(slot uint32) *transport.Conn {
	return t.loop.slots.chunkAt(slot).secure[slot%chunkLen]
}

// begin gives a new connection a TLS side.
func (t *secureStreams) begin(slot uint32, c *conn) {
	ch := t.loop.slots.chunkAt(slot)
	if ch.secure == nil {
		ch.secure = new([chunkLen]*transport.Conn)
	}
	h := &handshaking{loop: t.loop, handle: t.loop.handle(slot, c)}
	h.secure = t.records.NewConn(t.loop.srv.tlsPool, &h.Handshake, h)
	ch.secure[slot%chunkLen] = h.secure
	c.set(flagSecure)
}

// read takes up ciphertext that has come, which stands in rbuf.
func (t *secureStreams) read(slot uint32, c *conn, b []byte) {
	s := t.of(slot)
	switch {
	case s.Dead():
	case s.Handshaking():
		t.feed(slot, c, s, b)
	default:
		t.open(slot, c, s, b)
	}
}

// open decrypts what has come and takes it up.
func (t *secureStreams) open(slot uint32, c *conn, s *transport.Conn, b []byte) {
	gen := c.gen
	defer t.records.Finish(s, t.records.Begin(s, b))
	for more := true; more; {
		o := t.records.Open(s)
		if more = o.More; len(o.Plain) > 0 {
			t.loop.reader.consume(slot, c, o.Plain)
			if c.gen != gen || c.state == connFree {
				return
			}
		}
		if o.Said && !t.loop.writer.flush(slot, c) {
			return
		}
		if o.Err == nil {
			o.Err = s.Overfull()
		}
		if o.Err != nil {
			t.end(slot, c, o.Err)
			return
		}
	}
}

// end ends a connection whose TLS stream has ended: with the peer's
// close_notify, which is io.EOF, or because the peer has broken a rule.
func (t *secureStreams) end(slot uint32, c *conn, err error) {
	why := goneReason(c)
	if why == closeGone && err != io.EOF {
		why = closeTLS
	}
	t.loop.exit.closeNow(slot, c, why)
}

// seal returns ciphertext for c's socket that is not kept anywhere else: of
// the frames that wait or, behind the last of a closing connection,
// close_notify. It is valid until the records are used again.
func (t *secureStreams) seal(c *conn, s *transport.Conn) ([]byte, error) {
	switch {
	case !s.CanSeal():
		return nil, nil
	case c.first != 0:
		return t.records.Seal(s, t.loop.writer.gather(c))
	case c.state == connClosing:
		return t.records.SealClose(s), nil
	}
	return nil, nil
}

// flush is writer.flush through TLS. A frame counts as written when the kernel
// has its last record.
func (t *secureStreams) flush(slot uint32, c *conn) bool {
	s := t.of(slot)
	for {
		b := s.Unsent()
		if len(b) == 0 {
			var err error
			if b, err = t.seal(c, s); err != nil {
				t.end(slot, c, err)
				return false
			}
			if len(b) == 0 {
				return t.loop.writer.emptied(slot, c)
			}
		}
		n, err := t.loop.sys.Write(int(c.fd), b)
		t.loop.writer.wrote(n)
		if plain, all := s.Sent(b, max(n, 0)); all {
			t.loop.writer.written(c, plain)
			continue
		}
		switch {
		case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			return t.loop.writer.block(slot, c)
		case errors.Is(err, unix.EINTR):
		default:
			t.loop.exit.closeNow(slot, c, goneReason(c))
			return false
		}
	}
}
