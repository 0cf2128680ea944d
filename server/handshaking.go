package server

import (
	"errors"
	"fmt"

	"castgate/server/internal/table"
	"castgate/server/transport"
)

// The loop's part in TLS handshakes: it feeds them, sends what they have for the peer
// and takes the connection back.

// handshaking is a connection in its TLS handshake. It outlives the connection
// if that ends first.
type handshaking struct {
	transport.Handshake
	loop   *loop
	secure *transport.Conn
	handle table.Handle
}

// Say implements transport.Owner.
func (h *handshaking) Say(out []byte) {
	h.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.secure.say(h, out) }})
}

// ReadOn implements transport.Owner.
func (h *handshaking) ReadOn() {
	h.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.secure.readOn(h) }})
}

// Done implements transport.Owner.
func (h *handshaking) Done(err error) {
	l := h.loop
	var d *transport.Defect
	if errors.As(err, &d) {
		l.count.panics.Add(1)
		l.srv.log.Error("defect in a TLS handshake", "panic", fmt.Sprint(d.Panic), "stack", string(d.Stack))
		err = errors.New("internal error")
	}
	l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.secure.endHandshake(h, err) }})
}

// feed gives a handshake the peer's bytes.
func (t *secureStreams) feed(slot uint32, c *conn, s *transport.Conn, b []byte) {
	if why, refused := s.Feed(b); refused {
		t.refuse(slot, c, s, why, why.LastWords(), nil)
	}
}

// refuse ends a connection without a handshake, with a few bytes in the
// clear. err is what crypto/tls says of it, nil if it was not asked.
func (t *secureStreams) refuse(slot uint32, c *conn, s *transport.Conn, why transport.Result, last []byte, err error) {
	t.loop.count.tls[why].Add(1)
	t.loop.count.handshakes[handshakeTLS].Add(1)
	t.loop.logNoTLS(slot, c, why, err)
	t.giveUp(slot, c, s, last)
}

// giveUp ends what has not become a TLS connection, with last in the clear.
func (t *secureStreams) giveUp(slot uint32, c *conn, s *transport.Conn, last []byte) {
	s.Abandon()
	if !t.loop.reader.resume(c) {
		t.loop.exit.closeNow(slot, c, closeInternal)
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
		t.loop.exit.closeNow(slot, c, closeInternal)
	}
}

// endHandshake takes a connection back whose handshake has ended.
func (t *secureStreams) endHandshake(h *handshaking, err error) {
	slot, c := t.ofHandshake(h)
	if c == nil {
		return
	}
	defer t.loop.survive(slot, c.gen)
	s := h.secure
	o := s.EndHandshake(err)
	if !t.loop.reader.resume(c) {
		t.loop.exit.closeNow(slot, c, closeInternal)
		return
	}
	if !o.Done {
		t.refuse(slot, c, s, o.Result, o.Out, o.Err)
		return
	}
	t.loop.count.tls[o.Result].Add(1)
	s.Send(o.Out)
	if t.loop.writer.flush(slot, c) {
		t.open(slot, c, s, o.Rest) // what came behind the handshake
	}
}

// abandon gives a handshake up whose connection is closed.
func (t *secureStreams) abandon(slot uint32) {
	if t.of(slot).Abandon() {
		t.loop.count.tls[transport.Gone].Add(1)
	}
}
