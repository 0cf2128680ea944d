package server

import (
	"castgate/codec"
	"castgate/server/token"
)

// readHead looks for the end of the request head.
func (l *loop) readHead(slot uint32, c *conn, b []byte) {
	scanned := 0
	if c.in != nil {
		c.in.head = append(c.in.head, b...)
		b, scanned = c.in.head, c.in.scanned
	} else if len(b) > 0 && !codec.BeginsRequest(b[0]) {
		l.refuseNoRequest(slot, c, b[0])
		return
	}
	end := codec.HandshakeEnd(b, scanned)
	if end > codec.MaxHandshake || end < 0 && len(b) >= codec.MaxHandshake {
		l.refuse(slot, c, codec.HandshakeTooLarge)
		return
	}
	if end < 0 {
		in := l.partial(c)
		if len(in.head) == 0 {
			in.head = append(in.head, b...)
		}
		in.scanned = len(in.head)
		return
	}
	head, rest := b[:end], b[end:]
	if c.in != nil {
		l.releaseInbound(c)
	}
	if c.state == connRefusing {
		l.refuse(slot, c, c.why)
		return
	}
	l.upgrade(slot, c, head, rest)
}

// upgrade answers a complete request head.
func (l *loop) upgrade(slot uint32, c *conn, head, rest []byte) {
	answer, agreed, result := l.upgrader.Negotiate(l.wbuf[:0], head)
	if result == codec.HandshakeBadRequest && codec.HasProxyHeader(head) {
		result = codec.HandshakeProxyHeader
		answer = codec.AppendRefusal(l.wbuf[:0], result)
	}
	if result != codec.HandshakeOK {
		l.count.handshakes[result].Add(1)
		l.finish(slot, c, answer)
		return
	}
	c.form = agreedForm(agreed)
	if p := l.srv.policy.Load(); p.inspects {
		l.inspect(slot, c, p, request{head, rest, answer})
		return
	}
	l.welcome(slot, c, request{head, rest, answer}, nil)
}

// request is a good request and what belongs to it.
type request struct {
	head   []byte
	rest   []byte // what came behind it
	answer []byte // the 101
}

// welcome makes a connection a client. id is what its token says, nil without
// one.
func (l *loop) welcome(slot uint32, c *conn, r request, id *token.Identity) {
	if l.drain > 0 {
		l.refuse(slot, c, codec.HandshakeBusy)
		return
	}
	connection := l.enlist(slot, c)
	if id != nil {
		l.identify(slot, c, id)
	}
	l.nextDeadline(slot, c)
	l.opened(slot, c, r.head)
	if l.say(slot, c, l.srv.appendInit(r.answer, l.handle(slot, c), connection, c.form)) && len(r.rest) > 0 {
		l.readFrames(slot, c, r.rest)
	}
}

// enlist registers an open connection as a client, which gets all pushes from
// now on, and returns the number that GatewayWorker knows it by.
func (l *loop) enlist(slot uint32, c *conn) (connection uint32) {
	connection = l.srv.registry.register(l, slot, c)
	l.count.handshakes[codec.HandshakeOK].Add(1)
	l.meters.reset(slot)
	c.state = connOpen
	c.set(flagServed | flagRegistered)
	c.seenAll = l.all.seq
	return connection
}

// refuse ends a handshake with an HTTP error.
func (l *loop) refuse(slot uint32, c *conn, result codec.HandshakeResult) {
	l.count.handshakes[result].Add(1)
	if c.form.plain() { // nothing it would understand
		c.state = connClosing
		l.closeNow(slot, c, closeNone)
		return
	}
	l.finish(slot, c, codec.AppendRefusal(l.wbuf[:0], result))
}

// refuseNoRequest answers who has begun with what no request begins with.
func (l *loop) refuseNoRequest(slot uint32, c *conn, first byte) {
	if c.state == connRefusing {
		l.refuse(slot, c, c.why)
		return
	}
	l.count.handshakes[codec.HandshakeBadRequest].Add(1)
	l.finish(slot, c, codec.AppendNoRequest(l.wbuf[:0], first))
}

// finish sends the last bytes of a connection that never became a client. They
// may stand in wbuf.
func (l *loop) finish(slot uint32, c *conn, answer []byte) {
	if c.in != nil {
		l.releaseInbound(c)
	}
	c.state = connClosing
	if c.is(flagSecure) && l.secureOf(slot).shake != nil {
		l.closeNow(slot, c, closeGone) // there is no way yet to say it
		return
	}
	l.closeBy(slot, c, refusalTicks)
	l.say(slot, c, answer)
}
