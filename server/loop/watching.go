package loop

import (
	"github.com/gobwas/ws"

	"castgate/server/client"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// The life of clients, as Config.Watchers are told of it. Whoever changes what a
// client is tells of it under the client's lock: so all is said in order, and the
// end last. While nobody watches, each of these costs a look at a length.

// MaxWatchers is how many there may be: client.watched has a bit for each.
const MaxWatchers = 8

// lives is what a loop tells watchers of its clients.
type lives struct {
	loop    *loop
	watched bool // there are watchers
	// sender is whose message watchers are told of. They take its address, so that it
	// would be memory of its own for each message.
	sender gateway.Watched
}

// exchanged counts the messages of a watched client.
type exchanged struct{ in, out uint32 }

// introduce tells watchers of a new client.
func (v *lives) introduce(slot uint32, c *conn, request []byte) {
	r := v.loop.srv.Registry
	if len(r.Watchers) == 0 {
		return
	}
	ch, h := v.loop.slots.chunkAt(slot), v.loop.handle(slot, c)
	if ch.tallies == nil {
		ch.tallies = new([chunkLen]exchanged)
	}
	ch.tallies[slot%chunkLen] = exchanged{}
	r.Lookup(h, func(cl *client.Client) {
		w := r.Watched(h, cl)
		for i, watcher := range r.Watchers {
			if watcher.Connected(&w, request) {
				cl.Watched |= 1 << i
			}
		}
	})
}

// farewell tells watchers of a client's end, once. It comes after leave, which has
// left what is to be told. f is the close frame, nil without one.
func (v *lives) farewell(slot uint32, c *conn, why reason.Close, f *frames.Frame) {
	r := v.loop.srv.Registry
	if len(r.Watchers) == 0 {
		return
	}
	ch, h := v.loop.slots.chunkAt(slot), v.loop.handle(slot, c)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if cl.Watched == 0 || cl.Live {
		return
	}
	end := gateway.End{Reason: why.Label(), Code: endCode(c, f), LastOfUID: cl.LastOfUID}
	end.BytesIn, end.BytesOut = kernel.Transferred(int(c.fd))
	if ch.tallies != nil {
		t := ch.tallies[slot%chunkLen]
		end.MessagesIn, end.MessagesOut = uint64(t.in), uint64(t.out)
	}
	r.EachWatcher(h, cl, func(to gateway.Watcher, w *gateway.Watched) { to.Disconnected(w, &end) })
	cl.Watched, cl.LastOfUID, cl.UID, cl.Groups = 0, false, nil, client.Groups{}
	if !r.keepSessions {
		cl.Session = nil
	}
}

// endCode is the code with which a client ends: 1006 without a close frame, 1005
// with one that has no code (RFC 6455 section 7.1.5).
func endCode(c *conn, f *frames.Frame) uint16 {
	if f == nil || c.form.Plain() {
		return uint16(ws.StatusAbnormalClosure)
	}
	if code := f.CloseCode(); code != 0 {
		return uint16(code)
	}
	return uint16(ws.StatusNoStatusRcvd)
}

// forward passes a message of a client on to watchers. It returns whether to go on
// with the client, and whether it has sent enough for now.
func (v *lives) forward(slot uint32, c *conn, binary bool, message []byte) (goOn, enough bool) {
	r, h := v.loop.srv.Registry, v.loop.handle(slot, c)
	w := &v.sender
	*w = gateway.Watched{Key: uint64(h)}
	told := uint8(0)
	r.Lookup(h, func(cl *client.Client) {
		w.ID = string(r.IDs.Append(nil, h, cl.Connection))
		if told = cl.Watched; cl.UID != nil {
			w.UID = cl.UID.Name()
		}
	})
	taking := gateway.RefusedFull // nobody may be told of this client
	for i, watcher := range r.Watchers {
		if told>>i&1 == 0 {
			continue
		}
		if taking = watcher.Message(w, binary, message); taking != gateway.Taken {
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
	if slot, ok := v.loop.srv.fds.Get(int(c.fd)); ok {
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
