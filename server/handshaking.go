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
	h.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.handshakeSays(h, out) }})
}

// ReadOn implements transport.Owner.
func (h *handshaking) ReadOn() {
	h.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.readOn(h) }})
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
	l.post(command{kind: cmdFunc, run: func(l *loop) { l.endHandshake(h, err) }})
}

// feed gives a handshake the peer's bytes.
func (l *loop) feed(slot uint32, c *conn, s *transport.Conn, b []byte) {
	if why, refused := s.Feed(b); refused {
		l.refuseTLS(slot, c, s, why, why.LastWords(), nil)
	}
}

// refuseTLS ends a connection without a handshake, with a few bytes in the
// clear. err is what crypto/tls says of it, nil if it was not asked.
func (l *loop) refuseTLS(slot uint32, c *conn, s *transport.Conn, why transport.Result, last []byte, err error) {
	l.count.tls[why].Add(1)
	l.count.handshakes[handshakeTLS].Add(1)
	l.logNoTLS(slot, c, why, err)
	l.giveUp(slot, c, s, last)
}

// giveUp ends what has not become a TLS connection, with last in the clear.
func (l *loop) giveUp(slot uint32, c *conn, s *transport.Conn, last []byte) {
	s.Abandon()
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	s.Send(last)
	c.state = connClosing
	l.closeBy(slot, c, refusalTicks)
	l.flush(slot, c)
}

// ofHandshake returns the connection of a handshake, nil if it is gone.
func (l *loop) ofHandshake(h *handshaking) (uint32, *conn) {
	slot := h.handle.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != h.handle.Gen() || h.secure.Dead() {
		return 0, nil
	}
	return slot, c
}

// handshakeSays sends what a handshake has to say.
func (l *loop) handshakeSays(h *handshaking, out []byte) {
	slot, c := l.ofHandshake(h)
	if c == nil {
		return
	}
	defer l.survive(slot, c.gen)
	h.secure.Send(out)
	l.flush(slot, c)
}

// readOn reads on from a peer whose bytes a handshake has taken.
func (l *loop) readOn(h *handshaking) {
	slot, c := l.ofHandshake(h)
	if c != nil && !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
	}
}

// endHandshake takes a connection back whose handshake has ended.
func (l *loop) endHandshake(h *handshaking, err error) {
	slot, c := l.ofHandshake(h)
	if c == nil {
		return
	}
	defer l.survive(slot, c.gen)
	s := h.secure
	o := s.EndHandshake(err)
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	if !o.Done {
		l.refuseTLS(slot, c, s, o.Result, o.Out, o.Err)
		return
	}
	l.count.tls[o.Result].Add(1)
	s.Send(o.Out)
	if l.flush(slot, c) {
		l.open(slot, c, s, o.Rest) // what came behind the handshake
	}
}

// abandonHandshake gives a handshake up whose connection is closed.
func (l *loop) abandonHandshake(slot uint32) {
	if l.secureOf(slot).Abandon() {
		l.count.tls[transport.Gone].Add(1)
	}
}
