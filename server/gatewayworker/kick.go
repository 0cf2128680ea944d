package gatewayworker

import (
	"log/slog"
	"unicode/utf8"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

// auditKey stands for the key in audit records: PHP has a single secret.
const auditKey = "gatewayworker"

// kick closes a client after its queued data and the message, if there is one: null
// means no message, an empty string an empty message.
func (l *innerLoop) kick(c *innerConn, f *wire.Frame) {
	message, null, err := l.at.decoder.Message(l.at.body[:0], f)
	if l.at.dead {
		return
	}
	if err != nil {
		l.ignore(ignoreBody)
		return
	}
	id := l.clientID(f.ConnectionID)
	if null {
		n, err := l.gateway.Kick(background, gateway.Kick{To: gateway.Targets{ClientIDs: []string{id}}})
		l.kicked(c, id, false, n > 0, err)
		return
	}
	found, err := l.gateway.Dismiss(background, id, gateway.Message{Payload: message, Binary: !utf8.Valid(message)})
	l.kicked(c, id, false, found, err)
}

// abort ends a client at once. c is nil if no command asked for it.
func (l *innerLoop) abort(c *innerConn, connection uint32) {
	id := l.clientID(connection)
	found, err := l.gateway.Abort(background, id)
	l.kicked(c, id, true, found, err)
}

// kicked records the result of a kick that c has asked for.
func (l *innerLoop) kicked(c *innerConn, id string, abort, found bool, err error) {
	l.note(err)
	switch {
	case err != nil:
	case !found:
		l.ignore(ignoreOffline)
	case c != nil && l.audit.On():
		l.audit.Write(slog.LevelInfo, "kick", auditKey, c.peer.String(),
			slog.Any("client_ids", audit.List([]string{id})), slog.Bool("abort", abort), slog.Int("kicked", 1))
	}
}

// refuse ends a connection that has not sent the key.
func (l *innerLoop) refuse(c *innerConn) {
	if l.audit.On() {
		l.audit.Refused("-", c.peer.String(), slog.String("request", auditKey), slog.String("code", closeNames[closeUnauthorized]))
	}
	l.close(c, closeUnauthorized)
}
