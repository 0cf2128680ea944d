package loop

import (
	"sync/atomic"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
	"castgate/server/reason"
	"castgate/server/token"
)

// entrance is how sockets become clients: they are taken in, their request is
// read and answered.
type entrance struct {
	loop         *loop
	maxHandshake int // the longest request head in bytes
	upgrader     codec.Upgrader
	landing      []Arrival               // a buffer for sockets that are taken in
	joining      []func()                // each lets in a client that joins many groups, oldest first
	asked        map[uint32]*atomic.Bool // by slot, of those that a hook is asked about: they have gone
}

func newEntrance(l *loop) entrance {
	rules := l.srv.admission.Rules
	return entrance{loop: l, asked: map[uint32]*atomic.Bool{}, upgrader: codec.Upgrader{
		CheckOrigin:  func(origin []byte) bool { return rules().AllowsOrigin(origin) },
		Uncompressed: func(agent []byte) bool { return !rules().Compresses(agent) },
		Compress:     l.srv.config.Compress, Subprotocol: admission.Subprotocol,
	}}
}

func (e *entrance) limit(n capacity.Capacity) { e.maxHandshake = n.MaxHandshake }

// busy tells whether clients wait to be let in.
func (e *entrance) busy() bool { return len(e.joining) > 0 }

// later has a function let in a client in a turn of its own.
func (e *entrance) later(letIn func()) { e.joining = append(e.joining, letIn) }

// turn lets in the next client that joins many groups.
func (e *entrance) turn() {
	if len(e.joining) == 0 {
		return
	}
	next := e.joining[0]
	e.joining[0] = nil
	if e.joining = e.joining[1:]; len(e.joining) == 0 {
		e.joining = nil
	}
	next()
}

// readHead looks for the end of the request head.
func (e *entrance) readHead(slot uint32, c *conn, b []byte) {
	head, scanned := b, 0
	if c.in != nil {
		c.in.pending = append(c.in.pending, b...)
		head, scanned = c.in.pending, c.in.scanned
		b = nil
	} else if len(b) > 0 && !codec.BeginsRequest(b[0]) {
		e.refuseNoRequest(slot, c, b[0])
		return
	}
	end := codec.HandshakeEnd(head, scanned)
	if end > e.maxHandshake || end < 0 && len(head) >= e.maxHandshake {
		e.refuse(slot, c, codec.HandshakeTooLarge)
		return
	}
	if end < 0 && codec.HandshakeBroken(head, scanned) {
		end = len(head) // the rest makes it no better
	}
	if end < 0 {
		e.loop.reader.partial(c).scanned = len(head)
		e.loop.heads.keep(slot, c, b)
		return
	}
	head, rest := head[:end], head[end:]
	if c.in != nil {
		e.loop.reader.releaseInbound(c)
	}
	if c.state == connRefusing {
		e.refuseHead(slot, c, head)
		return
	}
	e.upgrade(slot, c, head, rest)
}

// upgrade answers a complete request head.
func (e *entrance) upgrade(slot uint32, c *conn, head, rest []byte) {
	answer, agreed, result := e.upgrader.Negotiate(e.loop.writer.scratch(), head)
	if result != codec.HandshakeOK {
		switch {
		case codec.HasProxyHeader(head):
			e.refuse(slot, c, codec.HandshakeProxyHeader)
		case codec.IsProbe(head):
			e.answerProbe(slot, c, head, e.loop.srv.config.Ready() && !e.loop.drain.active())
		default:
			e.refuse(slot, c, result)
		}
		return
	}
	if e.loop.drain.active() { // before others are asked who might not answer in time
		e.refuse(slot, c, codec.HandshakeStopping)
		return
	}
	c.form = frames.Agreed(agreed)
	if rules := e.loop.srv.admission.Rules(); rules.Inspects() {
		e.inspect(slot, c, rules, request{head: head, rest: rest, answer: answer})
		return
	}
	e.welcome(slot, c, request{head: head, rest: rest, answer: answer}, nil)
}

// request is a good request and what belongs to it.
type request struct {
	head   []byte
	rest   []byte // what came behind it
	answer []byte // the 101
	// asked tells that Config.Hook was asked about it. session is what it answered, ""
	// for none.
	asked   bool
	session string
}

// welcome makes a connection a client, now or later. id is what its token says,
// nil without one.
func (e *entrance) welcome(slot uint32, c *conn, r request, id *token.Identity) {
	if e.loop.drain.active() {
		e.refuse(slot, c, codec.HandshakeStopping)
		return
	}
	if e.hooked(slot, c, r, id) {
		return
	}
	if e.loop.waiting.admitted(slot, c, r, id) {
		e.letIn(slot, c, r, id)
	}
}

// letIn makes an admitted connection a client.
func (e *entrance) letIn(slot uint32, c *conn, r request, id *token.Identity) {
	connection := e.enlist(slot, c)
	if id != nil {
		e.identify(slot, c, id)
	}
	if r.session != "" {
		e.beginSession(slot, c, r.session)
	}
	e.loop.clock.nextDeadline(slot, c)
	e.loop.messages.opened(slot, c, r.head)
	if e.loop.writer.say(slot, c, e.appendInit(r.answer, e.loop.handle(slot, c), connection, c.form)) && len(r.rest) > 0 {
		e.loop.reader.readFrames(slot, c, r.rest)
	}
}

// openPlain makes a connection a client without a request, now or later, unless it
// is to be refused: where clients must bring a token, those that can't are.
func (e *entrance) openPlain(slot uint32, c *conn) {
	switch {
	case c.state == connRefusing:
		e.refuse(slot, c, c.why)
		return
	case e.loop.drain.active():
		e.refuse(slot, c, codec.HandshakeStopping)
		return
	case e.loop.srv.admission.Rules().RequiresToken():
		e.refuseToken(slot, c, &token.Refusal{Reason: token.Missing})
		return
	}
	if e.loop.waiting.admitted(slot, c, request{}, nil) {
		e.letInPlain(slot, c)
	}
}

// letInPlain is letIn for a plain client.
func (e *entrance) letInPlain(slot uint32, c *conn) {
	connection := e.enlist(slot, c)
	e.loop.clock.nextDeadline(slot, c)
	e.loop.messages.opened(slot, c, nil)
	if init := e.appendInit(e.loop.writer.scratch(), e.loop.handle(slot, c), connection, c.form); len(init) > 0 {
		e.loop.writer.say(slot, c, init)
	}
}

// enlist registers an open connection as a client, which gets all pushes from
// now on, and returns the number that GatewayWorker knows it by.
func (e *entrance) enlist(slot uint32, c *conn) (connection uint32) {
	connection = e.loop.srv.Registry.register(e.loop, slot, c)
	e.loop.count.Handshakes[codec.HandshakeOK].Add(1)
	e.loop.reader.newClient(slot)
	c.state = connOpen
	c.set(flagServed | flagRegistered)
	e.loop.fanout.enroll(c)
	return connection
}

// refuseHead refuses a complete head as was decided when its socket came.
func (e *entrance) refuseHead(slot uint32, c *conn, head []byte) {
	if (c.why == codec.HandshakeBusy || c.why == codec.HandshakeStopping) && codec.IsProbe(head) {
		e.answerProbe(slot, c, head, false)
		return
	}
	e.refuse(slot, c, c.why)
}

// answerProbe tells a load balancer whether clients are taken. It is not counted
// as a handshake.
func (e *entrance) answerProbe(slot uint32, c *conn, head []byte, ready bool) {
	e.finish(slot, c, codec.AppendProbeAnswer(e.loop.writer.scratch(), head, ready))
}

// refuse ends a handshake with an HTTP error.
func (e *entrance) refuse(slot uint32, c *conn, result codec.HandshakeResult) {
	e.refuseAs(slot, c, result, result.String(), func(answer []byte) []byte {
		if result == codec.HandshakeTooLarge {
			return codec.AppendTooLarge(answer, e.maxHandshake)
		}
		return codec.AppendRefusal(answer, result)
	})
}

// refuseAs is refuse with the reason for the log and an answer of its own, which
// the last argument appends.
func (e *entrance) refuseAs(slot uint32, c *conn, result codec.HandshakeResult, why string, answer func([]byte) []byte) {
	e.loop.count.Handshakes[result].Add(1)
	e.loop.logRefusal(slot, c, why)
	if c.form.Plain() { // nothing it would understand
		c.state = connClosing
		e.loop.exit.closeNow(slot, c, reason.None)
		return
	}
	e.finish(slot, c, answer(e.loop.writer.scratch()))
}

// refuseNoRequest answers who has begun with what no request begins with.
func (e *entrance) refuseNoRequest(slot uint32, c *conn, first byte) {
	if c.state == connRefusing {
		e.refuse(slot, c, c.why)
		return
	}
	e.loop.count.Handshakes[codec.HandshakeBadRequest].Add(1)
	e.loop.logRefusal(slot, c, codec.HandshakeBadRequest.String())
	e.finish(slot, c, codec.AppendNoRequest(e.loop.writer.scratch(), first))
}

// finish sends the last bytes of a connection that never became a client. They
// may stand in wbuf.
func (e *entrance) finish(slot uint32, c *conn, answer []byte) {
	if c.in != nil {
		e.loop.reader.releaseInbound(c)
	}
	c.state = connClosing
	if !e.loop.reader.resume(c) {
		e.loop.exit.closeNow(slot, c, reason.Internal)
		return
	}
	if c.is(flagSecure) && e.loop.secure.of(slot).Handshaking() {
		e.loop.exit.closeNow(slot, c, reason.Gone) // there is no way yet to say it
		return
	}
	e.loop.clock.closeBy(slot, c, refusalTicks)
	e.loop.writer.say(slot, c, answer)
}

// SuspendInit says whether new clients go without Config.InitMessage: while a
// worker is attached, its application sends its own. Any goroutine.
func (s *Loops) SuspendInit(suspended bool) { s.initOff.Store(suspended) }

// appendInit appends the init message for a client, in its form.
func (e *entrance) appendInit(dst []byte, h table.Handle, connection uint32, m frames.Form) []byte {
	s := e.loop.srv
	if s.greeting == nil || s.initOff.Load() {
		return dst
	}
	var id [clientid.Len]byte
	return s.greeting.Append(dst, s.IDs.Append(id[:0], h, connection), m)
}
