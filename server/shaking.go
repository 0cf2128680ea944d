package server

import "errors"

// What a loop has to do with handshakes: it feeds them, sends what they say
// and takes the connection back.

// alertRefused is a fatal alert, internal_error, in the clear: all that can be
// said to a peer that gets no handshake (RFC 8446 section 6).
var alertRefused = []byte{21, 3, 3, 0, 2, 2, 80}

// answerPlaintext is for who speaks HTTP to a wss listener.
var answerPlaintext = []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n" +
	"Content-Length: 46\r\n\r\nthis port speaks TLS: use wss://host [no_tls]\n")

// feed gives a handshake the peer's bytes.
func (l *loop) feed(slot uint32, c *conn, s *secure, b []byte) {
	h := s.shake
	waiting := h.give(b)
	if h.submitted {
		return
	}
	if waiting > maxShakeInput {
		l.refuseTLS(slot, c, s, tlsTooLarge, alertRefused, nil)
		return
	}
	switch inspectHello(h.in) { // no goroutine shares it yet
	case helloPart:
	case helloHTTP:
		l.refuseTLS(slot, c, s, tlsPlaintext, answerPlaintext, nil)
	case helloNone:
		l.refuseTLS(slot, c, s, tlsGarbage, alertRefused, nil)
	case helloWhole:
		h.submitted = true
		if !l.srv.shaker.submit(h) {
			l.refuseTLS(slot, c, s, tlsBusy, alertRefused, nil)
		}
	}
}

// refuseTLS ends a connection without a handshake, with a few bytes in the
// clear. err is what crypto/tls says of it, nil if it was not asked.
func (l *loop) refuseTLS(slot uint32, c *conn, s *secure, why tlsResult, last []byte, err error) {
	l.count.tls[why].Add(1)
	l.count.handshakes[handshakeTLS].Add(1)
	l.logNoTLS(slot, c, why, err)
	l.giveUp(slot, c, s, last)
}

// giveUp ends what has become no TLS connection. A goroutine of its handshake
// may still have a look at s.shake.
func (l *loop) giveUp(slot uint32, c *conn, s *secure, last []byte) {
	if s.shake != nil {
		s.shake.end(false)
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

// shaking returns the connection of a handshake, nil if it is gone.
func (l *loop) shaking(h *shake) (uint32, *conn) {
	slot := h.handle.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != h.handle.Gen() || h.secure.dead {
		return 0, nil
	}
	return slot, c
}

// shakeSays sends what a handshake has to say.
func (l *loop) shakeSays(h *shake, out []byte) {
	slot, c := l.shaking(h)
	if c == nil {
		return
	}
	defer l.survive(slot, c.gen)
	h.secure.out = append(h.secure.out, out...)
	l.flush(slot, c)
}

// readOn reads on from a peer whose bytes a handshake has taken.
func (l *loop) readOn(h *shake) {
	slot, c := l.shaking(h)
	if c != nil && !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
	}
}

// shaken takes a connection back whose handshake has ended.
func (l *loop) shaken(h *shake, err error) {
	slot, c := l.shaking(h)
	if c == nil {
		return
	}
	defer l.survive(slot, c.gen)
	s := h.secure
	s.shake = nil
	h.mu.Lock()
	rest, evicted := h.in, h.evicted
	h.mu.Unlock()
	switch {
	case !l.resume(c):
		l.closeNow(slot, c, closeInternal)
		return
	case evicted:
		l.refuseTLS(slot, c, s, tlsEvicted, alertRefused, nil)
		return
	case errors.Is(err, errTooMuch):
		l.refuseTLS(slot, c, s, tlsTooLarge, alertRefused, nil)
		return
	case err != nil:
		l.refuseTLS(slot, c, s, tlsFailed, h.out, err) // an alert, as a rule
		return
	case s.tls.ConnectionState().DidResume:
		l.count.tls[tlsResumed].Add(1)
	default:
		l.count.tls[tlsFull].Add(1)
	}
	s.out = append(s.out, h.out...)
	if l.flush(slot, c) {
		l.unseal(slot, c, s, rest) // what came behind the handshake
	}
}

// endShake gives a handshake up whose connection is closed.
func (l *loop) endShake(slot uint32) {
	s := l.secureOf(slot)
	if s.shake != nil && !s.dead {
		l.count.tls[tlsGone].Add(1)
		s.shake.end(false)
	}
	s.dead = true
}
