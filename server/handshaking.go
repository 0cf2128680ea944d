package server

import (
	"errors"
	"fmt"
	"net"

	"castgate/server/internal/table"
	"castgate/server/transport"
)

// What a loop has to do with TLS handshakes: it feeds them, sends what they say
// and takes the connection back.

// handshaking is a connection in its TLS handshake. It outlives the connection
// if that ends before.
type handshaking struct {
	transport.Handshake
	secure *secure
	handle table.Handle
}

// Conn implements transport.Owner.
func (h *handshaking) Conn() net.Conn { return h.secure }

// Say implements transport.Owner.
func (h *handshaking) Say(out []byte) {
	h.secure.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.handshakeSays(h, out) }})
}

// ReadOn implements transport.Owner.
func (h *handshaking) ReadOn() {
	h.secure.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.readOn(h) }})
}

// Done implements transport.Owner.
func (h *handshaking) Done(err error) {
	l := h.secure.loop
	var d *transport.Defect
	if errors.As(err, &d) {
		l.count.panics.Add(1)
		l.srv.log.Error("defect in a TLS handshake", "panic", fmt.Sprint(d.Panic), "stack", string(d.Stack))
		err = errors.New("internal error")
	}
	l.post(command{kind: cmdFunc, run: func(l *loop) { l.endHandshake(h, err) }})
}

// feed gives a handshake the peer's bytes.
func (l *loop) feed(slot uint32, c *conn, s *secure, b []byte) {
	if why, refused := s.handshake.Feed(b); refused {
		l.refuseTLS(slot, c, s, why, why.LastWords(), nil)
	}
}

// refuseTLS ends a connection without a handshake, with a few bytes in the
// clear. err is what crypto/tls says of it, nil if it was not asked.
func (l *loop) refuseTLS(slot uint32, c *conn, s *secure, why transport.Result, last []byte, err error) {
	l.count.tls[why].Add(1)
	l.count.handshakes[handshakeTLS].Add(1)
	l.logNoTLS(slot, c, why, err)
	l.giveUp(slot, c, s, last)
}

// giveUp ends what has become no TLS connection. A goroutine of its handshake
// may still have a look at s.handshake.
func (l *loop) giveUp(slot uint32, c *conn, s *secure, last []byte) {
	if s.handshake != nil {
		s.handshake.Abandon()
	}
	s.dead = true
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	s.out = append(s.out, last...)
	c.state = connClosing
	l.closeBy(slot, c, refusalTicks)
	l.flush(slot, c)
}

// ofHandshake returns the connection of a handshake, nil if it is gone.
func (l *loop) ofHandshake(h *handshaking) (uint32, *conn) {
	slot := h.handle.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != h.handle.Gen() || h.secure.dead {
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
	h.secure.out = append(h.secure.out, out...)
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
	s.handshake = nil
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	o := h.Outcome(err)
	if o.TLS == nil {
		l.refuseTLS(slot, c, s, o.Result, o.Out, o.Err)
		return
	}
	l.count.tls[o.Result].Add(1)
	s.tls, s.out = o.TLS, append(s.out, o.Out...)
	if l.flush(slot, c) {
		l.unseal(slot, c, s, o.Rest) // what came behind the handshake
	}
}

// abandonHandshake gives a handshake up whose connection is closed.
func (l *loop) abandonHandshake(slot uint32) {
	s := l.secureOf(slot)
	if s.handshake != nil && !s.dead {
		l.count.tls[transport.Gone].Add(1)
		s.handshake.Abandon()
	}
	s.dead = true
}
