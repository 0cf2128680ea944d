package gatewayworker

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"unsafe"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// background is the context of all verbs: none of those used here blocks.
var background = context.Background()

// execute executes a frame's command, and answers it if it is a query. When it
// returns, the command is done and the next one sees its effect
// (docs/gatewayworker-protocol.md section 0), unless it takes too long: see job.
func (l *innerLoop) execute(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.WorkerConnect, wire.GatewayClientConnect:
		l.count.commands[f.Command].Add(1)
		a := l.at.decoder.Auth(f.Body)
		if a.SecretKey == nil || subtle.ConstantTimeCompare(a.SecretKey, []byte(l.cfg.Secret)) != 1 {
			l.refuse(c)
			return
		}
		c.authorized = true
		l.spoken(c)
		if f.Command == wire.WorkerConnect {
			l.attach(c, a.WorkerKey)
		}
		return
	}
	if !c.authorized {
		l.refuse(c)
		return
	}
	l.spoken(c)
	if !f.Command.Known() || f.Command == wire.Ping {
		l.ignore(ignoreUnknown)
		return
	}
	l.count.commands[f.Command].Add(1)
	l.perform(c, f)
}

// obey executes a command of an authorized connection.
func (l *innerLoop) obey(c *innerConn, f *wire.Frame) {
	if f.Command.Query() {
		l.answer(c, f)
		return
	}
	l.change(c, f)
}

// spoken records that a connection has sent a complete command.
func (l *innerLoop) spoken(c *innerConn) {
	if c.silent != nil {
		l.silent.Remove(c.silent)
		c.silent = nil
	}
}

// change executes a command that is never answered, whether it succeeds or not.
func (l *innerLoop) change(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.SendToOne:
		if m, ok := l.message(f); ok {
			l.push(&m, nil, gateway.Targets{ClientIDs: []string{l.clientID(f.ConnectionID)}})
		}
	case wire.SendToAll:
		l.sendToAll(f)
	case wire.SendToUID:
		l.sendToUIDs(f)
	case wire.SendToGroup:
		l.sendToGroups(f)
	case wire.Kick:
		l.kick(c, f)
	case wire.Destroy:
		l.abort(c, f.ConnectionID)
	case wire.UpdateSession:
		l.updateSession(f)
	case wire.SetSession:
		l.noteChange(f, l.gateway.PutSessionBytes(background, l.clientID(f.ConnectionID), f.Ext))
	case wire.UnbindUID: // whatever uid it names
		_, err := l.gateway.Unbind(background, l.clientID(f.ConnectionID))
		l.noteChange(f, err)
	case wire.BindUID:
		l.bind(f)
	case wire.JoinGroup:
		if name, ok := l.name(f); ok {
			_, err := l.gateway.Join(background, l.membership(f.ConnectionID, name))
			l.noteChange(f, err)
		}
	case wire.LeaveGroup:
		if name, ok := l.name(f); ok {
			_, err := l.gateway.Leave(background, l.membership(f.ConnectionID, name))
			l.noteChange(f, err)
		}
	case wire.Ungroup:
		if name, ok := l.name(f); ok {
			l.ungroup(name)
		}
	default: // events, which only workers receive
		l.ignore(ignoreUnknown)
	}
}

func (l *innerLoop) membership(connection uint32, group string) gateway.Membership {
	return gateway.Membership{ClientIDs: []string{l.clientID(connection)}, Groups: []string{group}}
}

// bind gives a client a uid. If the uid is too long the client has none afterwards:
// it must not go on under its previous uid.
func (l *innerLoop) bind(f *wire.Frame) {
	id := l.clientID(f.ConnectionID)
	name, ok := l.name(f)
	switch {
	case ok:
		_, err := l.gateway.Bind(background, gateway.Bind{ClientID: id, UID: name})
		l.noteChange(f, err)
	case len(f.Ext) > gateway.MaxPeerNameLen:
		_, _ = l.gateway.Unbind(background, id)
	}
}

// name returns the uid or group of a command. It returns false for a name that PHP
// ignores or that is too long for the gateway.
func (l *innerLoop) name(f *wire.Frame) (string, bool) {
	switch {
	case wire.EmptyName(f.Ext):
		l.ignore(ignoreEmpty)
		return "", false
	case len(f.Ext) > gateway.MaxPeerNameLen:
		l.refuseChange(f, ignoreName)
		return "", false
	}
	return string(f.Ext), true
}

// clientID is the id by which package gateway knows the client
// (docs/gatewayworker-protocol.md section 4).
func (l *innerLoop) clientID(connection uint32) string {
	b := [4]byte{byte(connection >> 24), byte(connection >> 16), byte(connection >> 8), byte(connection)}
	return l.prefix + hex.EncodeToString(b[:])
}

func (l *innerLoop) clientIDs(connections []uint32) []string {
	ids := make([]string, len(connections))
	for i, c := range connections {
		ids[i] = l.clientID(c)
	}
	return ids
}

func (l *innerLoop) ignore(why ignoreReason) { l.count.ignored[why].Add(1) }

// note counts why a change was not made. An unknown client is normal.
func (l *innerLoop) note(err error) {
	if err != nil {
		l.ignore(ignoredFor(err))
	}
}

// noteChange is note for a change of one client. It also logs if a limit of ours
// prevented the change: PHP has no such limits and gets no answer.
func (l *innerLoop) noteChange(f *wire.Frame, err error) {
	switch why := ignoredFor(err); {
	case err == nil:
	case why == ignoreSession || why == ignoreGroups:
		l.refuseChange(f, why)
	default:
		l.ignore(why)
	}
}

func ignoredFor(err error) ignoreReason {
	var e *gateway.Error
	if errors.As(err, &e) {
		switch e.Code {
		case gateway.CodeUnknownClient:
			return ignoreOffline
		case gateway.CodeSessionTooLarge:
			return ignoreSession
		case gateway.CodeTooManyGroups:
			return ignoreGroups
		}
	}
	return ignoreFailed
}

// refuseChange counts a change that a limit forbids, and logs it at intervals.
func (l *innerLoop) refuseChange(f *wire.Frame, why ignoreReason) {
	l.ignore(why)
	now := l.now()
	if last := l.refusedAt[why]; !last.IsZero() && now.Sub(last) < warnEvery {
		return
	}
	l.refusedAt[why] = now
	l.log.Warn("refused a command of PHP", "command", f.Command.String(), "reason", ignoreNames[why],
		"client_id", l.clientID(f.ConnectionID), "bytes", len(f.Ext), "limit", refusedLimits[why])
}

// refusedLimits are the limits in the log lines of refuseChange.
var refusedLimits = [ignoreReasons]int{
	ignoreName: gateway.MaxPeerNameLen, ignoreSession: gateway.MaxSessionBytes, ignoreGroups: gateway.MaxGroupsPerClient,
}

// ungroup removes all members of a group; clients that join meanwhile stay.
func (l *innerLoop) ungroup(name string) {
	if _, err := l.gateway.Ungroup(l.at, []string{name}); !l.at.dead {
		l.note(err)
	}
}

// updateSession merges ext into the client's session
// (docs/gatewayworker-protocol.md section 5.4). Only the inner loop changes
// sessions. If the session has changed while a long update had given way, the
// update starts again with the new session.
func (l *innerLoop) updateSession(f *wire.Frame) {
	id := l.clientID(f.ConnectionID)
	for {
		old, online, err := l.gateway.SessionBytes(background, id)
		if err != nil || !online {
			l.ignore(ignoreOffline)
			return
		}
		// A session of megabytes is not copied to be read.
		stored := unsafe.Slice(unsafe.StringData(old), len(old))
		merged, err := l.at.decoder.MergeSession(nil, stored, f.Ext, gateway.MaxSessionBytes+1<<20)
		if l.at.dead {
			return
		}
		if err != nil {
			l.refuseChange(f, ignoreSession)
			return
		}
		if now, _, _ := l.gateway.SessionBytes(background, id); now != old {
			continue
		}
		l.noteChange(f, l.gateway.PutSessionBytes(background, id, merged))
		return
	}
}
