package server

import (
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// The life of clients, as Config.Watchers are told of it. Whoever changes what a
// client is tells of it under the client's lock: so all is said in order, and the
// end last. While nobody watches, each of these costs a look at a length.

// maxWatchers is how many there may be: client.watched has a bit for each.
const maxWatchers = 8

// lives is what a loop tells watchers of its clients.
type lives struct {
	loop    *loop
	watched bool // there are watchers
}

// exchanged counts the messages of a watched client.
type exchanged struct{ in, out uint32 }

// watched makes what watchers are told of a client, whose lock the caller holds.
func (r *registry) watched(h table.Handle, c *client) gateway.Watched {
	w := gateway.Watched{
		Key: uint64(h), ID: string(r.ids.Append(nil, h, c.connection)), GroupCount: c.groups.len(),
		Remote: netip.AddrPortFrom(netip.AddrFrom16(c.addr).Unmap(), c.port), ConnectedAt: time.UnixMilli(c.connectedAt),
	}
	if c.uid != nil {
		w.UID = c.uid.Name()
	}
	if c.session != nil {
		w.Session = c.session.json
	}
	if n := min(w.GroupCount, gateway.MaxWatchedGroups); n > 0 {
		w.Groups = make([]string, 0, n)
		c.groups.each(func(e *table.Entry) {
			if len(w.Groups) < n {
				w.Groups = append(w.Groups, e.Name())
			}
		})
	}
	return w
}

// introduce tells watchers of a new client.
func (v *lives) introduce(slot uint32, c *conn, request []byte) {
	r := v.loop.srv.registry
	if len(r.watchers) == 0 {
		return
	}
	ch, h := v.loop.slots.chunkAt(slot), v.loop.handle(slot, c)
	if ch.tallies == nil {
		ch.tallies = new([chunkLen]exchanged)
	}
	ch.tallies[slot%chunkLen] = exchanged{}
	r.lookup(h, func(cl *client) {
		w := r.watched(h, cl)
		for i, watcher := range r.watchers {
			if watcher.Connected(&w, request) {
				cl.watched |= 1 << i
			}
		}
	})
}

// eachWatcher calls do with those who were told of a client, whose lock the caller
// holds.
func (r *registry) eachWatcher(h table.Handle, c *client, do func(gateway.Watcher, *gateway.Watched)) {
	if c.watched == 0 {
		return
	}
	w := r.watched(h, c)
	for i, watcher := range r.watchers {
		if c.watched>>i&1 == 1 {
			do(watcher, &w)
		}
	}
}

// tellBound tells that a client has another uid than previous. The caller holds its
// lock.
func (r *registry) tellBound(h table.Handle, c *client, previous string) {
	r.watchBound(h, c, previous)
	if c.watched != 0 && (c.uid == nil || c.uid.Name() != previous) {
		r.eachWatcher(h, c, func(to gateway.Watcher, w *gateway.Watched) { to.Bound(w, previous) })
	}
}

// unbind takes a client's uid away and tells of it. The caller holds its lock.
func (r *registry) unbind(h table.Handle, c *client) (previous string) {
	previous = c.uid.Name()
	r.uids.Remove(c.uid, h)
	c.uid = nil
	r.watchBound(h, c, previous)
	r.eachWatcher(h, c, func(to gateway.Watcher, w *gateway.Watched) { to.Unbound(w, previous) })
	return previous
}

// farewell tells watchers of a client's end, once. It comes after leave, which has
// left what is to be told. f is the close frame, nil without one.
func (v *lives) farewell(slot uint32, c *conn, why closeReason, f *frames.Frame) {
	r := v.loop.srv.registry
	if len(r.watchers) == 0 {
		return
	}
	ch, h := v.loop.slots.chunkAt(slot), v.loop.handle(slot, c)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if cl.watched == 0 || cl.live {
		return
	}
	end := gateway.End{Reason: closeTable[why].label, Code: endCode(c, f), LastOfUID: cl.lastOfUID}
	end.BytesIn, end.BytesOut = transferred(int(c.fd))
	if ch.tallies != nil {
		t := ch.tallies[slot%chunkLen]
		end.MessagesIn, end.MessagesOut = uint64(t.in), uint64(t.out)
	}
	r.eachWatcher(h, cl, func(to gateway.Watcher, w *gateway.Watched) { to.Disconnected(w, &end) })
	cl.watched, cl.lastOfUID, cl.uid, cl.groups = 0, false, nil, groupSet{}
	if !r.keepSessions {
		cl.session = nil
	}
}

// endCode is the code with which a client ends: 1006 without a close frame, 1005
// with one that has no code (RFC 6455 section 7.1.5).
func endCode(c *conn, f *frames.Frame) uint16 {
	if f == nil || c.form.Plain() {
		return uint16(ws.StatusAbnormalClosure)
	}
	if code := closeCode(f); code != 0 {
		return uint16(code)
	}
	return uint16(ws.StatusNoStatusRcvd)
}

// forward passes a message of a client on to watchers. It returns whether to go on
// with the client, and whether it has sent enough for now.
func (v *lives) forward(slot uint32, c *conn, binary bool, message []byte) (goOn, enough bool) {
	r, h := v.loop.srv.registry, v.loop.handle(slot, c)
	w := gateway.Watched{Key: uint64(h)}
	told := uint8(0)
	r.lookup(h, func(cl *client) {
		w.ID = string(r.ids.Append(nil, h, cl.connection))
		if told = cl.watched; cl.uid != nil {
			w.UID = cl.uid.Name()
		}
	})
	taking := gateway.RefusedFull // nobody may be told of this client
	for i, watcher := range r.watchers {
		if told>>i&1 == 0 {
			continue
		}
		if taking = watcher.Message(&w, binary, message); taking != gateway.Taken {
			break
		}
	}
	return v.loop.messages.afterTelling(slot, c, taking)
}

// countIn counts a message of a client.
func (v *lives) countIn(slot uint32) {
	if !v.watched {
		return
	}
	if ch := v.loop.slots.chunkAt(slot); ch.tallies != nil {
		ch.tallies[slot%chunkLen].in++
	}
}

// countOut counts a frame that was written to a client, if it is a push.
func (v *lives) countOut(c *conn, f *frames.Frame) {
	if !v.watched || !f.Counted {
		return
	}
	if slot, ok := v.loop.srv.fds.get(int(c.fd)); ok {
		if ch := v.loop.slots.chunkAt(slot); ch != nil && ch.tallies != nil {
			ch.tallies[slot%chunkLen].out++
		}
	}
}

// ResumeKeys has clients read again of which a Watcher's Message has said
// TakenEnough. Any goroutine.
func (s *Loops) ResumeKeys(keys []uint64) {
	handles := make([]table.Handle, 0, len(keys))
	for _, k := range keys {
		if h := table.Handle(k); h != 0 && h.Loop() < len(s.loops) {
			handles = append(handles, h)
		}
	}
	eachHandle(s.loops, handles, resumeHeld)
}
