package server

import (
	"errors"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/token"
)

// Clients of text, frame and tcp listeners (docs/gatewayworker-protocol.md
// section 7.2) have no handshake, no pings and no close frames: they are
// clients from the moment they connect, and their end is that of the
// connection.

// plain tells whether a form is one of theirs.
func (m form) plain() bool { return m >= formLine }

// appendMessage appends a message in a form; binary has a meaning to WebSocket
// clients only.
func (m form) appendMessage(dst []byte, op ws.OpCode, message []byte) []byte {
	switch m {
	case formLine:
		return codec.AppendLine(dst, message)
	case formCounted:
		return codec.AppendCounted(dst, message)
	case formBytes:
		return append(dst, message...)
	}
	return codec.AppendFrame(dst, op, message)
}

// addPlain adds to the frame of a message the plain forms of set. That of
// bytes is a part of the frame that is there.
func (f *frame) addPlain(payload []byte, set formSet) {
	for m := formLine; m < forms && set != 0; m++ {
		if !set.has(m) {
			continue
		}
		if f.others == nil {
			f.others = new([forms][]byte)
		}
		if m == formBytes {
			f.others[m] = f.bytes[len(f.bytes)-len(payload):]
			continue
		}
		f.others[m] = m.appendMessage(make([]byte, 0, len(payload)+codec.CountLen), 0, payload)
	}
}

// messageFrame makes a message of the gateway's own for clients of any form.
func (s *Server) messageFrame(payload []byte, binary bool) *frame {
	f := newMessageFrame(payload, binary)
	f.addPlain(payload, s.plain)
	return f
}

// openPlain makes a connection a client at once, unless it is to be refused:
// where clients must bring a token, those that can't are.
func (l *loop) openPlain(slot uint32, c *conn) {
	switch {
	case c.state == connRefusing:
		l.refuse(slot, c, c.why)
		return
	case l.drain > 0:
		l.refuse(slot, c, codec.HandshakeStopping)
		return
	case l.srv.policy.Load().JWT.on() && l.srv.policy.Load().JWT.Required:
		l.refuseToken(slot, c, &token.Refusal{Reason: token.Missing})
		return
	}
	if !l.admitted(slot, c, request{}, nil) {
		return
	}
	connection := l.enlist(slot, c)
	l.nextDeadline(slot, c)
	l.opened(slot, c, nil)
	if init := l.srv.appendInit(l.wbuf[:0], l.handle(slot, c), connection, c.form); len(init) > 0 {
		l.say(slot, c, init)
	}
}

// readPlain takes up bytes of a plain client.
func (l *loop) readPlain(slot uint32, c *conn, b []byte) {
	if c.state != connOpen {
		return
	}
	if l.srv.policy.Load().metered && !l.meter(slot, c, meterBytes, len(b)) {
		return
	}
	if c.in != nil && c.in.waits() {
		l.hold(c.in, append(l.hand(c.in), b...), true)
		return
	}
	l.takeLines(slot, c, b, firstSlice, false)
}

// takeLines takes up b, which came behind what the client's inbound holds, until
// the budget is spent. own tells that b may be kept.
func (l *loop) takeLines(slot uint32, c *conn, b []byte, budget int, own bool) {
	if c.state != connOpen {
		return
	}
	metered := l.srv.policy.Load().metered
	scanned := 0
	if c.in != nil && len(c.in.head) > 0 {
		scanned = c.in.scanned
		c.in.head = append(c.in.head, b...)
		b, own = c.in.head, false
	}
	for len(b) > 0 && budget > 0 && !c.held() {
		message, n, err := l.nextPlain(c, b, scanned)
		if err != nil {
			l.brokenPlain(slot, c, err)
			return
		}
		if n == 0 {
			break
		}
		scanned = 0
		if metered && !l.meter(slot, c, meterMessages, 1) {
			return
		}
		budget -= c.cost()
		gen := c.gen
		if !l.plainMessage(slot, c, message) || c.gen != gen || c.state != connOpen {
			return
		}
		b = b[n:]
	}
	if c.held() || len(b) > 0 && budget <= 0 {
		in := l.partial(c)
		l.hold(in, b, own)
		in.head = in.head[:0]
		if !in.held {
			l.putOff(slot, c)
		}
		return
	}
	l.holdPlain(c, b)
	if c.in != nil && !l.assemble(c.in, cap(c.in.head)) {
		l.startClose(slot, c, closeMessagesFull, nil, false)
	}
}

// nextPlain cuts the next message off b, the first bytes of which, scanned, have
// been searched for its end. n is 0 if it is not whole.
func (l *loop) nextPlain(c *conn, b []byte, scanned int) (message []byte, n int, err error) {
	switch c.form {
	case formLine:
		return codec.NextLine(b, scanned, l.maxMessage)
	case formCounted:
		return codec.NextCounted(b, l.maxMessage)
	}
	n = min(len(b), l.maxMessage)
	return b[:n], n, nil
}

// holdPlain keeps what is not a whole message yet.
func (l *loop) holdPlain(c *conn, b []byte) {
	if len(b) == 0 {
		if c.in != nil {
			l.releaseInbound(c)
		}
		return
	}
	in := l.partial(c)
	in.head = append(in.head[:0], b...) // moves it to the front if it stands there
	in.scanned = len(b)
}

// brokenPlain ends a plain client that broke its framing or a limit: what has
// been queued for it is written.
func (l *loop) brokenPlain(slot uint32, c *conn, err error) {
	why := closeProtocol
	var e *codec.CloseError
	if errors.As(err, &e) && e.Code == closeTable[closeTooBig].code {
		why = closeTooBig
	}
	l.startClose(slot, c, why, nil, false)
}

// plainMessage acts on a message. It returns whether to go on.
func (l *loop) plainMessage(slot uint32, c *conn, message []byte) bool {
	l.count.messagesIn.Add(1)
	c.left = l.heart.count
	if l.srv.config.OnMessage == OnMessageClose {
		l.startClose(slot, c, closePolicy, nil, false)
		return false
	}
	if c.is(flagTold) {
		goOn, enough := l.tell(slot, c, false, message)
		if !goOn {
			return false
		}
		if enough {
			l.holdClient(slot, c, l.partial(c))
		}
	}
	if l.srv.config.OnMessage != OnMessageEcho || c.state != connOpen {
		return true
	}
	f := &frame{bytes: c.form.appendMessage(nil, ws.OpText, message)}
	return l.catchUp(slot, c) && l.deliver(slot, c, f) && l.flush(slot, c)
}
