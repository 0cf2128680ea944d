package loop

import (
	"bytes"
	"strings"
	"sync/atomic"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/reason"
	"castgate/server/token"
)

// The loop's part in admission: it asks, and does what is decided.

// discharge undoes what a connection that ends was counted for.
func (e *entrance) discharge(slot uint32, c *conn) {
	if c.is(flagCounted) {
		e.loop.srv.admission.Release(e.loop.srv.Registry.address(e.loop.handle(slot, c)).Addr())
	}
	e.loop.srv.admission.EndRefusal(c.why)
	if gone := e.asked[slot]; gone != nil {
		gone.Store(true)
		delete(e.asked, slot)
	}
}

// readProxy reads the PROXY protocol header that a trusted proxy begins with.
// Its address replaces the socket's. That may be another trusted proxy's, which then
// says more in the request.
func (e *entrance) readProxy(slot uint32, c *conn, b []byte) {
	if c.in != nil {
		c.in.pending = append(c.in.pending, b...)
		b = c.in.pending
	}
	source, n, err := codec.ParseProxyHeader(b)
	if err != nil {
		e.refuse(slot, c, codec.HandshakeProxyHeader)
		return
	}
	if n == 0 { // never of more than codec.MaxProxyHeader
		if in := e.loop.reader.partial(c); len(in.pending) == 0 {
			in.pending = append(in.pending, b...)
		}
		return
	}
	rest := b[n:]
	if c.in != nil {
		e.loop.reader.releaseInbound(c)
	}
	if source.IsValid() {
		e.loop.srv.Registry.readdress(e.loop.handle(slot, c), source)
		counted, refusal := e.loop.srv.admission.Identify(source.Addr())
		if refusal != codec.HandshakeOK {
			e.refuse(slot, c, refusal)
			return
		}
		if counted {
			c.set(flagCounted)
		}
	}
	if c.form.Plain() {
		gen := c.gen
		if e.openPlain(slot, c); c.gen == gen && len(rest) > 0 {
			e.loop.reader.consume(slot, c, rest)
		}
		return
	}
	c.state = connHandshake
	switch {
	case len(rest) == 0:
	case c.is(flagSecure):
		e.loop.secure.read(slot, c, rest)
	default:
		e.readHead(slot, c, rest)
	}
}

// inspect decides about a good request whose fields say more: for whom a trusted
// proxy speaks, and which token the client has.
func (e *entrance) inspect(slot uint32, c *conn, rules *admission.Rules, r request) {
	h := e.loop.handle(slot, c)
	peer := e.loop.srv.Registry.address(h)
	v := e.loop.srv.admission.Decide(rules, r.head, peer, c.is(flagCounted))
	if v.Client != peer {
		e.loop.srv.Registry.readdress(h, v.Client)
	}
	if v.Counted {
		c.set(flagCounted)
	}
	if v.Protocol != nil {
		r.answer = codec.AddField(r.answer, "Sec-WebSocket-Protocol", v.Protocol)
	}
	switch {
	case v.Refusal != codec.HandshakeOK:
		e.refuse(slot, c, v.Refusal)
	case v.NoToken != nil:
		e.refuseToken(slot, c, v.NoToken)
	case v.Token.Text != "":
		e.checkToken(slot, c, v.Token, r)
	default:
		e.welcome(slot, c, r, nil)
	}
}

// checkToken has a token checked, off the loop.
func (e *entrance) checkToken(slot uint32, c *conn, t admission.Token, r request) {
	h := e.loop.handle(slot, c)
	held := request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}
	if busy := e.loop.srv.admission.Check(t, len(r.head), e.onToken(h, held)); busy != nil {
		e.refuseToken(slot, c, busy)
		return
	}
	c.state = connVerifying
	if len(r.rest) > 0 {
		e.loop.heads.keep(slot, c, r.rest)
	}
}

// onToken has the loop go on with a client once its token has been checked: in the
// turn of its own that many groups take.
func (e *entrance) onToken(h table.Handle, held request) func(token.Identity, *token.Refusal) {
	return func(id token.Identity, why *token.Refusal) {
		e.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
			if len(id.Groups) < client.ManyGroups {
				l.entrance.tokenChecked(h, held, id, why)
				return
			}
			l.entrance.later(func() { l.entrance.tokenChecked(h, held, id, why) })
		}})
	}
}

// verified is a connection of which somebody has decided off the loop; it is read again,
// and r gets what it has sent meanwhile. nil: it has gone, or its time was up.
func (e *entrance) verified(h table.Handle, r *request) *conn {
	c := e.loop.conn(h.Slot())
	if c == nil || c.gen != h.Gen() || c.state != connVerifying {
		return nil
	}
	if c.in != nil {
		r.rest = c.in.pending
		e.loop.reader.releaseInbound(c)
	}
	if !e.loop.reader.resume(c) {
		e.loop.exit.closeNow(h.Slot(), c, reason.Internal)
		return nil
	}
	return c
}

// tokenChecked goes on with a client whose token has been checked.
func (e *entrance) tokenChecked(h table.Handle, r request, id token.Identity, why *token.Refusal) {
	slot := h.Slot()
	defer e.loop.survive(slot, h.Gen())
	c := e.verified(h, &r)
	if c == nil {
		return
	}
	if why != nil {
		e.refuseToken(slot, c, why)
		return
	}
	e.welcome(slot, c, r, &id)
}

// identify makes a new client, of which nobody has been told, who its token
// says it is.
func (e *entrance) identify(slot uint32, c *conn, id *token.Identity) {
	h, r := e.loop.handle(slot, c), e.loop.srv.Registry
	r.Lookup(h, func(cl *client.Client) {
		if id.UID != "" {
			r.Bind(h, cl, id.UID)
		}
		for _, g := range id.Groups {
			r.Join(h, cl, g)
		}
	})
	if !id.Expires.IsZero() {
		e.loop.clock.expireAt(slot, c, id.Expires.Unix())
	}
}

// refuseToken ends a handshake for its token, or for want of one.
func (e *entrance) refuseToken(slot uint32, c *conn, why *token.Refusal) {
	result := admission.TokenResult(why.Reason)
	e.loop.count.Tokens[why.Reason].Add(1)
	e.refuseAs(slot, c, result, why.Reason.String(), func(answer []byte) []byte {
		return codec.AppendRefusalSaying(answer, result, why.Error(), why.Reason.String())
	})
}

// The loop's part in Config.Hook: it has somebody asked about a request that is
// good, off the loop, and does what is decided. Meanwhile the connection is in phase
// connVerifying, and its handshake-timeout goes on.

// hooked tells whether a request has yet to be asked about. If so, that is done.
func (e *entrance) hooked(slot uint32, c *conn, r request, id *token.Identity) bool {
	hook := e.loop.srv.config.Hook
	if hook == nil || r.asked {
		return false
	}
	h := e.loop.handle(slot, c)
	q := gateway.ConnectQuery{Head: r.head, Remote: e.loop.srv.Registry.address(h), Gone: new(atomic.Bool)}
	if id != nil {
		q.UID, q.Groups = id.UID, id.Groups
	}
	held := request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer), asked: true}
	l := e.loop
	if !hook.Ask(&q, func(v gateway.ConnectVerdict) { e.onVerdict(h, held, id, v) }) {
		r.asked = true
		e.decided(slot, c, r, id, hook.Busy())
		return true
	}
	e.asked[slot] = q.Gone
	c.state = connVerifying
	if len(r.rest) > 0 {
		l.heads.keep(slot, c, r.rest)
	}
	return true
}

// onVerdict has the loop go on with a connection, in the turn of its own that many
// groups take. Any goroutine.
func (e *entrance) onVerdict(h table.Handle, held request, id *token.Identity, v gateway.ConnectVerdict) {
	e.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
		groups := len(v.Groups)
		if id != nil {
			groups += len(id.Groups)
		}
		if groups < client.ManyGroups {
			l.entrance.verdictCame(h, held, id, v)
			return
		}
		l.entrance.later(func() { l.entrance.verdictCame(h, held, id, v) })
	}})
}

// verdictCame goes on with a connection that was decided on.
func (e *entrance) verdictCame(h table.Handle, r request, id *token.Identity, v gateway.ConnectVerdict) {
	defer e.loop.survive(h.Slot(), h.Gen())
	if c := e.verified(h, &r); c != nil {
		delete(e.asked, h.Slot())
		e.decided(h.Slot(), c, r, id, v)
	}
}

// decided lets a connection in or refuses it.
func (e *entrance) decided(slot uint32, c *conn, r request, id *token.Identity, v gateway.ConnectVerdict) {
	if v.Status != 0 {
		e.refuseHooked(slot, c, &v)
		return
	}
	id = id.With(v.UID, v.Groups)
	for line := range strings.SplitSeq(strings.TrimSuffix(v.Headers, "\r\n"), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.answer = codec.AddField(r.answer, name, []byte(value))
		}
	}
	r.session = string(v.Session)
	e.welcome(slot, c, r, id)
}

// refuseHooked ends a handshake as a hook has decided.
func (e *entrance) refuseHooked(slot uint32, c *conn, v *gateway.ConnectVerdict) {
	result := codec.HandshakeHookRefused
	if v.Status >= 500 {
		result = codec.HandshakeHookFailed
	}
	e.refuseAs(slot, c, result, result.String(), func(answer []byte) []byte {
		if result == codec.HandshakeHookFailed {
			return codec.AppendRefusal(answer, result)
		}
		return codec.AppendRefusalOf(answer, v.Status, v.ContentType, v.Body)
	})
}

// beginSession gives a new client the session that a hook has answered.
func (e *entrance) beginSession(slot uint32, c *conn, session string) {
	e.loop.srv.Registry.Lookup(e.loop.handle(slot, c), func(cl *client.Client) { cl.Keep().JSON = session })
}
