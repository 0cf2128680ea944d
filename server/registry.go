package server

import (
	"net/netip"
	"sync/atomic"
	"time"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
)

// registry knows the clients by id, uid and group. Its methods may be called
// from any goroutine; see doc.go for the order of its locks.
type registry struct {
	loops  []*loop
	uids   *table.Table
	groups *table.Table
	byForm [frames.NumForms]atomic.Int64 // clients of each form but formFrame
	peers  *clientid.Peers               // nil without Config.PeerAddress
	// keepSessions leaves the session with a client that is gone until
	// Events.Closed has been told of it.
	keepSessions bool
	watchers     []gateway.Watcher
	ids          *clientid.IDs
	history      *history.History
}

func newRegistry(loops int) *registry {
	return &registry{uids: table.New(loops), groups: table.New(loops), history: history.New(loops)}
}

// watchNames tells of names that come into use and go out of it, from now on.
func (r *registry) watchNames(w gateway.NameWatcher) {
	tell := func(t *table.Table, kind gateway.NameKind) {
		t.Watch(func(name string, born bool) {
			if born {
				w.NameBorn(kind, name)
			} else {
				w.NameGone(kind, name)
			}
		})
	}
	tell(r.uids, gateway.UIDName)
	tell(r.groups, gateway.GroupName)
}

// lookup calls do with the registered client of a handle, under its chunk's
// lock; false if there is none.
func (r *registry) lookup(h table.Handle, do func(c *client)) bool {
	ch, c := r.client(h)
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if c.gen != h.Gen() || !c.live {
		return false
	}
	do(c)
	return true
}

func (r *registry) client(h table.Handle) (*chunk, *client) {
	if h == 0 || h.Loop() >= len(r.loops) {
		return nil, nil
	}
	ch := r.loops[h.Loop()].slots.chunkAt(h.Slot())
	if ch == nil {
		return nil, nil
	}
	return ch, &ch.clients[h.Slot()%chunkLen]
}

func (r *registry) online(h table.Handle) bool {
	return r.lookup(h, func(*client) {})
}

func (r *registry) bound(h table.Handle) bool {
	bound := false
	r.lookup(h, func(c *client) { bound = c.uid != nil })
	return bound
}

// arrived notes a connection whose handshake has not been done.
func (r *registry) arrived(h table.Handle, addr netip.AddrPort, endpoint uint8) {
	ch, c := r.client(h)
	ch.mu.Lock()
	*c = client{gen: h.Gen(), addr: addr.Addr().As16(), port: addr.Port(), endpoint: endpoint}
	ch.mu.Unlock()
}

// address is that of a connection's client, as far as it is known.
func (r *registry) address(h table.Handle) netip.AddrPort {
	ch, c := r.client(h)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return netip.AddrPortFrom(netip.AddrFrom16(c.addr).Unmap(), c.port)
}

// connectedAt is when a client was registered.
func (r *registry) connectedAt(h table.Handle) time.Time {
	ch, c := r.client(h)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return time.UnixMilli(c.connectedAt)
}

// readdress notes for whom the peer of a connection speaks.
func (r *registry) readdress(h table.Handle, addr netip.AddrPort) {
	ch, c := r.client(h)
	ch.mu.Lock()
	c.addr, c.port = addr.Addr().As16(), addr.Port()
	ch.mu.Unlock()
}

// register makes a connection a client, before it is told its id, and returns
// its connection id if there are any. The loop's goroutine.
func (r *registry) register(l *loop, slot uint32, c *conn) (connection uint32) {
	ch := l.slots.chunkAt(slot)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	cl := &ch.clients[slot%chunkLen]
	cl.live = true
	if cl.form = c.form; c.form != frames.WebSocket {
		r.byForm[c.form].Add(1)
	}
	if r.peers != nil {
		cl.connection = r.peers.Give(l.handle(slot, c))
	}
	cl.connectedAt = time.Now().UnixMilli()
	c.mark = l.mail.register(&ch.live[slot%chunkLen], c.gen)
	l.count.connections.Add(1)
	return cl.connection
}

// unregisterBut takes a client out of every table, but leaves it in its groups if
// these are many; then it returns them. The loop's goroutine.
func (r *registry) unregisterBut(h table.Handle) (groups []*table.Entry) {
	r.lookup(h, func(c *client) {
		groups = c.groups.many()
		r.remove(h, c, groups == nil, nil)
	})
	return groups
}

// unregisterAnd takes a client out of every table, and posts a command to its loop
// at the same instant: a push to all asked for before comes before the command, one
// asked for after it does not mean the client any more. False if it was out already.
func (r *registry) unregisterAnd(h table.Handle, cmd *command) bool {
	var many []*table.Entry
	gone := r.lookup(h, func(c *client) {
		many = c.groups.many()
		r.remove(h, c, many == nil, cmd)
	})
	if gone && cmd != nil {
		r.loops[h.Loop()].mail.ring()
	}
	for _, e := range many { // without the lock, for which the loop waits
		r.groups.Remove(e, h)
	}
	return gone
}

// remove is unregisterAnd under the client's lock; cmd may be nil. It does not ring.
// ungroup tells to take the client out of its groups, too. What watchers are yet to
// be told of it stays with it, and what its loop, to which cmd goes, has yet to remember.
func (r *registry) remove(h table.Handle, c *client, ungroup bool, cmd *command) {
	c.live = false
	if c.form != frames.WebSocket {
		r.byForm[c.form].Add(-1)
	}
	if c.uid != nil {
		r.uids.Remove(c.uid, h)
		c.lastOfUID = c.watched != 0 && r.uids.Count(c.uid.Name()) == 0
	}
	if ungroup {
		c.groups.each(func(e *table.Entry) { r.groups.Remove(e, h) })
	}
	if r.peers != nil {
		r.peers.Release(c.connection)
	}
	if c.watched == 0 && cmd == nil {
		c.uid, c.groups = nil, groupSet{}
	}
	if !r.keepSessions && c.watched == 0 {
		c.session = nil
	}
	l := r.loops[h.Loop()]
	l.mail.unregister(&l.slots.chunkAt(h.Slot()).live[h.Slot()%chunkLen], cmd)
	l.count.connections.Add(-1)
}

// forgetSession drops the session that keepSessions has left.
func (r *registry) forgetSession(h table.Handle) {
	ch, c := r.client(h)
	ch.mu.Lock()
	if c.gen == h.Gen() && !c.live {
		c.session = nil
	}
	ch.mu.Unlock()
}
