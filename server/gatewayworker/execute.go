package gatewayworker

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"time"
	"unsafe"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// background is the context of all verbs: none of those used here blocks.
var background = context.Background()

// commands is the part of the inner loop that does at the gateway what a frame asks for
// (sending.go, kick.go), and says what the gateway knows (answer.go).
type commands struct {
	loop      *innerLoop
	gateway   Gateway
	at        *job                     // the current command
	inline    job                      // for commands that are done at once
	prefix    string                   // of client ids
	refusedAt [ignoreReasons]time.Time // time of the last log line for each reason
}

// newCommands returns the part for a gateway whose client ids begin with prefix.
func newCommands(l *innerLoop, prefix string) commands {
	return commands{loop: l, prefix: prefix, inline: job{Context: background, loop: l}}
}

// serves gives the part the server for which it carries commands out.
func (cmd *commands) serves(gw Gateway) {
	cmd.gateway, cmd.at = gw, &cmd.inline
	cmd.inline.decoder.Pace = cmd.inline.passed
}

// wake makes the server's event loops take up what commands have posted.
func (cmd *commands) wake() { cmd.gateway.Wake() }

// spend takes steps from what the current command may take in this turn.
func (cmd *commands) spend(steps int) { cmd.at.step(steps) }

// turnTo makes j the current command and returns the one before.
func (cmd *commands) turnTo(j *job) (before *job) {
	before, cmd.at = cmd.at, j
	return before
}

// sessionLen is the size of a client's session in bytes.
func (cmd *commands) sessionLen(connectionID uint32) int {
	session, _, _ := cmd.gateway.SessionBytes(background, cmd.clientID(connectionID))
	return len(session)
}

// execute executes a frame's command, and answers it if it is a query. When it
// returns, the command is done and the next one sees its effect
// (docs/gatewayworker-protocol.md section 0), unless it takes too long: see job.
func (cmd *commands) execute(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.WorkerConnect, wire.GatewayClientConnect:
		cmd.loop.count.commands[f.Command].Add(1)
		a := cmd.at.decoder.Auth(f.Body)
		if a.SecretKey == nil || subtle.ConstantTimeCompare(a.SecretKey, []byte(cmd.loop.cfg.Secret)) != 1 {
			cmd.refuse(c)
			return
		}
		c.authorized = true
		cmd.loop.connections.spoken(c)
		if f.Command == wire.WorkerConnect {
			cmd.loop.delivery.attach(c, a.WorkerKey)
		}
		return
	}
	if !c.authorized {
		cmd.refuse(c)
		return
	}
	cmd.loop.connections.spoken(c)
	if !f.Command.Known() || f.Command == wire.Ping {
		cmd.ignore(ignoreUnknown)
		return
	}
	cmd.loop.count.commands[f.Command].Add(1)
	cmd.loop.execution.perform(c, f)
}

// obey executes a command of an authorized connection.
func (cmd *commands) obey(c *innerConn, f *wire.Frame) {
	if f.Command.Query() {
		cmd.answer(c, f)
		return
	}
	cmd.change(c, f)
}

// change executes a command that is never answered, whether it succeeds or not.
func (cmd *commands) change(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.SendToOne:
		if m, ok := cmd.message(f); ok {
			cmd.push(&m, nil, gateway.Targets{ClientIDs: []string{cmd.clientID(f.ConnectionID)}})
		}
	case wire.SendToAll:
		cmd.sendToAll(f)
	case wire.SendToUID:
		cmd.sendToUIDs(f)
	case wire.SendToGroup:
		cmd.sendToGroups(f)
	case wire.Kick:
		cmd.kick(c, f)
	case wire.Destroy:
		cmd.abort(c, f.ConnectionID)
	case wire.UpdateSession:
		cmd.updateSession(f)
	case wire.SetSession:
		cmd.noteChange(f, cmd.gateway.PutSessionBytes(background, cmd.clientID(f.ConnectionID), f.Ext))
	case wire.UnbindUID: // whatever uid it names
		_, err := cmd.gateway.Unbind(background, cmd.clientID(f.ConnectionID))
		cmd.noteChange(f, err)
	case wire.BindUID:
		cmd.bind(f)
	case wire.JoinGroup:
		if name, ok := cmd.name(f); ok {
			_, err := cmd.gateway.Join(background, cmd.membership(f.ConnectionID, name))
			cmd.noteChange(f, err)
		}
	case wire.LeaveGroup:
		if name, ok := cmd.name(f); ok {
			_, err := cmd.gateway.Leave(background, cmd.membership(f.ConnectionID, name))
			cmd.noteChange(f, err)
		}
	case wire.Ungroup:
		if name, ok := cmd.name(f); ok {
			cmd.ungroup(name)
		}
	default: // events, which only workers receive
		cmd.ignore(ignoreUnknown)
	}
}

func (cmd *commands) membership(connection uint32, group string) gateway.Membership {
	return gateway.Membership{ClientIDs: []string{cmd.clientID(connection)}, Groups: []string{group}}
}

// bind gives a client a uid. If the uid is too long the client has none afterwards:
// it must not go on under its previous uid.
func (cmd *commands) bind(f *wire.Frame) {
	id := cmd.clientID(f.ConnectionID)
	name, ok := cmd.name(f)
	switch {
	case ok:
		_, err := cmd.gateway.Bind(background, gateway.Bind{ClientID: id, UID: name})
		cmd.noteChange(f, err)
	case len(f.Ext) > gateway.MaxPeerNameLen:
		_, _ = cmd.gateway.Unbind(background, id)
	}
}

// name returns the uid or group of a command. It returns false for a name that PHP
// ignores or that is too long for the gateway.
func (cmd *commands) name(f *wire.Frame) (string, bool) {
	switch {
	case wire.EmptyName(f.Ext):
		cmd.ignore(ignoreEmpty)
		return "", false
	case len(f.Ext) > gateway.MaxPeerNameLen:
		cmd.refuseChange(f, ignoreName)
		return "", false
	}
	return string(f.Ext), true
}

// clientID is the id by which package gateway knows the client
// (docs/gatewayworker-protocol.md section 4).
func (cmd *commands) clientID(connection uint32) string {
	b := [4]byte{byte(connection >> 24), byte(connection >> 16), byte(connection >> 8), byte(connection)}
	return cmd.prefix + hex.EncodeToString(b[:])
}

func (cmd *commands) clientIDs(connections []uint32) []string {
	ids := make([]string, len(connections))
	for i, c := range connections {
		ids[i] = cmd.clientID(c)
	}
	return ids
}

func (cmd *commands) ignore(why ignoreReason) { cmd.loop.count.ignored[why].Add(1) }

// note counts why a change was not made. An unknown client is normal.
func (cmd *commands) note(err error) {
	if err != nil {
		cmd.ignore(ignoredFor(err))
	}
}

// noteChange is note for a change of one client. It also logs if a limit of ours
// prevented the change: PHP has no such limits and gets no answer.
func (cmd *commands) noteChange(f *wire.Frame, err error) {
	switch why := ignoredFor(err); {
	case err == nil:
	case why == ignoreSession || why == ignoreGroups:
		cmd.refuseChange(f, why)
	default:
		cmd.ignore(why)
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
func (cmd *commands) refuseChange(f *wire.Frame, why ignoreReason) {
	cmd.ignore(why)
	now := cmd.loop.now()
	if last := cmd.refusedAt[why]; !last.IsZero() && now.Sub(last) < warnEvery {
		return
	}
	cmd.refusedAt[why] = now
	cmd.loop.log.Warn("refused a command of PHP", "command", f.Command.String(), "reason", ignoreNames[why],
		"client_id", cmd.clientID(f.ConnectionID), "bytes", len(f.Ext), "limit", refusedLimits[why])
}

// refusedLimits are the limits in the log lines of refuseChange.
var refusedLimits = [ignoreReasons]int{
	ignoreName: gateway.MaxPeerNameLen, ignoreSession: gateway.MaxSessionBytes, ignoreGroups: gateway.MaxGroupsPerClient,
}

// ungroup removes all members of a group; clients that join meanwhile stay.
func (cmd *commands) ungroup(name string) {
	if _, err := cmd.gateway.Ungroup(cmd.at, []string{name}); !cmd.at.dead {
		cmd.note(err)
	}
}

// updateSession merges ext into the client's session
// (docs/gatewayworker-protocol.md section 5.4). Only the inner loop changes
// sessions. If the session has changed while a long update had given way, the
// update starts again with the new session.
func (cmd *commands) updateSession(f *wire.Frame) {
	id := cmd.clientID(f.ConnectionID)
	for {
		old, online, err := cmd.gateway.SessionBytes(background, id)
		if err != nil || !online {
			cmd.ignore(ignoreOffline)
			return
		}
		// A session of megabytes is not copied to be read.
		stored := unsafe.Slice(unsafe.StringData(old), len(old))
		merged, err := cmd.at.decoder.MergeSession(nil, stored, f.Ext, gateway.MaxSessionBytes+1<<20)
		if cmd.at.dead {
			return
		}
		if err != nil {
			cmd.refuseChange(f, ignoreSession)
			return
		}
		if now, _, _ := cmd.gateway.SessionBytes(background, id); now != old {
			continue
		}
		cmd.noteChange(f, cmd.gateway.PutSessionBytes(background, id, merged))
		return
	}
}
