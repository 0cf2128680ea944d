package gatewayworker

import (
	"errors"
	"time"
	"unicode/utf8"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// message is the push of the frame's message, without whom it is for; false if
// there is nothing to send. Text that is not UTF-8 goes as a binary message: PHP
// sends it as text, for which browsers close the connection.
func (l *innerLoop) message(f *wire.Frame) (p server.Push, ok bool) {
	message, _, err := l.at.decoder.Message(l.at.body[:0], f)
	switch {
	case l.at.dead:
		return p, false
	case err != nil:
		l.ignore(ignoreBody)
		return p, false
	}
	p.Payload, p.Raw, p.Later = message, f.Flags&wire.FlagRaw != 0, true
	p.Binary = !utf8.Valid(message)
	return p, !p.Raw || len(message) > 0
}

// push sends a message, and waits for room at the event loops: PHP has no answer for
// "busy". A job waits by itself. Else all wait, as what comes next has to come later.
// False tells that no more need be sent.
func (l *innerLoop) push(p *server.Push) bool {
	for wait, end := time.Millisecond, l.now().Add(busyPatience); !l.at.dead; wait = min(2*wait, 10*time.Millisecond) {
		_, err := l.gateway.Push(l.at, *p)
		var e *server.Error
		if !errors.As(err, &e) || e.Code != server.CodeBusy || !l.now().Before(end) {
			if !l.at.dead {
				l.note(err)
			}
			return err == nil
		}
		l.count.busyWaits.Add(1)
		l.gateway.Wake()
		if l.at.yield != nil {
			l.at.pause()
		} else {
			time.Sleep(wait)
		}
	}
	return false
}

// busyPatience is how long a push waits for room before it is dropped.
const busyPatience = 2 * time.Second

// partLen is how many names or ids a push of many has.
const partLen = 256

// parts sends a message to many: the names or ids of a list are collected until
// there are partLen of them, and pushed. Who is named twice is served twice
// (docs/gatewayworker-protocol.md section 3).
type parts struct {
	loop  *innerLoop
	push  *server.Push
	named *[]string // in push.To
}

// add takes one more and tells whether to go on.
func (p *parts) add(name string) bool {
	*p.named = append(*p.named, name)
	return len(*p.named) < partLen || p.send(true)
}

// send pushes what has been collected. One name that is all there is needs no series.
func (p *parts) send(more bool) bool {
	n := len(*p.named)
	if n == 0 {
		return true
	}
	if p.push.Series == nil && (more || n > 1) {
		p.push.Series = new(server.Series)
	}
	ok := p.loop.push(p.push) && p.loop.at.step(n)
	*p.named = (*p.named)[:0]
	return ok
}

func (l *innerLoop) sendToAll(f *wire.Frame) {
	b := l.at.decoder.SendToAll(f.Ext)
	if l.at.dead {
		return
	}
	p, ok := l.message(f)
	switch {
	case !ok:
	case b.Listed:
		parts := parts{l, &p, &p.To.ClientIDs}
		b.Only.EachID(func(id uint32) bool { return parts.add(l.clientID(id)) })
		parts.send(false)
	default:
		l.exclude(&p, b.Exclude)
		p.To.All = true
		l.push(&p)
	}
}

func (l *innerLoop) sendToUIDs(f *wire.Frame) {
	if uids := l.at.decoder.List(f.Ext); !l.at.dead {
		if p, ok := l.message(f); ok {
			l.sendToNames(&p, &p.To.UIDs, uids)
		}
	}
}

// sendToGroups sends to all members of each group: who is in two gets two
// copies (docs/gatewayworker-protocol.md section 3.1).
func (l *innerLoop) sendToGroups(f *wire.Frame) {
	b := l.at.decoder.SendToGroup(f.Ext)
	if l.at.dead {
		return
	}
	if p, ok := l.message(f); ok {
		l.exclude(&p, b.Exclude)
		l.sendToNames(&p, &p.To.Groups, b.Groups)
	}
}

// sendToNames sends to those of a list that can be uids or groups here; others match
// nobody.
func (l *innerLoop) sendToNames(p *server.Push, named *[]string, list wire.List) {
	parts := parts{l, p, named}
	list.Each(func(key []byte) bool {
		return len(key) < 1 || len(key) > server.MaxPeerNameLen || parts.add(string(key))
	})
	parts.send(false)
}

// exclude leaves clients out of a push, or of all pushes of one series.
func (l *innerLoop) exclude(p *server.Push, connections []uint32) {
	if len(connections) > 0 {
		p.ExcludeClientIDs, p.Series = l.clientIDs(connections), new(server.Series)
	}
}
