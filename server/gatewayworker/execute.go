package gatewayworker

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"time"
	"unicode/utf8"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// background is the context of all verbs: none of those used waits.
var background = context.Background()

// execute does what a frame asks for, and answers it if it is a query. It is
// done when execute returns: what comes next sees it (protocol.md section 0).
func (l *innerLoop) execute(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.WorkerConnect, wire.GatewayClientConnect:
		l.count.commands[f.Command].Add(1)
		a := l.decoder.Auth(f.Body)
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
	if f.Command.Query() {
		l.answer(c, f)
		return
	}
	l.change(c, f)
}

// spoken notes that a connection has sent a whole command.
func (l *innerLoop) spoken(c *innerConn) {
	if c.silent != nil {
		l.silent.Remove(c.silent)
		c.silent = nil
	}
}

// change executes a command that is never answered, success or not.
func (l *innerLoop) change(c *innerConn, f *wire.Frame) {
	switch f.Command {
	case wire.SendToOne:
		l.push(f, server.Targets{ClientIDs: []string{l.clientID(f.ConnectionID)}}, nil)
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
		l.note(l.gateway.PutSessionBytes(background, l.clientID(f.ConnectionID), f.Ext))
	case wire.UnbindUID: // whatever uid it names
		_, err := l.gateway.Unbind(background, l.clientID(f.ConnectionID))
		l.note(err)
	case wire.BindUID:
		if name, ok := l.name(f.Ext); ok {
			_, err := l.gateway.Bind(background, server.Bind{ClientID: l.clientID(f.ConnectionID), UID: name})
			l.note(err)
		}
	case wire.JoinGroup:
		if name, ok := l.name(f.Ext); ok {
			_, err := l.gateway.Join(background, l.membership(f.ConnectionID, name))
			l.note(err)
		}
	case wire.LeaveGroup:
		if name, ok := l.name(f.Ext); ok {
			_, err := l.gateway.Leave(background, l.membership(f.ConnectionID, name))
			l.note(err)
		}
	case wire.Ungroup:
		if name, ok := l.name(f.Ext); ok {
			_, err := l.gateway.Ungroup(background, []string{name})
			l.note(err)
		}
	default: // events, which go to workers only
		l.ignore(ignoreUnknown)
	}
}

func (l *innerLoop) membership(connection uint32, group string) server.Membership {
	return server.Membership{ClientIDs: []string{l.clientID(connection)}, Groups: []string{group}}
}

// name returns the uid or group that ext holds; false for one that PHP ignores
// or that is longer than the gateway takes.
func (l *innerLoop) name(ext []byte) (string, bool) {
	switch {
	case wire.EmptyName(ext):
		l.ignore(ignoreEmpty)
		return "", false
	case len(ext) > server.MaxNameLen:
		l.ignore(ignoreName)
		return "", false
	}
	return string(ext), true
}

// clientID is the client's id at the Gateway border (protocol.md section 4).
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

// note counts why a change was not made. An unknown client is nothing special.
func (l *innerLoop) note(err error) {
	var e *server.Error
	switch {
	case err == nil:
	case !errors.As(err, &e):
		l.ignore(ignoreFailed)
	case e.Code == server.CodeUnknownClient:
		l.ignore(ignoreOffline)
	case e.Code == server.CodeSessionTooLarge:
		l.ignore(ignoreSession)
	case e.Code == server.CodeTooManyGroups:
		l.ignore(ignoreGroups)
	default:
		l.ignore(ignoreFailed)
	}
}

// push sends the frame's message. Text that is not UTF-8 goes as a binary
// message: PHP sends it as text, for which browsers close the connection.
func (l *innerLoop) push(f *wire.Frame, to server.Targets, exclude []string) {
	message, _, err := wire.Message(l.body[:0], f)
	if err != nil {
		l.ignore(ignoreBody)
		return
	}
	p := server.Push{
		To: to, ExcludeClientIDs: exclude, Payload: message,
		Raw: f.Flags&wire.FlagRaw != 0, Binary: !utf8.Valid(message),
	}
	if p.Raw && len(message) == 0 {
		return // nothing to write
	}
	// PHP has no answer for "busy": while the event loops are, those that send
	// wait, as their next commands do in the kernel.
	for wait, end := time.Millisecond, l.now().Add(busyPatience); ; wait = min(2*wait, 10*time.Millisecond) {
		_, err := l.gateway.Push(background, p)
		var e *server.Error
		if errors.As(err, &e) && e.Code == server.CodeBusy && l.now().Before(end) {
			l.count.busyWaits.Add(1)
			time.Sleep(wait)
			continue
		}
		l.note(err)
		return
	}
}

// busyPatience is how long a push waits for room before it is dropped.
const busyPatience = 2 * time.Second

func (l *innerLoop) sendToAll(f *wire.Frame) {
	b := l.decoder.SendToAll(f.Ext)
	switch {
	case b.Listed && len(b.Only) == 0:
	case b.Listed:
		// Listed twice is served twice.
		for only := range rounds(b.Only) {
			l.push(f, server.Targets{ClientIDs: l.clientIDs(only)}, nil)
		}
	default:
		l.push(f, server.Targets{All: true}, l.clientIDs(b.Exclude))
	}
}

func (l *innerLoop) sendToUIDs(f *wire.Frame) {
	for uids := range rounds(l.names(l.decoder.Keys(f.Ext))) {
		l.push(f, server.Targets{UIDs: uids}, nil)
	}
}

// sendToGroups sends to one group after another: who is in two gets two copies
// (protocol.md section 3.1).
func (l *innerLoop) sendToGroups(f *wire.Frame) {
	b := l.decoder.SendToGroup(f.Ext)
	exclude := l.clientIDs(b.Exclude)
	for _, group := range l.names(b.Groups) {
		l.push(f, server.Targets{Groups: []string{group}}, exclude)
	}
}

// names returns those that can be a uid or group here; others match nobody.
func (l *innerLoop) names(keys [][]byte) []string {
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		if len(key) >= 1 && len(key) <= server.MaxNameLen {
			names = append(names, string(key))
		}
	}
	return names
}

// rounds cuts a list so that none of its parts has a value twice, and all parts
// together every value as often as the list: one push serves nobody twice.
func rounds[T comparable](list []T) func(func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			seen := make(map[T]struct{}, len(list))
			var part, rest []T
			for _, v := range list {
				if _, ok := seen[v]; ok {
					rest = append(rest, v)
					continue
				}
				seen[v] = struct{}{}
				part = append(part, v)
			}
			if !yield(part) {
				return
			}
			list = rest
		}
	}
}

// updateSession merges ext into the client's session (protocol.md section 5.4).
// The inner loop is the only one that changes sessions, so that reading and
// writing it are one step.
func (l *innerLoop) updateSession(f *wire.Frame) {
	id := l.clientID(f.ConnectionID)
	old, online, err := l.gateway.SessionBytes(background, id)
	if err != nil || !online {
		l.ignore(ignoreOffline)
		return
	}
	merged, err := wire.MergeSession(nil, []byte(old), f.Ext, 2*server.MaxSessionBytes)
	if err != nil {
		l.ignore(ignoreSession)
		return
	}
	l.note(l.gateway.PutSessionBytes(background, id, merged))
}
