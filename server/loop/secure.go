package loop

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"castgate/server/internal/table"
	"castgate/server/reason"
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
	h := &handshaking{loop: t.loop, handle: t.loop.handle(slot, c), fd: int(c.fd)}
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
		if more = o.More; len(o.Plaintext) > 0 {
			t.loop.reader.consume(slot, c, o.Plaintext)
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
	if why == reason.Gone && err != io.EOF {
		why = reason.TLS
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
	case !c.out.Empty():
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
		if plaintext, all := s.Sent(b, max(n, 0)); all {
			t.loop.writer.written(c, plaintext)
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

// The loop's part in TLS handshakes: it feeds them, sends what they have for the peer
// and takes the connection back.

// handshaking is a connection in its TLS handshake. It outlives the connection
// if that ends first.
type handshaking struct {
	transport.Handshake
	loop   *loop
	secure *transport.Conn
	handle table.Handle
	fd     int  // good until the handshake is abandoned or has ended
	behind bool // the loop sends what there is to say; owned by who calls Say
}

// Say implements transport.Owner. It writes to the socket itself, as the loop has nothing
// to write during a handshake: waking the loop for it would cost three times as much as
// the write. Only what the socket does not take is the loop's.
func (h *handshaking) Say(out []byte) (sent bool) {
	if !h.behind {
		n, _ := h.loop.sys.Write(h.fd, out) // an error comes again when the loop tries
		h.loop.writer.wrote(n)
		out = out[max(n, 0):]
	}
	if len(out) == 0 {
		return true
	}
	h.behind = true
	h.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.secure.say(h, out) }})
	return false
}

// ReadOn implements transport.Owner.
func (h *handshaking) ReadOn() {
	h.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.secure.readOn(h) }})
}

// Done implements transport.Owner.
func (h *handshaking) Done(err error) {
	h.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
		err := l.secure.noDefect(err)
		if slot, c := l.secure.ofHandshake(h); c != nil {
			defer l.survive(slot, c.gen)
			l.secure.endHandshake(slot, c, h.secure, err)
		}
	}})
}

// noDefect is what a client's log may say of an error of a handshake. A defect is logged here.
func (t *secureStreams) noDefect(err error) error {
	var d *transport.Defect
	if !errors.As(err, &d) {
		return err
	}
	t.loop.count.Panics.Add(1)
	t.loop.srv.log.Error("defect in a TLS handshake", "panic", fmt.Sprint(d.Panic), "stack", string(d.Stack))
	return errors.New("internal error")
}

// feed gives a handshake the peer's bytes.
func (t *secureStreams) feed(slot uint32, c *conn, s *transport.Conn, b []byte) {
	switch f := s.Feed(b); {
	case f.Refused:
		t.refuse(slot, c, s, f.Why, f.Why.LastWords(), nil)
	case f.Ended:
		t.endHandshake(slot, c, s, t.noDefect(f.Err))
	}
}

// refuse ends a connection without a handshake, with a few bytes in the
// clear. err is what crypto/tls says of it, nil if it was not asked.
func (t *secureStreams) refuse(slot uint32, c *conn, s *transport.Conn, why transport.Result, last []byte, err error) {
	t.loop.count.TLS[why].Add(1)
	t.loop.count.Handshakes[reason.HandshakeTLS].Add(1)
	t.loop.logNoTLS(slot, c, why, err)
	t.giveUp(slot, c, s, last)
}

// giveUp ends what has not become a TLS connection, with last in the clear.
func (t *secureStreams) giveUp(slot uint32, c *conn, s *transport.Conn, last []byte) {
	s.Abandon()
	if !t.loop.reader.resume(c) {
		t.loop.exit.closeNow(slot, c, reason.Internal)
		return
	}
	s.Send(last)
	c.state = connClosing
	t.loop.clock.closeBy(slot, c, refusalTicks)
	t.loop.writer.flush(slot, c)
}

// ofHandshake returns the connection of a handshake, nil if it is gone.
func (t *secureStreams) ofHandshake(h *handshaking) (uint32, *conn) {
	slot := h.handle.Slot()
	c := t.loop.conn(slot)
	if c == nil || c.gen != h.handle.Gen() || h.secure.Dead() {
		return 0, nil
	}
	return slot, c
}

// say sends what a handshake has to say.
func (t *secureStreams) say(h *handshaking, out []byte) {
	slot, c := t.ofHandshake(h)
	if c == nil {
		return
	}
	defer t.loop.survive(slot, c.gen)
	h.secure.Send(out)
	t.loop.writer.flush(slot, c)
}

// readOn reads on from a peer whose bytes a handshake has taken.
func (t *secureStreams) readOn(h *handshaking) {
	slot, c := t.ofHandshake(h)
	if c != nil && !t.loop.reader.resume(c) {
		t.loop.exit.closeNow(slot, c, reason.Internal)
	}
}

// endHandshake takes a connection back whose handshake has ended.
func (t *secureStreams) endHandshake(slot uint32, c *conn, s *transport.Conn, err error) {
	o := s.EndHandshake(err)
	if !t.loop.reader.resume(c) {
		t.loop.exit.closeNow(slot, c, reason.Internal)
		return
	}
	if !o.Done {
		t.refuse(slot, c, s, o.Result, o.Out, o.Err)
		return
	}
	t.loop.count.TLS[o.Result].Add(1)
	s.Send(o.Out)
	if t.loop.writer.flush(slot, c) {
		t.open(slot, c, s, o.Rest) // what came behind the handshake
	}
}

// abandon gives a handshake up whose connection is closed.
func (t *secureStreams) abandon(slot uint32) {
	if t.of(slot).Abandon() {
		t.loop.count.TLS[transport.Gone].Add(1)
	}
}
