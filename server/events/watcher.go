package events

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"castgate/server/gateway"
)

// What is kept of a request.
const (
	mostPath  = 2048
	mostQuery = 2048
	mostAgent = 512
)

// Connected implements gateway.Watcher.
func (e *Events) Connected(c *gateway.Watched, request []byte) bool {
	h := e.happening(Connected, c)
	h.path, h.query, h.agent = requestParts(request, *e.tokenQuery.Load())
	if !e.inbox.put(&h) {
		e.count.untold.Add(1)
		return false
	}
	return true
}

// Bound implements gateway.Watcher.
func (e *Events) Bound(c *gateway.Watched, previous string) {
	h := e.happening(Bound, c)
	h.previous = previous
	e.inbox.put(&h)
}

// Unbound implements gateway.Watcher.
func (e *Events) Unbound(c *gateway.Watched, previous string) {
	h := e.happening(Unbound, c)
	h.previous = previous
	e.inbox.put(&h)
}

// Disconnected implements gateway.Watcher. It finds room always, if need be for its
// reason only.
func (e *Events) Disconnected(c *gateway.Watched, end *gateway.End) {
	e.held.forget(c.Key)
	h := e.happening(Disconnected, c)
	h.reason, h.code, h.traffic, h.lastOfUID = end.Reason, end.Code, end.Traffic, end.LastOfUID
	e.inbox.put(&h)
}

// Message implements gateway.Watcher. A message for which there is no room is not
// lost in silence: the client is not read any more, or closed.
func (e *Events) Message(c *gateway.Watched, binary bool, payload []byte) gateway.Taking {
	if len(payload) > mostMessage {
		e.count.refused.Add(1)
		return gateway.RefusedLarge
	}
	n := messageRoom(c, binary, payload)
	if n > e.room.most() {
		e.count.refused.Add(1)
		return gateway.RefusedLarge
	}
	free, full := e.inbox.roomFor(c.Key, len(payload))
	if !free {
		e.count.refused.Add(1)
		return gateway.RefusedFull
	}
	ok, filled := e.room.reserve(n, e.inboxBytes(), e.config.HoldMessages)
	if !ok {
		e.count.refused.Add(1)
		return gateway.RefusedFull
	}
	h := happening{kind: Message, key: c.Key, at: e.now().UnixMicro(), id: c.ID, uid: c.UID, binary: binary, payload: slices.Clone(payload), room: n}
	if !e.inbox.put(&h) {
		e.room.release(n)
		e.count.refused.Add(1)
		return gateway.RefusedFull
	}
	if e.config.HoldMessages && (full || filled) && e.held.add(c.Key) {
		e.count.holds.Add(1)
		return gateway.TakenEnough
	}
	return gateway.Taken
}

// mostMessage is the longest message that can be an event: as base64 it must fit
// into a record.
const mostMessage = 32 << 20

func (e *Events) happening(kind Type, c *gateway.Watched) happening {
	return happening{
		kind: kind, key: c.Key, at: e.now().UnixMicro(), connectedAt: c.ConnectedAt.UnixMicro(), id: c.ID, uid: c.UID,
		groups: slices.Clone(c.Groups), groupCount: c.GroupCount, session: c.Session, remote: c.Remote,
	}
}

// requestParts reads path, query and user agent of a request head. The parameter
// that holds a token is taken out.
func requestParts(head []byte, token string) (path, query, agent string) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	_, target, _ := bytes.Cut(line, []byte{' '})
	target, _, _ = bytes.Cut(target, []byte{' '})
	p, q, _ := bytes.Cut(target, []byte{'?'})
	path, query = clip(p, mostPath), withoutToken(clip(q, mostQuery), token)
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if name, value, ok := bytes.Cut(line, []byte{':'}); ok && bytes.EqualFold(name, []byte("user-agent")) {
			return path, query, clip(bytes.TrimSpace(value), mostAgent)
		}
	}
	return path, query, ""
}

func clip(b []byte, most int) string {
	return strings.ToValidUTF8(string(b[:min(len(b), most)]), "\uFFFD")
}

// withoutToken takes a parameter out of a query.
func withoutToken(query, token string) string {
	if token == "" || query == "" {
		return query
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && plain == token {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}

// inboxBytes is how much has not been written yet, if it is much.
func (e *Events) inboxBytes() int64 {
	if !e.count.stuck.Load() {
		return 0
	}
	return int64(e.inbox.waiting())
}

// release has the clients read again that are held, once there is room. The
// journal's goroutine.
func (e *Events) release() {
	if !e.room.ample() {
		return
	}
	if keys := e.held.take(); len(keys) > 0 {
		if host := e.host.Load(); host != nil {
			(*host).ResumeKeys(keys)
		}
	}
}

// Host is what the server does for Events.
type Host interface {
	// ResumeKeys has clients read again of which Message has said TakenEnough.
	ResumeKeys(keys []uint64)
}

// Attach gives Events the server that it watches. Any goroutine, before Start.
func (e *Events) Attach(h Host) { e.host.Store(&h) }
