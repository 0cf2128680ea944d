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
func (cmd *commands) kick(c *innerConn, f *wire.Frame) {
	message, null, err := cmd.at.decoder.Message(cmd.at.body[:0], f)
	if cmd.at.dead {
		return
	}
	if err != nil {
		cmd.ignore(ignoreBody)
		return
	}
	id := cmd.clientID(f.ConnectionID)
	if null {
		n, err := cmd.gateway.Kick(background, gateway.Kick{To: gateway.Targets{ClientIDs: []string{id}}})
		cmd.kicked(c, id, false, n > 0, err)
		return
	}
	found, err := cmd.gateway.Dismiss(background, id, gateway.Message{Payload: message, Binary: !utf8.Valid(message)})
	cmd.kicked(c, id, false, found, err)
}

// abort ends a client at once. c is nil if no command asked for it.
func (cmd *commands) abort(c *innerConn, connection uint32) {
	id := cmd.clientID(connection)
	found, err := cmd.gateway.Abort(background, id)
	cmd.kicked(c, id, true, found, err)
}

// kicked records the result of a kick that c has asked for.
func (cmd *commands) kicked(c *innerConn, id string, abort, found bool, err error) {
	cmd.note(err)
	switch {
	case err != nil:
	case !found:
		cmd.ignore(ignoreOffline)
	case c != nil && cmd.loop.audit.On():
		cmd.loop.audit.Write(slog.LevelInfo, "kick", auditKey, c.peer.String(),
			slog.Any("client_ids", audit.List([]string{id})), slog.Bool("abort", abort), slog.Int("kicked", 1))
	}
}

// refuse ends a connection that has not sent the key.
func (cmd *commands) refuse(c *innerConn) {
	if cmd.loop.audit.On() {
		cmd.loop.audit.Refused("-", c.peer.String(), slog.String("request", auditKey), slog.String("code", closeNames[closeUnauthorized]))
	}
	cmd.loop.close(c, closeUnauthorized)
}
