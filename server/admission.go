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
func (l *loop) discharge(slot uint32, c *conn) {
	if c.is(flagCounted) {
		l.srv.admission.Release(l.srv.registry.address(l.handle(slot, c)).Addr())
	}
	l.srv.admission.EndRefusal(c.why)
}

// readProxy reads the PROXY protocol header that a trusted proxy begins with.
// Its address replaces the socket's. That may be another trusted proxy's, which then
// says more in the request.
func (l *loop) readProxy(slot uint32, c *conn, b []byte) {
	if c.in != nil {
		c.in.pending = append(c.in.pending, b...)
		b = c.in.pending
	}
	source, n, err := codec.ParseProxyHeader(b)
	if err != nil {
		l.entrance.refuse(slot, c, codec.HandshakeProxyHeader)
		return
	}
	if n == 0 { // never of more than codec.MaxProxyHeader
		if in := l.reader.partial(c); len(in.pending) == 0 {
			in.pending = append(in.pending, b...)
		}
		return
	}
	rest := b[n:]
	if c.in != nil {
		l.reader.releaseInbound(c)
	}
	if source.IsValid() {
		l.srv.registry.readdress(l.handle(slot, c), source)
		counted, refusal := l.srv.admission.Identify(source.Addr())
		if refusal != codec.HandshakeOK {
			l.entrance.refuse(slot, c, refusal)
			return
		}
		if counted {
			c.set(flagCounted)
		}
	}
	if c.form.Plain() {
		gen := c.gen
		if l.entrance.openPlain(slot, c); c.gen == gen && len(rest) > 0 {
			l.reader.consume(slot, c, rest)
		}
		return
	}
	c.state = connHandshake
	switch {
	case len(rest) == 0:
	case c.is(flagSecure):
		l.secure.read(slot, c, rest)
	default:
		l.entrance.readHead(slot, c, rest)
	}
}

// inspect decides about a good request whose fields say more: for whom a trusted
// proxy speaks, and which token the client has.
func (l *loop) inspect(slot uint32, c *conn, rules *admission.Rules, r request) {
	h := l.handle(slot, c)
	peer := l.srv.registry.address(h)
	v := l.srv.admission.Decide(rules, r.head, peer, c.is(flagCounted))
	if v.Client != peer {
		l.srv.registry.readdress(h, v.Client)
	}
	if v.Counted {
		c.set(flagCounted)
	}
	if v.Protocol != nil {
		r.answer = codec.AddField(r.answer, "Sec-WebSocket-Protocol", v.Protocol)
	}
	switch {
	case v.Refusal != codec.HandshakeOK:
		l.entrance.refuse(slot, c, v.Refusal)
	case v.NoToken != nil:
		l.refuseToken(slot, c, v.NoToken)
	case v.Token.Text != "":
		l.checkToken(slot, c, v.Token, r)
	default:
		l.entrance.welcome(slot, c, r, nil)
	}
}

// checkToken has a token checked, off the loop.
func (l *loop) checkToken(slot uint32, c *conn, t admission.Token, r request) {
	client := l.handle(slot, c)
	held := request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}
	if busy := l.srv.admission.Check(t, len(r.head), l.onToken(client, held)); busy != nil {
		l.refuseToken(slot, c, busy)
		return
	}
	c.state = connVerifying
	if len(r.rest) > 0 {
		l.heads.keep(slot, c, r.rest)
	}
}

// onToken has the loop go on with a client once its token has been checked: in the
// turn of its own that many groups take.
func (l *loop) onToken(client table.Handle, held request) func(token.Identity, *token.Refusal) {
	return func(id token.Identity, why *token.Refusal) {
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) {
			if len(id.Groups) < manyGroups {
				l.tokenChecked(client, held, id, why)
				return
			}
			l.entrance.later(func() { l.tokenChecked(client, held, id, why) })
		}})
	}
}

// tokenChecked goes on with a client whose token has been checked.
func (l *loop) tokenChecked(client table.Handle, r request, id token.Identity, why *token.Refusal) {
	slot := client.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != client.Gen() || c.state != connVerifying {
		return // it has gone, or its time was up
	}
	defer l.survive(slot, c.gen)
	if c.in != nil {
		r.rest = c.in.pending
		l.reader.releaseInbound(c)
	}
	if !l.reader.resume(c) {
		l.exit.closeNow(slot, c, closeInternal)
		return
	}
	if why != nil {
		l.refuseToken(slot, c, why)
		return
	}
	l.entrance.welcome(slot, c, r, &id)
}

// identify makes a new client, of which nobody has been told, who its token
// says it is.
func (l *loop) identify(slot uint32, c *conn, id *token.Identity) {
	h, r := l.handle(slot, c), l.srv.registry
	r.lookup(h, func(cl *client) {
		if id.UID != "" {
			r.bind(h, cl, id.UID)
		}
		for _, g := range id.Groups {
			r.join(h, cl, g)
		}
	})
	if !id.Expires.IsZero() {
		l.expireAt(slot, c, id.Expires.Unix())
	}
}

// refuseToken ends a handshake for its token, or for want of one.
func (l *loop) refuseToken(slot uint32, c *conn, why *token.Refusal) {
	result := admission.TokenResult(why.Reason)
	l.count.tokens[why.Reason].Add(1)
	l.entrance.refuseAs(slot, c, result, why.Reason.String(), func(answer []byte) []byte {
		return codec.AppendRefusalSaying(answer, result, why.Error(), why.Reason.String())
	})
}

// expireAt has a client closed at a Unix time. It is kept beside the slots: most
// clients need none, and c.deadline says by when they must be bound.
func (l *loop) expireAt(slot uint32, c *conn, at int64) {
	c.set(flagExpires)
	ch := l.slots.chunkAt(slot)
	if ch.expires == nil {
		ch.expires = new([chunkLen]uint32)
	}
	ch.expires[slot%chunkLen] = uint32(min(max(at, 0), 1<<32-1))
}

// secondsLeft is how long the token of a client with flagExpires is still
// good, by the wall clock, which the token's times are of.
func (l *loop) secondsLeft(slot uint32) int64 {
	return int64(l.slots.chunkAt(slot).expires[slot%chunkLen]) - l.sys.Now().Unix()
}

// meterReasons say, by meter, why a client above its limit is closed.
var meterReasons = [...]closeReason{admission.MeterMessages: closeMessageRate, admission.MeterBytes: closeByteRate}

// meter takes n out of a client's allowance. A client that has no more is closed, and
// what it still sends is ignored.
func (l *loop) meter(slot uint32, c *conn, which admission.Meter, n int) bool {
	if l.meters.Take(l.srv.admission.Rules(), slot, which, n, l.srv.now()) {
		return true
	}
	c.set(flagDeaf)
	why := meterReasons[which]
	l.exit.startClose(slot, c, why, closeFrames[why], false)
	return false
}
