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
	"castgate/server/kernel"
	"castgate/server/reason"
	"castgate/server/transport"
)

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
		Reason: why.Label(), Code: endCode(c, f), QueuedBytes: c.waiting, QueuedFrames: c.frames,
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
	if book.Again(uint64(h), why, now, c.waiting, c.frames) {
		return
	}
	d := history.Drop{First: now, Last: now, Key: uint64(h), Reason: why, Count: 1, QueuedBytes: c.waiting, QueuedFrames: c.frames}
	r.Lookup(h, func(cl *client.Client) {
		if d.Connection = cl.Connection; cl.UID != nil {
			d.UID = cl.UID.Name()
		}
	})
	book.Drop(d)
}
