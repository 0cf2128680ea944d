package loop

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"castgate/codec"
	"castgate/server/client"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/reason"
	"castgate/server/transport"
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
	end := gateway.End{Reason: why.Label(), Code: reason.EndCode(c.form, f), LastOfUID: cl.LastOfUID}
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

// One line at debug level for each connection that is refused or ends, so that
// somebody can find out why a client does not come in or does not stay. Nothing
// of what a client has sent is in it. At other levels it costs the look at the
// level.

// traces tells whether such lines are wanted. Any goroutine.
func traces(log *slog.Logger) bool { return log.Enabled(context.Background(), slog.LevelDebug) }

// logRefused writes the line of a socket that did not become a client. Any
// goroutine.
func logRefused(log *slog.Logger, peer netip.AddrPort, why string) {
	log.Debug("connection refused", "addr", peer.String(), "reason", why)
}

// logRefusal is logRefused for a connection of the loop.
func (l *loop) logRefusal(slot uint32, c *conn, why string) {
	if traces(l.srv.log) {
		logRefused(l.srv.log, l.srv.Registry.address(l.handle(slot, c)), why)
	}
}

// logNoTLS is logRefusal for who has no TLS connection. err may be nil.
func (l *loop) logNoTLS(slot uint32, c *conn, why transport.Result, err error) {
	if !traces(l.srv.log) {
		return
	}
	peer := l.srv.Registry.address(l.handle(slot, c))
	if err == nil {
		logRefused(l.srv.log, peer, "tls_"+why.String())
		return
	}
	l.srv.log.Debug("connection refused", "addr", peer.String(), "reason", "tls_"+why.String(), "err", err.Error())
}

// logGone writes the line of a connection that has ended before it was decided on.
func (l *loop) logGone(slot uint32, c *conn) {
	if traces(l.srv.log) {
		logRefused(l.srv.log, l.srv.Registry.address(l.handle(slot, c)), reason.HandshakeLabel(reason.HandshakeGone))
	}
}

// logEnd remembers and writes the line of a client whose end begins: once, since its close
// frame follows or its socket is closed. f is the close frame, nil without one.
func (l *loop) logEnd(slot uint32, c *conn, why reason.Close, f *frames.Frame) {
	l.remember(slot, c, why, f)
	if !traces(l.srv.log) {
		return
	}
	h := l.handle(slot, c)
	peer, since := l.srv.Registry.address(h), l.srv.Registry.connectedAt(h)
	in, out := kernel.Transferred(int(c.fd))
	l.srv.log.Debug("client ended", "addr", peer.String(), "reason", why.Label(), "code", f.CloseCode(),
		"bytes_in", in, "bytes_out", out, "duration", time.Since(since).Round(time.Millisecond))
}

// watchConnected tells those who watch of a new client.
func (l *loop) watchConnected(slot uint32, c *conn, request []byte) {
	r := l.srv.Registry
	if !r.History.Watched() {
		return
	}
	h := l.handle(slot, c)
	r.Lookup(h, func(cl *client.Client) {
		s := cl.Subject()
		r.History.Tell(&s, func() gateway.Happening {
			told := r.Happening(gateway.Connected, h, cl, &s)
			told.UserAgent = userAgent(request)
			return told
		})
	})
}

// userAgent is the beginning of the field in a request's head.
func userAgent(head []byte) string {
	for name, value := range codec.Fields(head) {
		if codec.IsField(name, "user-agent") {
			return string(value[:min(len(value), gateway.MaxToldAgent)])
		}
	}
	return ""
}

// remember keeps how a client ends, and tells those who watch. Once, when its end
// begins; a kick may have taken it out of the registry already. f is the close frame,
// nil without one.
func (l *loop) remember(slot uint32, c *conn, why reason.Close, f *frames.Frame) {
	r, h := l.srv.Registry, l.handle(slot, c)
	ch := l.slots.chunkAt(slot)
	cl := &ch.clients[slot%chunkLen]
	now := l.clock.unixNano()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	s := cl.Subject()
	e := history.End{
		At: now, Since: cl.ConnectedAt, Key: uint64(h), Connection: cl.Connection, UID: s.UID, Remote: s.Remote,
		Reason: why.Label(), Code: reason.EndCode(c.form, f), QueuedBytes: c.out.Bytes(), QueuedFrames: c.out.Len(),
	}
	r.History.Book(h.Loop()).End(&e)
	if r.History.Watched() {
		r.WatchEnd(h, cl, s, e)
	}
	if !cl.Live && cl.Watched == 0 { // what a kick has left for this
		cl.UID, cl.Groups = nil, client.Groups{}
	}
}

// rememberDrop keeps that a client was not sent a message, because too much waits for it.
func (l *loop) rememberDrop(slot uint32, c *conn) {
	r, h := l.srv.Registry, l.handle(slot, c)
	book, now, why := r.History.Book(h.Loop()), l.clock.unixNano()/int64(time.Millisecond), reason.DropSlow.Label()
	if book.Again(uint64(h), why, now, c.out.Bytes(), c.out.Len()) {
		return
	}
	d := history.Drop{First: now, Last: now, Key: uint64(h), Reason: why, Count: 1, QueuedBytes: c.out.Bytes(), QueuedFrames: c.out.Len()}
	r.Lookup(h, func(cl *client.Client) {
		if d.Connection = cl.Connection; cl.UID != nil {
			d.UID = cl.UID.Name()
		}
	})
	book.Drop(d)
}
