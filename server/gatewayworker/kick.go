package gatewayworker

import (
	"log/slog"
	"unicode/utf8"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/internal/audit"
)

// auditKey stands for the key in records: PHP has one secret for all.
const auditKey = "gatewayworker"

// kick closes a client after what waits for it and the message, if there is
// one: null means none, an empty string an empty message.
func (l *innerLoop) kick(c *innerConn, f *wire.Frame) {
	message, null, err := l.at.decoder.Message(l.at.body[:0], f)
	if l.at.dead {
		return
	}
	if err != nil {
		l.ignore(ignoreBody)
		return
	}
	k := server.Kick{}
	if !null {
		k.Text, k.SendText, k.Binary = string(message), true, !utf8.Valid(message)
	}
	l.end(c, f.ConnectionID, k)
}

// abort ends a client at once. c is nil if nobody asked for it.
func (l *innerLoop) abort(c *innerConn, connection uint32) {
	l.end(c, connection, server.Kick{Abort: true})
}

func (l *innerLoop) end(c *innerConn, connection uint32, k server.Kick) {
	k.To.ClientIDs = []string{l.clientID(connection)}
	n, err := l.gateway.Kick(background, k)
	l.note(err)
	switch {
	case err != nil:
	case n == 0:
		l.ignore(ignoreOffline)
	case c != nil && l.audit.On():
		l.audit.Write(slog.LevelInfo, "kick", auditKey, c.peer.String(),
			slog.Any("client_ids", audit.List(k.To.ClientIDs)), slog.Bool("abort", k.Abort), slog.Int("kicked", n))
	}
}

// refuse ends a connection that has not named the key.
func (l *innerLoop) refuse(c *innerConn) {
	if l.audit.On() {
		l.audit.Refused("-", c.peer.String(), slog.String("request", auditKey), slog.String("code", closeNames[closeUnauthorized]))
	}
	l.close(c, closeUnauthorized)
}
