package loop

import (
	"errors"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/frames"
	"castgate/server/reason"
)

// Clients of text, frame and tcp listeners (docs/gatewayworker-protocol.md
// section 7.2) have no handshake, no pings and no close frames: they are
// clients from the moment they connect, and their end is that of the
// connection.

// readPlain takes up bytes of a plain client.
func (r *reader) readPlain(slot uint32, c *conn, b []byte) {
	if c.state != connOpen {
		return
	}
	if r.loop.srv.admission.Rules().Metered() && !r.meter(slot, c, admission.MeterBytes, len(b)) {
		return
	}
	if c.in != nil && c.in.waits() {
		r.holdBack(c.in, append(r.takeHeldBack(c.in), b...), true)
		return
	}
	r.parseLines(slot, c, b, firstSlice, false)
}

// parseLines handles the messages in b, which came behind what the client's inbound holds, until
// the budget is spent. own tells that b may be kept.
func (r *reader) parseLines(slot uint32, c *conn, b []byte, budget int, own bool) {
	if c.state != connOpen {
		return
	}
	metered := r.loop.srv.admission.Rules().Metered()
	scanned := 0
	if c.in != nil && len(c.in.pending) > 0 {
		scanned = c.in.scanned
		c.in.pending = append(c.in.pending, b...)
		b, own = c.in.pending, false
	}
	for len(b) > 0 && budget > 0 && !c.held() {
		message, n, err := r.nextPlain(c, b, scanned)
		if err != nil {
			r.brokenPlain(slot, c, err)
			return
		}
		if n == 0 {
			break
		}
		scanned = 0
		if metered && !r.meter(slot, c, admission.MeterMessages, 1) {
			return
		}
		budget -= r.loop.messages.cost(c)
		gen := c.gen
		if !r.loop.messages.plainMessage(slot, c, message) || c.gen != gen || c.state != connOpen {
			return
		}
		b = b[n:]
	}
	if c.held() || len(b) > 0 && budget <= 0 {
		in := r.partial(c)
		r.holdBack(in, b, own)
		in.pending = in.pending[:0]
		if !in.held {
			r.putOff(slot, c)
		}
		return
	}
	r.holdPlain(c, b)
	if c.in != nil && !r.loop.messages.assemble(c.in, cap(c.in.pending)) {
		r.loop.exit.startClose(slot, c, reason.MessagesFull, nil, false)
	}
}

// nextPlain cuts the next message off b, the first bytes of which, scanned, have
// been searched for its end. n is 0 if it is not whole.
func (r *reader) nextPlain(c *conn, b []byte, scanned int) (message []byte, n int, err error) {
	switch c.form {
	case frames.Line:
		return codec.NextLine(b, scanned, r.maxMessage)
	case frames.Counted:
		return codec.NextCounted(b, r.maxMessage)
	}
	n = min(len(b), r.maxMessage)
	return b[:n], n, nil
}

// holdPlain keeps what is not a whole message yet.
func (r *reader) holdPlain(c *conn, b []byte) {
	if len(b) == 0 {
		if c.in != nil {
			r.releaseInbound(c)
		}
		return
	}
	in := r.partial(c)
	in.pending = append(in.pending[:0], b...) // moves it to the front if it stands there
	in.scanned = len(b)
}

// brokenPlain ends a plain client that broke its framing or a limit: what has
// been queued for it is written.
func (r *reader) brokenPlain(slot uint32, c *conn, err error) {
	why := reason.Protocol
	var e *codec.CloseError
	if errors.As(err, &e) && e.Code == reason.TooBig.Code() {
		why = reason.TooBig
	}
	r.loop.exit.startClose(slot, c, why, nil, false)
}
