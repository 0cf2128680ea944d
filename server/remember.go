package server

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/table"
)

var _ gateway.Historian = (*Server)(nil)

// What the loops remember in server/history, and tell those who watch.

// subject is a client, whose lock the caller holds, as far as filters look at it.
func (c *client) subject() history.Subject {
	s := history.Subject{
		Remote: netip.AddrPortFrom(netip.AddrFrom16(c.addr).Unmap(), c.port),
		Groups: c,
	}
	if c.uid != nil {
		s.UID = c.uid.Name()
	}
	return s
}

// InGroup implements history.Groups.
func (c *client) InGroup(name string) bool { return c.groups.find(name) != nil }

// happening makes what is told of a client, whose lock the caller holds.
func (r *registry) happening(kind string, h table.Handle, c *client, s *history.Subject) gateway.Happening {
	told := gateway.Happening{Kind: kind, ClientID: r.ids.Of(h, c.connection), UID: s.UID, Previous: s.Previous, Remote: s.Remote}
	c.groups.each(func(e *table.Entry) {
		if len(told.Groups) < gateway.MaxToldGroups {
			told.Groups = append(told.Groups, e.Name())
		}
	})
	return told
}

// watchBound tells those who watch that a client has another uid than previous, or
// none. The caller holds its lock.
func (r *registry) watchBound(h table.Handle, c *client, previous string) {
	if !r.history.Watched() {
		return
	}
	s := c.subject()
	kind := gateway.WasBound
	if s.Previous = previous; s.UID == previous {
		return
	}
	if s.UID == "" {
		kind = gateway.Unbound
	}
	r.history.Tell(&s, func() gateway.Happening { return r.happening(kind, h, c, &s) })
}

// watchConnected tells those who watch of a new client.
func (l *loop) watchConnected(slot uint32, c *conn, request []byte) {
	r := l.srv.registry
	if !r.history.Watched() {
		return
	}
	h := l.handle(slot, c)
	r.lookup(h, func(cl *client) {
		s := cl.subject()
		r.history.Tell(&s, func() gateway.Happening {
			told := r.happening(gateway.Connected, h, cl, &s)
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
func (l *loop) remember(slot uint32, c *conn, why closeReason, f *frames.Frame) {
	r, h := l.srv.registry, l.handle(slot, c)
	ch := l.slots.chunkAt(slot)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	defer ch.mu.Unlock()
	s := cl.subject()
	e := history.End{
		At: time.Now().UnixNano(), Since: cl.connectedAt, Key: uint64(h), Connection: cl.connection, UID: s.UID, Remote: s.Remote,
		Reason: closeTable[why].label, Code: endCode(c, f), QueuedBytes: c.waiting, QueuedFrames: c.frames,
	}
	r.history.Book(h.Loop()).End(e)
	if r.history.Watched() {
		r.watchEnd(h, cl, s, e)
	}
	if !cl.live && cl.watched == 0 { // what a kick has left for this
		cl.uid, cl.groups = nil, groupSet{}
	}
}

// watchEnd tells those who watch of the end of a client, whose lock the caller holds.
func (r *registry) watchEnd(h table.Handle, c *client, s history.Subject, e history.End) {
	r.history.Tell(&s, func() gateway.Happening {
		told := r.happening(gateway.Ended, h, c, &s)
		end := pastEnd(&e, told.ClientID)
		told.End = &end
		return told
	})
}

// rememberDrop keeps that a client was not sent a message, because too much waits for it.
func (l *loop) rememberDrop(slot uint32, c *conn) {
	r, h := l.srv.registry, l.handle(slot, c)
	book, now, reason := r.history.Book(h.Loop()), time.Now().UnixMilli(), dropLabels[dropSlow]
	if book.Again(uint64(h), reason, now, c.waiting, c.frames) {
		return
	}
	d := history.Drop{First: now, Last: now, Key: uint64(h), Reason: reason, Count: 1, QueuedBytes: c.waiting, QueuedFrames: c.frames}
	r.lookup(h, func(cl *client) {
		if d.Connection = cl.connection; cl.uid != nil {
			d.UID = cl.uid.Name()
		}
	})
	book.Drop(d)
}

// noted counts a push by how it ended, tells those who watch of one that was taken, and
// remembers whom it meant if that was nobody. In a cluster others may have had them.
func (v *Verbs) noted(to *gateway.Targets, m *gateway.Message, matched int, err error) {
	v.pushes.note(matched, err)
	if err != nil {
		return
	}
	h := v.loops.registry.history
	if matched == 0 && !v.loops.config.Shared {
		h.Miss(to)
	}
	h.TellPush(to, matched, len(m.Payload), m.Binary)
}

func pastEnd(e *history.End, id string) gateway.PastEnd {
	return gateway.PastEnd{
		At: time.Unix(0, e.At), ClientID: id, UID: e.UID, Remote: e.Remote, ConnectedAt: time.UnixMilli(e.Since),
		Reason: e.Reason, Code: e.Code, QueuedBytes: int(e.QueuedBytes), QueuedFrames: int(e.QueuedFrames),
	}
}

// mostConnected is how many clients of a uid Explain names.
const mostConnected = 100

// Explain implements gateway.Historian.
func (v *Verbs) Explain(ctx context.Context, q gateway.Explain) (gateway.Explanation, error) {
	out := gateway.Explanation{Node: v.node}
	who := history.Who{UID: q.UID, ID: q.ClientID}
	switch {
	case (q.UID == "") == (q.ClientID == ""):
		return out, &gateway.Error{Code: gateway.CodeInvalidName, Detail: "name either a uid or a client id"}
	case q.UID != "":
		if err := v.names.Check("uid", q.UID); err != nil {
			return out, err
		}
		for h := range v.loops.registry.uids.Snapshot(q.UID).All() {
			if info, ok := v.info(h); ok {
				out.Connected = append(out.Connected, info.ClientID)
			}
			if len(out.Connected) == mostConnected {
				break
			}
		}
	default:
		h := v.loops.ids.Parse(q.ClientID)
		if who.Key = uint64(h); v.loops.registry.online(h) {
			out.Connected = []string{q.ClientID}
		}
	}
	h := v.loops.registry.history
	out.Since = h.Ask(who, func(e *history.End) {
		out.Ends = append(out.Ends, pastEnd(e, v.loops.ids.Of(table.Handle(e.Key), e.Connection)))
	}, func(d *history.Drop) {
		out.Drops = append(out.Drops, gateway.PastDrop{
			First: time.UnixMilli(d.First), Last: time.UnixMilli(d.Last), ClientID: v.loops.ids.Of(table.Handle(d.Key), d.Connection), UID: d.UID,
			Reason: d.Reason, Count: d.Count, QueuedBytes: int(d.QueuedBytes), QueuedFrames: int(d.QueuedFrames),
		})
	})
	out.Misses = h.Missed(who)
	slices.SortStableFunc(out.Ends, func(a, b gateway.PastEnd) int { return b.At.Compare(a.At) })
	slices.SortStableFunc(out.Drops, func(a, b gateway.PastDrop) int { return b.Last.Compare(a.Last) })
	return out, ctx.Err()
}

// Tail implements gateway.Historian.
func (v *Verbs) Tail(f gateway.TailFilter) (gateway.Tail, error) {
	return v.loops.registry.history.Tail(f)
}
