package server

import (
	"errors"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

// inbound is what a connection holds while something has come in part: a
// request head, a frame, a message. At rest it has none.
type inbound struct {
	parser     codec.Parser
	head       []byte  // of a request; frames that came right behind it
	scanned    int     // bytes of head searched for its end
	message    []byte  // the message so far, with OnMessageEcho
	charge     int     // what head counts for in loop.heads; 0: it doesn't
	network    uint64  // with charge: quota.Network of the peer
	rest       []byte  // frames that wait for their turn
	assembling int     // what it counts for in Server.assembling
	held       bool    // its messages wait for whoever is told of them; see holdClient
	waiting    *waiter // it waits to be admitted
	inflating
}

// waits tells that a turn is due before anything more of the client is read.
func (in *inbound) waits() bool { return in.held || in.inflating.message != nil || len(in.rest) > 0 }

// maxSpare is how many used inbounds a loop keeps.
const maxSpare = 64

// partial returns c's inbound, making it from the loop's scratch if need be.
func (l *loop) partial(c *conn) *inbound {
	if c.in == nil {
		if n := len(l.spare); n > 0 {
			c.in, l.spare = l.spare[n-1], l.spare[:n-1]
		} else {
			c.in = new(inbound)
		}
	}
	return c.in
}

func (l *loop) releaseInbound(c *conn) {
	in := c.in
	c.in = nil
	l.clearInbound(in)
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, in)
	}
}

// clearInbound makes an inbound one that holds nothing.
func (l *loop) clearInbound(in *inbound) {
	if in.waiting != nil {
		l.stopWaiting(in)
	}
	l.freeHead(in)
	l.heldBack -= cap(in.rest)
	l.assemble(in, 0)
	in.inflating.discard()
	*in = inbound{}
}

// hand takes what waits for its turn out of an inbound.
func (l *loop) hand(in *inbound) []byte {
	b := in.rest
	l.heldBack -= cap(b)
	in.rest = nil
	return b
}

// hold has b wait for its turn in an inbound that holds nothing else back. own
// tells that b may be kept.
func (l *loop) hold(in *inbound, b []byte, own bool) {
	if !own {
		b = append([]byte(nil), b...)
	}
	in.rest = b
	l.heldBack += cap(b)
}

// readable reads once and takes up what came. One read an event: a client that
// sends without end is served as often as the others.
func (l *loop) readable(slot uint32, c *conn) {
	room := l.room(slot, c)
	if len(room) == 0 {
		return // its turn comes
	}
	n, err := l.sys.read(int(c.fd), room)
	switch {
	case n > 0:
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return
	default:
		l.closeNow(slot, c, goneReason(c))
		return
	}
	l.count.bytesIn.Add(uint64(n))
	c.lastRead = l.wheel.Now()
	c.sent = 0
	if c.is(flagPinged) {
		c.clear(flagPinged)
		l.forgive(slot)
		if c.state == connOpen {
			l.nextDeadlineOf(slot, c, c.lastRead) // not when the pong would have been overdue
		}
	}
	if c.is(flagSecure) && c.state != connProxy {
		l.readSecure(slot, c, l.rbuf[:n])
		return
	}
	l.take(slot, c, l.rbuf[:n])
}

// take takes up bytes of the stream that a client sends.
func (l *loop) take(slot uint32, c *conn, b []byte) {
	switch c.state {
	case connHandshake, connRefusing:
		l.readHead(slot, c, b)
	case connProxy:
		l.readProxy(slot, c, b)
	case connVerifying:
		l.keepHead(slot, c, b)
	case connOpen, connClosing:
		l.readFrames(slot, c, b)
	}
}

// readFrames takes up frames of a client.
func (l *loop) readFrames(slot uint32, c *conn, b []byte) {
	if c.form.plain() {
		l.readPlain(slot, c, b)
		return
	}
	if !c.is(flagServed) || c.flags&(flagPeerClosed|flagDeaf) != 0 {
		return // nothing counts after a refusal or a close frame
	}
	if l.srv.policy.Load().metered && c.state == connOpen && !l.meter(slot, c, meterBytes, len(b)) {
		return
	}
	in := c.in
	if in == nil {
		in = &l.scratch
		in.parser.Deflate = c.form.windowBits() != 0
		in.parser.AnyText = c.is(flagTold) && l.srv.anyText.Load()
	}
	if in.waits() {
		l.hold(in, append(l.hand(in), b...), true)
		return
	}
	l.takeFrames(slot, c, in, b, firstSlice, false)
}

// takeFrames takes up b, which came behind what in holds, until the budget is
// spent. own tells that b may be kept.
func (l *loop) takeFrames(slot uint32, c *conn, in *inbound, b []byte, budget int, own bool) {
	limit := int64(l.maxMessage)
	metered := l.srv.policy.Load().metered
	for (len(b) > 0 || in.inflating.message != nil) && budget > 0 && !in.held {
		gen := c.gen
		if in.inflating.message != nil {
			if !l.inflateSome(slot, c, in, &budget) {
				l.clearInbound(in)
				return
			}
			continue
		}
		n, ev, err := in.parser.Next(b, limit)
		b = b[n:]
		if err != nil {
			l.clearInbound(in)
			l.broken(slot, c, err)
			return
		}
		if ev.Kind == codec.EventNone {
			continue
		}
		budget -= c.cost()
		if metered && c.state == connOpen && isMessage(&ev) && !l.meter(slot, c, meterMessages, 1) {
			l.clearInbound(in)
			return
		}
		if ev.Deflated && l.srv.config.OnMessage != OnMessageClose {
			if l.pack(c, in, &ev); l.assemble(in, cap(in.packed)+cap(in.message)) {
				continue
			}
			l.clearInbound(in)
			l.refuseMessage(slot, c, closeMessagesFull)
			return
		}
		if !l.handleEvent(slot, c, in, &ev) || c.gen != gen {
			l.clearInbound(in)
			return
		}
	}
	if len(l.pongs) > 0 && !l.sendPongs(slot, c) {
		l.clearInbound(in)
		return
	}
	rests := in.parser.AtRest() && in.message == nil && in.packed == nil
	waits := len(b) > 0 || in.inflating.message != nil || in.held
	switch {
	case waits:
		if c.in == nil {
			in = l.keep(c, in)
		}
		l.hold(in, b, own)
		if in.held {
			l.holdClient(slot, c, in)
		} else {
			l.putOff(slot, c)
		}
	case rests && c.in != nil:
		l.releaseInbound(c)
	case !rests && c.in == nil:
		l.keep(c, in)
	}
	l.scratch = inbound{}
}

// keep moves what scratch holds to c.
func (l *loop) keep(c *conn, scratch *inbound) *inbound {
	in := l.partial(c)
	*in = *scratch
	return in
}

// broken ends a client whose bytes break RFC 6455 or a limit.
func (l *loop) broken(slot uint32, c *conn, err error) {
	if c.state == connClosing {
		l.closeNow(slot, c, c.close)
		return
	}
	why := closeProtocol
	var e *codec.CloseError
	if errors.As(err, &e) {
		switch e.Code {
		case closeTable[closeUTF8].code:
			why = closeUTF8
		case closeTable[closeTooBig].code:
			why = closeTooBig
		}
	}
	// What follows in the stream has no meaning, but is read: closing a socket
	// with unread bytes would reset it and eat our close frame.
	c.set(flagDeaf)
	l.fail(slot, c, why, e)
}

// handleEvent acts on one thing a client sent. It returns whether to go on.
func (l *loop) handleEvent(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	switch ev.Kind {
	case codec.EventClose:
		return l.peerCloses(slot, c, ev)
	case codec.EventPing:
		if c.state == connOpen {
			return l.pong(slot, c, ev.Data)
		}
	case codec.EventData:
		if c.state == connOpen {
			return l.onData(slot, c, in, ev)
		}
	}
	return true
}

// peerCloses answers a close frame with its own code (RFC 6455 section 5.5.1).
func (l *loop) peerCloses(slot uint32, c *conn, ev *codec.Event) bool {
	c.set(flagPeerClosed)
	if c.state == connClosing {
		if c.head == 0 {
			l.closeNow(slot, c, c.close)
		}
		return false
	}
	code := ev.Code
	if code == ws.StatusNoStatusRcvd {
		code = 0
	}
	l.startClose(slot, c, closePeer, controlFrame(codec.AppendClose(nil, code, "")), false)
	return false
}

// onData acts on a piece of a message as Config.OnMessage says.
func (l *loop) onData(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	if ev.Last {
		c.left = l.heart.count
	}
	switch l.srv.config.OnMessage {
	case OnMessageClose:
		l.count.messagesIn.Add(1)
		l.startClose(slot, c, closePolicy, closeFrames[closePolicy], false)
		return false
	case OnMessageEcho:
		return l.wholeMessage(slot, c, in, ev)
	}
	if l.srv.config.Events != nil && !l.srv.unwanted.Load() && (ev.First || in.message != nil) {
		return l.wholeMessage(slot, c, in, ev)
	}
	if ev.Last {
		l.count.messagesIn.Add(1)
	}
	return true
}

// echoFrame encodes a message as c wants it. It is the one frame that a loop
// compresses, since echoing is for tests.
func (l *loop) echoFrame(c *conn, op ws.OpCode, message []byte) *frame {
	if bits := c.form.windowBits(); bits != 0 && len(message) >= l.srv.config.CompressMin {
		if b := l.srv.deflater.codec.Frame(op, message, bits); b != nil {
			return &frame{bytes: b}
		}
	}
	return &frame{bytes: codec.AppendFrame(make([]byte, 0, codec.FrameLen(len(message))), op, message)}
}
