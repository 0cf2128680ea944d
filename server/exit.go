package server

import (
	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/internal/table"
)

// exit is how connections end, and clients leave the registry.
type exit struct {
	loop    *loop
	leaving []leaver // clients that have ended and are in groups still, oldest first
}

// startClose sends a close frame behind what waits and then waits for the
// peer to close too. purge throws away what waits first, all but what
// has begun to be written. It returns whether the connection is still there.
func (x *exit) startClose(slot uint32, c *conn, why closeReason, f *frames.Frame, purge bool) bool {
	if c.state != connOpen {
		return c.state != connFree
	}
	if !x.loop.writer.payPongs(slot, c) {
		return false
	}
	x.loop.logEnd(slot, c, why, f)
	x.unregister(slot, c)
	x.tellClosed(slot, c, why, f)
	x.loop.progress.forgive(slot)
	if purge {
		x.loop.writer.purge(slot, c, dropSlow)
	}
	c.state = connClosing
	c.close = why
	if c.held() && !x.loop.reader.unholdClient(slot, c) {
		return false
	}
	if f != nil && !c.form.Plain() {
		x.loop.writer.queue(c, f)
	}
	x.loop.clock.closeBy(slot, c, closeTicks)
	return x.loop.writer.flush(slot, c)
}

// flushed is called when nothing waits any more: a closing connection then
// shuts its side, so that the peer reads the close frame and an end of file
// instead of a reset.
func (x *exit) flushed(slot uint32, c *conn) bool {
	if c.state != connClosing {
		return true
	}
	if c.is(flagPeerClosed) {
		x.closeNow(slot, c, c.close)
		return false
	}
	if !c.is(flagShut) {
		c.set(flagShut)
		x.loop.sys.Shutdown(int(c.fd))
	}
	return true
}

// closeNow ends the connection at once: what waits is dropped and counted, the
// descriptor is closed, the slot is free.
func (x *exit) closeNow(slot uint32, c *conn, why closeReason) {
	if c.state == connOpen {
		x.loop.logEnd(slot, c, why, nil)
	}
	x.unregister(slot, c)
	x.tellClosed(slot, c, why, nil)
	x.loop.progress.forgive(slot)
	x.loop.writer.dropPongs()
	for c.first != 0 {
		x.loop.writer.pop(c, dropClosed)
	}
	if c.is(flagSecure) {
		x.loop.secure.abandon(slot)
	}
	switch {
	case c.is(flagServed):
		x.loop.count.closes[why].Add(1)
	case c.state != connClosing:
		x.loop.count.handshakes[handshakeGone].Add(1)
		x.loop.logGone(slot, c)
	}
	if c.in != nil {
		x.loop.reader.releaseInbound(c)
	}
	x.loop.entrance.discharge(slot, c)
	x.loop.srv.fds.clear(int(c.fd))
	x.loop.sys.Close(int(c.fd))
	x.loop.freeSlot(slot, c)
	x.loop.srv.sockets.Add(-1)
}

// abort is closeNow for a peer that does not read: the kernel forgets its send
// buffer instead of keeping it for minutes.
func (x *exit) abort(slot uint32, c *conn, why closeReason) {
	x.loop.drain.countCut(c)
	if c.first != 0 || x.loop.sys.Unsent(int(c.fd)) > 0 {
		x.loop.sys.ResetOnClose(int(c.fd))
	}
	x.closeNow(slot, c, why)
}

// closeOverdue decides on a connection whose close has not ended in time. One
// that is slow but still takes bytes gets more of it.
func (x *exit) closeOverdue(slot uint32, c *conn) {
	if c.is(flagServed) {
		patience := closePatience
		if c.close == closeSlow {
			patience = leastPatience // it had its time, and nothing but the close frame is left for it
		}
		if next, ok := x.loop.progress.look(slot, c, x.loop.sys.Flow(int(c.fd)), patience, closeTicks); ok {
			x.loop.clock.closeBy(slot, c, min(next-x.loop.clock.now(), closeTicks))
			return
		}
	}
	x.abort(slot, c, c.close)
}

// fail ends a client that broke a rule of the protocol or of this gateway.
func (x *exit) fail(slot uint32, c *conn, why closeReason, e *codec.CloseError) bool {
	f := closeFrames[why]
	if e != nil {
		f = frames.Control(codec.AppendClose(nil, e.Code, e.Reason))
	}
	return x.startClose(slot, c, why, f, false)
}

// kick closes a client that Kick has taken out of the registry: what is queued
// for it and the order's text come before the close frame.
func (x *exit) kick(cmd *command) {
	slot := cmd.one.Slot()
	c := x.loop.receiver(cmd.one)
	if c == nil || !x.loop.fanout.catchUp(slot, c) {
		return
	}
	if cmd.kick.abort {
		x.kickAtOnce(slot, c, cmd.kick.why)
		return
	}
	if cmd.kick.text != nil && len(cmd.kick.text.As(c.form)) > 0 {
		x.loop.writer.queue(c, cmd.kick.text)
	}
	x.startClose(slot, c, cmd.kick.why, cmd.kick.close, false)
}

// kickAtOnce drops what the socket does not take now. What it takes still goes
// out: the order to end came behind it, and in PHP's gateway, which writes each
// message when it is sent, it would be on its way
// (docs/gatewayworker-protocol.md section 7.5).
func (x *exit) kickAtOnce(slot uint32, c *conn, why closeReason) {
	if c.first != 0 && !c.is(flagBlocked) && !x.loop.writer.flush(slot, c) {
		return
	}
	if c.first != 0 {
		x.abort(slot, c, why)
		return
	}
	x.closeNow(slot, c, why)
}

// kickOrder is how clients are closed: frames shared by all that a Kick means.
type kickOrder struct {
	text  *frames.Frame // nil for none
	close *frames.Frame
	why   closeReason
	abort bool
}

// replaceOrder closes a client that another one has taken the place of.
var replaceOrder = &kickOrder{
	close: frames.Control(codec.AppendClose(nil, closeTable[closeReplaced].code, closeTable[closeReplaced].text)),
	why:   closeReplaced,
}

// kickOne returns 1, or 0 if the client was gone.
func (s *Loops) kickOne(h table.Handle, order *kickOrder) int {
	if s.registry.unregisterAnd(h, &command{kind: cmdKick, one: h, kick: order}) {
		return 1
	}
	return 0
}

func (s *Loops) kickAll(order *kickOrder, exclude []table.Handle) (kicked int) {
	for _, l := range s.loops {
		for h := range l.registered() {
			if !table.Contains(exclude, h) {
				kicked += s.kickOne(h, order)
			}
		}
	}
	return kicked
}
