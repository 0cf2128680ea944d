package loop

import (
	"math"

	"castgate/codec"
	"castgate/server/client"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

// exit is how connections end, and clients leave the registry.
type exit struct {
	loop    *loop
	leaving client.Leavers
}

// startClose sends a close frame behind what waits and then waits for the
// peer to close too. purge throws away what waits first, all but what
// has begun to be written. It returns whether the connection is still there.
func (x *exit) startClose(slot uint32, c *conn, why reason.Close, f *frames.Frame, purge bool) bool {
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
		x.loop.writer.purge(slot, c, reason.DropSlow)
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
func (x *exit) closeNow(slot uint32, c *conn, why reason.Close) {
	if c.state == connOpen {
		x.loop.logEnd(slot, c, why, nil)
	}
	x.unregister(slot, c)
	x.tellClosed(slot, c, why, nil)
	x.loop.progress.forgive(slot)
	x.loop.writer.dropPongs()
	x.loop.writer.drop(c, reason.DropClosed)
	if c.is(flagSecure) {
		x.loop.secure.abandon(slot)
	}
	switch {
	case c.is(flagServed):
		x.loop.count.Closes[why].Add(1)
	case c.state != connClosing:
		x.loop.count.Handshakes[reason.HandshakeGone].Add(1)
		x.loop.logGone(slot, c)
	}
	if c.in != nil {
		x.loop.reader.releaseInbound(c)
	}
	x.loop.entrance.discharge(slot, c)
	x.loop.srv.fds.Clear(int(c.fd))
	x.loop.sys.Close(int(c.fd))
	x.loop.freeSlot(slot, c)
	x.loop.srv.sockets.Add(-1)
}

// abort is closeNow for a peer that does not read: the kernel forgets its send
// buffer instead of keeping it for minutes.
func (x *exit) abort(slot uint32, c *conn, why reason.Close) {
	x.loop.drain.countCut(c, why)
	if !c.out.Empty() || x.loop.sys.Unsent(int(c.fd)) > 0 {
		x.loop.sys.ResetOnClose(int(c.fd))
	}
	x.closeNow(slot, c, why)
}

// closeOverdue decides on a connection whose close has not ended in time. One
// that is slow but still takes bytes gets more of it.
func (x *exit) closeOverdue(slot uint32, c *conn) {
	if c.is(flagServed) {
		patience := closePatience
		if c.close == reason.Slow {
			patience = leastPatience // it had its time, and nothing but the close frame is left for it
		}
		if next, ok := x.loop.progress.look(slot, c, patience, closeTicks); ok {
			x.loop.clock.closeBy(slot, c, min(next-x.loop.clock.now(), closeTicks))
			return
		}
	}
	x.abort(slot, c, c.close)
}

// fail ends a client that broke a rule of the protocol or of this gateway.
func (x *exit) fail(slot uint32, c *conn, why reason.Close, e *codec.CloseError) bool {
	f := why.Frame()
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
	if cmd.kick.Abort {
		x.kickAtOnce(slot, c, cmd.kick.Why)
		return
	}
	if cmd.kick.Text != nil && len(cmd.kick.Text.As(c.form)) > 0 {
		x.loop.writer.queue(c, cmd.kick.Text)
	}
	x.startClose(slot, c, cmd.kick.Why, cmd.kick.Close, false)
}

// kickAtOnce drops what the socket does not take now. What it takes still goes
// out: the order to end came behind it, and in PHP's gateway, which writes each
// message when it is sent, it would be on its way
// (docs/gatewayworker-protocol.md section 7.5).
func (x *exit) kickAtOnce(slot uint32, c *conn, why reason.Close) {
	if !c.out.Empty() && !c.is(flagBlocked) && !x.loop.writer.flush(slot, c) {
		return
	}
	if !c.out.Empty() {
		x.abort(slot, c, why)
		return
	}
	x.closeNow(slot, c, why)
}

// KickOrder is how clients are closed: frames shared by all that a Kick means.
type KickOrder struct {
	Text  *frames.Frame // nil for none
	Close *frames.Frame
	Why   reason.Close
	Abort bool
}

// ReplaceOrder closes a client that another one has taken the place of.
var ReplaceOrder = &KickOrder{
	Close: reason.Replaced.Frame(),
	Why:   reason.Replaced,
}

// KickOne returns 1, or 0 if the client was gone.
func (s *Loops) KickOne(h table.Handle, order *KickOrder) int {
	if s.Registry.unregisterAnd(h, &command{kind: cmdKick, one: h, kick: order}) {
		return 1
	}
	return 0
}

func (s *Loops) KickAll(order *KickOrder, exclude []table.Handle) (kicked int) {
	for _, l := range s.loops {
		for h := range l.registered() {
			if !table.Contains(exclude, h) {
				kicked += s.KickOne(h, order)
			}
		}
	}
	return kicked
}

// Putting a client into thousands of groups, or taking it out, takes milliseconds, and many
// such clients may come or end at once. So a loop lets in one of them a turn, and takes
// those who leave out of some groups at a time, between its work for others.

// turnLeaves is how many groups a turn has clients leave.
const turnLeaves = 4096

// unregister takes the client out of the registry, once.
func (x *exit) unregister(slot uint32, c *conn) {
	if !c.is(flagRegistered) {
		return
	}
	c.clear(flagRegistered)
	h := x.loop.handle(slot, c)
	if groups := x.loop.srv.Registry.unregisterBut(h); len(groups) > 0 {
		x.leaving.Add(h, groups)
		x.loop.mail.ring()
	}
}

// tellClosed tells of the end of a client that was told of, once. It comes right after
// unregister, or after a kick. f is the close frame, nil without one.
func (x *exit) tellClosed(slot uint32, c *conn, why reason.Close, f *frames.Frame) {
	x.loop.lives.farewell(slot, c, why, f)
	if !c.is(flagTold) {
		return
	}
	c.clear(flagTold)
	h, e := x.loop.handle(slot, c), x.loop.messages.eventClient(slot, c)
	x.loop.srv.Registry.forgetSession(h)
	if !x.leaving.Tell(h, e) {
		x.loop.srv.config.Events.Closed(e)
	}
}

// busy tells whether clients have yet to leave their groups.
func (x *exit) busy() bool { return x.leaving.Some() }

// turn has the next clients leave.
func (x *exit) turn() { x.leaveSome(turnLeaves) }

// end has all of them leave.
func (x *exit) end() { x.leaveSome(math.MaxInt) }

// leaveSome goes on with those who leave, for so many groups.
func (x *exit) leaveSome(budget int) {
	if x.leaving.Some() {
		x.leaving.Leave(budget, x.loop.srv.Registry.Groups, func(e gateway.EventClient) { x.loop.srv.config.Events.Closed(e) })
	}
}
