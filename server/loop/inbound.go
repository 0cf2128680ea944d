package loop

import (
	"errors"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/internal/waitlist"
	"castgate/server/reason"
)

// inbound is what a connection holds while something has come in part: a
// request head, a frame, a message. At rest it has none.
type inbound struct {
	parser     codec.Parser
	pending    []byte                   // a request head or a line that is not whole; frames that came behind a head
	scanned    int                      // bytes of pending searched for its end
	message    []byte                   // the message so far, with OnMessageEcho
	charge     int                      // what pending counts for in heads; 0: it doesn't
	network    uint64                   // with charge: quota.Network of the peer
	heldBack   []byte                   // frames that wait for their turn
	assembling int                      // what it counts for in Loops.assembling
	held       bool                     // its messages wait for whoever is told of them; see reader.holdClient
	waiting    *waitlist.Place[*waiter] // it waits to be admitted
	packed     codec.Compressed         // a compressed message
}

// reader takes up what clients send.
type reader struct {
	loop       *loop
	maxMessage int // Capacity's
	rbuf       []byte
	spare      []*inbound
	scratch    inbound  // of the client that is read, until it has to keep something
	later      slotList // clients whose messages wait for their turn
	heldBack   int      // bytes that these wait with
	meters     admission.Meters
}

func newReader(l *loop) reader {
	return reader{loop: l, rbuf: make([]byte, readLen), later: slotList{flag: flagLater}}
}

func (r *reader) limit(n capacity.Capacity) { r.maxMessage = n.MaxMessage }

// newClient gives the next client of a slot its whole allowance.
func (r *reader) newClient(slot uint32) { r.meters.Reset(slot) }

// forgetMeters gives allowances back, when there are no limits any more.
func (r *reader) forgetMeters() { r.meters.Discard() }

// forgetEvent gives back what a client was read with that has met a defect.
func (r *reader) forgetEvent() { r.clearInbound(&r.scratch) }

// waits tells that a turn is due before anything more of the client is read.
func (in *inbound) waits() bool {
	return in.held || in.packed.Whole() || len(in.heldBack) > 0
}

// maxSpare is how many used inbounds a loop keeps.
const maxSpare = 64

// partial returns c's inbound, making it from the loop's scratch if need be.
func (r *reader) partial(c *conn) *inbound {
	if c.in == nil {
		if n := len(r.spare); n > 0 {
			c.in, r.spare = r.spare[n-1], r.spare[:n-1]
		} else {
			c.in = new(inbound)
		}
	}
	return c.in
}

func (r *reader) releaseInbound(c *conn) {
	in := c.in
	c.in = nil
	r.clearInbound(in)
	if len(r.spare) < maxSpare {
		r.spare = append(r.spare, in)
	}
}

// clearInbound makes an inbound one that holds nothing.
func (r *reader) clearInbound(in *inbound) {
	if in.waiting != nil {
		r.loop.waiting.stopWaiting(in)
	}
	r.loop.heads.free(in)
	r.heldBack -= cap(in.heldBack)
	r.loop.messages.assemble(in, 0)
	in.packed.Discard()
	*in = inbound{}
}

// takeHeldBack takes what waits for its turn out of an inbound.
func (r *reader) takeHeldBack(in *inbound) []byte {
	b := in.heldBack
	r.heldBack -= cap(b)
	in.heldBack = nil
	return b
}

// holdBack has b wait for its turn in an inbound that holds nothing else back. own
// reports whether b may be kept, without a copy.
func (r *reader) holdBack(in *inbound, b []byte, own bool) {
	if !own {
		b = append([]byte(nil), b...)
	}
	in.heldBack = b
	r.heldBack += cap(b)
}

// readable reads once and takes up what came. One read an event: a client that
// sends without end is served as often as the others.
func (r *reader) readable(slot uint32, c *conn) {
	room := r.room(slot, c)
	if len(room) == 0 {
		return // its turn comes
	}
	n, err := r.loop.sys.Read(int(c.fd), room)
	switch {
	case n > 0:
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return
	default:
		r.loop.exit.closeNow(slot, c, goneReason(c))
		return
	}
	r.loop.count.BytesIn.Add(uint64(n))
	c.silentSince = r.loop.clock.now()
	c.sent = 0
	if c.is(flagPinged) {
		c.clear(flagPinged)
		r.loop.clock.answered()
		r.loop.progress.forgive(slot)
		if c.state == connOpen {
			r.loop.clock.nextDeadlineOf(slot, c, c.silentSince) // not when the pong would have been overdue
		}
	}
	if c.is(flagSecure) && c.state != connProxy {
		r.loop.secure.read(slot, c, r.rbuf[:n])
		return
	}
	r.consume(slot, c, r.rbuf[:n])
}

// consume handles bytes of the stream that a client sends.
func (r *reader) consume(slot uint32, c *conn, b []byte) {
	switch c.state {
	case connHandshake, connRefusing:
		r.loop.entrance.readHead(slot, c, b)
	case connProxy:
		r.loop.entrance.readProxy(slot, c, b)
	case connVerifying:
		r.loop.heads.keep(slot, c, b)
	case connOpen, connClosing:
		r.readFrames(slot, c, b)
	}
}

// readFrames takes up frames of a client.
func (r *reader) readFrames(slot uint32, c *conn, b []byte) {
	if c.form.Plain() {
		r.readPlain(slot, c, b)
		return
	}
	if !c.is(flagServed) || c.flags&(flagPeerClosed|flagDeaf) != 0 {
		return // nothing counts after a refusal or a close frame
	}
	if r.loop.srv.admission.Rules().Metered() && c.state == connOpen && !r.meter(slot, c, admission.MeterBytes, len(b)) {
		return
	}
	in := c.in
	if in == nil {
		in = &r.scratch
		in.parser.Deflate = c.form.WindowBits() != 0
		in.parser.AnyText = c.is(flagTold) && r.loop.srv.anyText.Load()
	}
	if in.waits() {
		r.holdBack(in, append(r.takeHeldBack(in), b...), true)
		return
	}
	r.parseFrames(slot, c, in, b, firstSlice, false)
}

// parseFrames handles the frames in b, which came behind what in holds, until the
// budget is spent. own reports whether b may be kept.
func (r *reader) parseFrames(slot uint32, c *conn, in *inbound, b []byte, budget int, own bool) {
	limit := int64(r.maxMessage)
	metered := r.loop.srv.admission.Rules().Metered()
	for (len(b) > 0 || in.packed.Whole()) && budget > 0 && !in.held {
		gen := c.gen
		if in.packed.Whole() {
			if !r.loop.inflater.inflateSome(slot, c, in, &budget) {
				r.clearInbound(in)
				return
			}
			continue
		}
		n, ev, err := in.parser.Next(b, limit)
		b = b[n:]
		if err != nil {
			r.clearInbound(in)
			r.broken(slot, c, err)
			return
		}
		if ev.Kind == codec.EventNone {
			continue
		}
		budget -= r.loop.messages.cost(c)
		if metered && c.state == connOpen && admission.IsMessage(&ev) && !r.meter(slot, c, admission.MeterMessages, 1) {
			r.clearInbound(in)
			return
		}
		if ev.Deflated && r.loop.srv.config.OnMessage != OnMessageClose {
			if r.loop.inflater.addPiece(c, in, &ev, limit); r.loop.messages.assemble(in, in.packed.Held()+cap(in.message)) {
				continue
			}
			r.clearInbound(in)
			r.loop.messages.refuseMessage(slot, c, reason.MessagesFull)
			return
		}
		if !r.handleEvent(slot, c, in, &ev) || c.gen != gen {
			r.clearInbound(in)
			return
		}
	}
	if !r.loop.writer.payPongs(slot, c) {
		r.clearInbound(in)
		return
	}
	rests := in.parser.AtRest() && in.message == nil && !in.packed.Partial()
	waits := len(b) > 0 || in.packed.Whole() || in.held
	switch {
	case waits:
		if c.in == nil {
			in = r.keep(c, in)
		}
		r.holdBack(in, b, own)
		if in.held {
			r.holdClient(slot, c, in)
		} else {
			r.putOff(slot, c)
		}
	case rests && c.in != nil:
		r.releaseInbound(c)
	case !rests && c.in == nil:
		r.keep(c, in)
	}
	r.scratch = inbound{}
}

// keep moves what scratch holds to c.
func (r *reader) keep(c *conn, scratch *inbound) *inbound {
	in := r.partial(c)
	*in = *scratch
	return in
}

// broken ends a client whose bytes break RFC 6455 or a limit.
func (r *reader) broken(slot uint32, c *conn, err error) {
	if c.state == connClosing {
		r.loop.exit.closeNow(slot, c, c.close)
		return
	}
	why := reason.Protocol
	var e *codec.CloseError
	if errors.As(err, &e) {
		switch e.Code {
		case reason.UTF8.Code():
			why = reason.UTF8
		case reason.TooBig.Code():
			why = reason.TooBig
		}
	}
	// What follows in the stream has no meaning, but is read: closing a socket
	// with unread bytes would reset it and eat our close frame.
	c.set(flagDeaf)
	r.loop.exit.fail(slot, c, why, e)
}

// handleEvent acts on one thing a client sent. It returns whether to go on.
func (r *reader) handleEvent(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	switch ev.Kind {
	case codec.EventClose:
		return r.peerCloses(slot, c, ev)
	case codec.EventPing:
		if c.state == connOpen {
			return r.loop.writer.pong(slot, c, ev.Data)
		}
	case codec.EventData:
		if c.state == connOpen {
			return r.loop.messages.onData(slot, c, in, ev)
		}
	}
	return true
}

// peerCloses answers a close frame with its own code (RFC 6455 section 5.5.1).
func (r *reader) peerCloses(slot uint32, c *conn, ev *codec.Event) bool {
	c.set(flagPeerClosed)
	if c.state == connClosing {
		if c.out.Empty() {
			r.loop.exit.closeNow(slot, c, c.close)
		}
		return false
	}
	code := ev.Code
	if code == ws.StatusNoStatusRcvd {
		code = 0
	}
	r.loop.exit.startClose(slot, c, reason.Peer, frames.Control(codec.AppendClose(nil, code, "")), false)
	return false
}
