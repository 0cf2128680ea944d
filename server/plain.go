package server

import (
	"errors"

	"castgate/codec"
)

// Clients of text, frame and tcp listeners (protocol.md section 7.2) have no
// handshake, no pings and no close frames: they are clients from the moment
// they connect, and their end is that of the connection.

// plain tells whether a form is one of theirs.
func (m form) plain() bool { return m >= formLine }

// appendMessage appends a message in a form; binary has a meaning to WebSocket
// clients only.
func (m form) appendMessage(dst []byte, op codec.Opcode, message []byte) []byte {
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
		l.refuse(slot, c, codec.HandshakeBusy)
		return
	case l.srv.policy.Load().JWT.on() && l.srv.policy.Load().JWT.Required:
		l.refuse(slot, c, codec.HandshakeNoToken)
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
	metered := l.srv.policy.Load().metered
	if metered && !l.meter(slot, c, meterBytes, len(b)) {
		return
	}
	held := c.in != nil
	if held {
		c.in.head = append(c.in.head, b...)
		b = c.in.head
	}
	limit := l.maxMessage
	for len(b) > 0 {
		var message []byte
		var n int
		var err error
		switch c.form {
		case formLine:
			scanned := 0
			if held {
				scanned = c.in.scanned
			}
			message, n, err = codec.NextLine(b, scanned, limit)
		case formCounted:
			message, n, err = codec.NextCounted(b, limit)
		default:
			n = min(len(b), limit)
			message = b[:n]
		}
		if err != nil {
			l.brokenPlain(slot, c, err)
			return
		}
		if n == 0 {
			break
		}
		if held {
			c.in.scanned = 0
		}
		if metered && !l.meter(slot, c, meterMessages, 1) {
			return
		}
		gen := c.gen
		if !l.plainMessage(slot, c, message) || c.gen != gen || c.state != connOpen {
			return
		}
		b = b[n:]
	}
	l.holdPlain(c, b)
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
		l.srv.config.Events.Message(l.eventClient(slot, c), false, message)
	}
	if l.srv.config.OnMessage != OnMessageEcho || c.state != connOpen {
		return true
	}
	f := &frame{bytes: c.form.appendMessage(nil, codec.OpText, message)}
	return l.catchUp(slot, c) && l.deliver(slot, c, f) && l.flush(slot, c)
}
