package server

import (
	"bytes"
	"strings"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/token"
)

// The loop's part in Config.Hook: it has somebody asked about a request that is
// good, off the loop, and does what is decided. Meanwhile the connection is in phase
// connVerifying, and its handshake-timeout goes on.

// hooked tells whether a request has yet to be asked about. If so, that is done.
func (e *entrance) hooked(slot uint32, c *conn, r request, id *token.Identity) bool {
	hook := e.loop.srv.config.Hook
	if hook == nil || r.asked {
		return false
	}
	client := e.loop.handle(slot, c)
	q := gateway.ConnectQuery{Head: r.head, Remote: e.loop.srv.registry.address(client)}
	if id != nil {
		q.UID, q.Groups = id.UID, id.Groups
	}
	held := request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer), asked: true}
	l := e.loop
	if !hook.Ask(&q, func(v gateway.ConnectVerdict) { e.onVerdict(client, held, id, v) }) {
		r.asked = true
		e.decided(slot, c, r, id, hook.Busy())
		return true
	}
	c.state = connVerifying
	if len(r.rest) > 0 {
		l.heads.keep(slot, c, r.rest)
	}
	return true
}

// onVerdict has the loop go on with a connection, in the turn of its own that many
// groups take. Any goroutine.
func (e *entrance) onVerdict(client table.Handle, held request, id *token.Identity, v gateway.ConnectVerdict) {
	e.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
		groups := len(v.Groups)
		if id != nil {
			groups += len(id.Groups)
		}
		if groups < manyGroups {
			l.entrance.verdictCame(client, held, id, v)
			return
		}
		l.entrance.later(func() { l.entrance.verdictCame(client, held, id, v) })
	}})
}

// verdictCame goes on with a connection that was decided on.
func (e *entrance) verdictCame(client table.Handle, r request, id *token.Identity, v gateway.ConnectVerdict) {
	slot := client.Slot()
	l := e.loop
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
	e.decided(slot, c, r, id, v)
}

// decided lets a connection in or refuses it.
func (e *entrance) decided(slot uint32, c *conn, r request, id *token.Identity, v gateway.ConnectVerdict) {
	if v.Status != 0 {
		e.refuseHooked(slot, c, &v)
		return
	}
	if v.UID != "" || len(v.Groups) > 0 {
		both := token.Identity{}
		if id != nil {
			both = *id
		}
		if v.UID != "" {
			both.UID = v.UID
		}
		both.Groups = append(append([]string(nil), both.Groups...), v.Groups...)
		id = &both
	}
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
	e.loop.srv.registry.lookup(e.loop.handle(slot, c), func(cl *client) { cl.keep().json = session })
}
