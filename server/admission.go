package server

import (
	"bytes"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/internal/table"
	"castgate/server/token"
)

// The loop's part in admission: it asks, and does what is decided.

// discharge undoes what a connection that ends was counted for.
func (e *entrance) discharge(slot uint32, c *conn) {
	if c.is(flagCounted) {
		e.loop.srv.admission.Release(e.loop.srv.registry.address(e.loop.handle(slot, c)).Addr())
	}
	e.loop.srv.admission.EndRefusal(c.why)
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
		e.loop.srv.registry.readdress(e.loop.handle(slot, c), source)
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
	peer := e.loop.srv.registry.address(h)
	v := e.loop.srv.admission.Decide(rules, r.head, peer, c.is(flagCounted))
	if v.Client != peer {
		e.loop.srv.registry.readdress(h, v.Client)
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
	client := e.loop.handle(slot, c)
	held := request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}
	if busy := e.loop.srv.admission.Check(t, len(r.head), e.onToken(client, held)); busy != nil {
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
func (e *entrance) onToken(client table.Handle, held request) func(token.Identity, *token.Refusal) {
	return func(id token.Identity, why *token.Refusal) {
		e.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
			if len(id.Groups) < manyGroups {
				l.entrance.tokenChecked(client, held, id, why)
				return
			}
			l.entrance.later(func() { l.entrance.tokenChecked(client, held, id, why) })
		}})
	}
}

// tokenChecked goes on with a client whose token has been checked.
func (e *entrance) tokenChecked(client table.Handle, r request, id token.Identity, why *token.Refusal) {
	slot := client.Slot()
	c := e.loop.conn(slot)
	if c == nil || c.gen != client.Gen() || c.state != connVerifying {
		return // it has gone, or its time was up
	}
	defer e.loop.survive(slot, c.gen)
	if c.in != nil {
		r.rest = c.in.pending
		e.loop.reader.releaseInbound(c)
	}
	if !e.loop.reader.resume(c) {
		e.loop.exit.closeNow(slot, c, closeInternal)
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
	h, r := e.loop.handle(slot, c), e.loop.srv.registry
	r.lookup(h, func(cl *client) {
		if id.UID != "" {
			r.bind(h, cl, id.UID)
		}
		for _, g := range id.Groups {
			r.join(h, cl, g)
		}
	})
	if !id.Expires.IsZero() {
		e.loop.clock.expireAt(slot, c, id.Expires.Unix())
	}
}

// refuseToken ends a handshake for its token, or for want of one.
func (e *entrance) refuseToken(slot uint32, c *conn, why *token.Refusal) {
	result := admission.TokenResult(why.Reason)
	e.loop.count.tokens[why.Reason].Add(1)
	e.refuseAs(slot, c, result, why.Reason.String(), func(answer []byte) []byte {
		return codec.AppendRefusalSaying(answer, result, why.Error(), why.Reason.String())
	})
}
