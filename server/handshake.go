package server

import (
	"castgate/codec"
	"castgate/server/token"
)

// readHead looks for the end of the request head.
func (l *loop) readHead(slot uint32, c *conn, b []byte) {
	head, scanned := b, 0
	if c.in != nil {
		c.in.head = append(c.in.head, b...)
		head, scanned = c.in.head, c.in.scanned
		b = nil
	} else if len(b) > 0 && !codec.BeginsRequest(b[0]) {
		l.refuseNoRequest(slot, c, b[0])
		return
	}
	end := codec.HandshakeEnd(head, scanned)
	if end > l.maxHandshake || end < 0 && len(head) >= l.maxHandshake {
		l.refuse(slot, c, codec.HandshakeTooLarge)
		return
	}
	if end < 0 && codec.HandshakeBroken(head, scanned) {
		end = len(head) // the rest makes it no better
	}
	if end < 0 {
		l.partial(c).scanned = len(head)
		l.keepHead(slot, c, b)
		return
	}
	head, rest := head[:end], head[end:]
	if c.in != nil {
		l.releaseInbound(c)
	}
	if c.state == connRefusing {
		l.refuseHead(slot, c, head)
		return
	}
	l.upgrade(slot, c, head, rest)
}

// upgrade answers a complete request head.
func (l *loop) upgrade(slot uint32, c *conn, head, rest []byte) {
	answer, agreed, result := l.upgrader.Negotiate(l.wbuf[:0], head)
	if result != codec.HandshakeOK {
		switch {
		case codec.HasProxyHeader(head):
			l.refuse(slot, c, codec.HandshakeProxyHeader)
		case codec.IsProbe(head):
			l.answerProbe(slot, c, head, l.srv.probes() && l.drain == 0)
		default:
			l.refuse(slot, c, result)
		}
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
		l.refuse(slot, c, codec.HandshakeStopping)
		return
	}
	if !l.admitted(slot, c, r, id) {
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

// refuseHead refuses a complete head as was decided when its socket came.
func (l *loop) refuseHead(slot uint32, c *conn, head []byte) {
	if (c.why == codec.HandshakeBusy || c.why == codec.HandshakeStopping) && codec.IsProbe(head) {
		l.answerProbe(slot, c, head, false)
		return
	}
	l.refuse(slot, c, c.why)
}

// answerProbe tells a load balancer whether clients are taken. It is not counted
// as a handshake.
func (l *loop) answerProbe(slot uint32, c *conn, head []byte, ready bool) {
	l.finish(slot, c, codec.AppendProbeAnswer(l.wbuf[:0], head, ready))
}

// refuse ends a handshake with an HTTP error.
func (l *loop) refuse(slot uint32, c *conn, result codec.HandshakeResult) {
	l.refuseAs(slot, c, result, result.String(), func(answer []byte) []byte {
		if result == codec.HandshakeTooLarge {
			return codec.AppendTooLarge(answer, l.maxHandshake)
		}
		return codec.AppendRefusal(answer, result)
	})
}

// refuseAs is refuse with the reason for the log and an answer of its own, which
// the last argument appends.
func (l *loop) refuseAs(slot uint32, c *conn, result codec.HandshakeResult, why string, answer func([]byte) []byte) {
	l.count.handshakes[result].Add(1)
	l.logRefusal(slot, c, why)
	if c.form.plain() { // nothing it would understand
		c.state = connClosing
		l.closeNow(slot, c, closeNone)
		return
	}
	l.finish(slot, c, answer(l.wbuf[:0]))
}

// refuseNoRequest answers who has begun with what no request begins with.
func (l *loop) refuseNoRequest(slot uint32, c *conn, first byte) {
	if c.state == connRefusing {
		l.refuse(slot, c, c.why)
		return
	}
	l.count.handshakes[codec.HandshakeBadRequest].Add(1)
	l.logRefusal(slot, c, codec.HandshakeBadRequest.String())
	l.finish(slot, c, codec.AppendNoRequest(l.wbuf[:0], first))
}

// finish sends the last bytes of a connection that never became a client. They
// may stand in wbuf.
func (l *loop) finish(slot uint32, c *conn, answer []byte) {
	if c.in != nil {
		l.releaseInbound(c)
	}
	c.state = connClosing
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	if c.is(flagSecure) && l.secureOf(slot).Handshaking() {
		l.closeNow(slot, c, closeGone) // there is no way yet to say it
		return
	}
	l.closeBy(slot, c, refusalTicks)
	l.say(slot, c, answer)
}
