package loop

import (
	"net/netip"
	"time"

	"castgate/server/client"
	"castgate/server/frames"
	"castgate/server/history"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
)

// registry knows the clients by their handles and, by its directory, by uid and group. Its methods may be called
// from any goroutine; see doc.go for the order of its locks.
type registry struct {
	client.Directory
	loops []*loop
	forms frames.Census   // of the clients
	peers *clientid.Peers // nil without Config.PeerAddress
	// keepSessions leaves the session with a client that is gone until
	// Events.Closed has been told of it.
	keepSessions bool
}

func newRegistry(loops int) *registry {
	return &registry{Directory: client.Directory{UIDs: table.New(loops), Groups: table.New(loops), History: history.New(loops)}}
}

// Lookup calls do with the registered client of a handle, under its chunk's
// lock; false if there is none.
func (r *registry) Lookup(h table.Handle, do func(c *client.Client)) bool {
	ch, c := r.client(h)
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if c.Gen != h.Gen() || !c.Live {
		return false
	}
	do(c)
	return true
}

func (r *registry) client(h table.Handle) (*chunk, *client.Client) {
	if h == 0 || h.Loop() >= len(r.loops) {
		return nil, nil
	}
	ch := r.loops[h.Loop()].slots.chunkAt(h.Slot())
	if ch == nil {
		return nil, nil
	}
	return ch, &ch.clients[h.Slot()%chunkLen]
}

func (r *registry) Online(h table.Handle) bool {
	return r.Lookup(h, func(*client.Client) {})
}

func (r *registry) bound(h table.Handle) bool {
	bound := false
	r.Lookup(h, func(c *client.Client) { bound = c.UID != nil })
	return bound
}

// arrived notes a connection whose handshake has not been done.
func (r *registry) arrived(h table.Handle, addr netip.AddrPort, endpoint uint8) {
	ch, c := r.client(h)
	ch.mu.Lock()
	*c = client.Client{Gen: h.Gen(), Addr: addr.Addr().As16(), Port: addr.Port(), Endpoint: endpoint}
	ch.mu.Unlock()
}

// address is that of a connection's client, as far as it is known.
func (r *registry) address(h table.Handle) netip.AddrPort {
	ch, c := r.client(h)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return netip.AddrPortFrom(netip.AddrFrom16(c.Addr).Unmap(), c.Port)
}

// ConnectedAt is when a client was registered.
func (r *registry) connectedAt(h table.Handle) time.Time {
	ch, c := r.client(h)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return time.UnixMilli(c.ConnectedAt)
}

// readdress notes for whom the peer of a connection speaks.
func (r *registry) readdress(h table.Handle, addr netip.AddrPort) {
	ch, c := r.client(h)
	ch.mu.Lock()
	c.Addr, c.Port = addr.Addr().As16(), addr.Port()
	ch.mu.Unlock()
}

// register makes a connection a client, before it is told its id, and returns
// its connection id if there are any. The loop's goroutine.
func (r *registry) register(l *loop, slot uint32, c *conn) (connection uint32) {
	ch := l.slots.chunkAt(slot)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	cl := &ch.clients[slot%chunkLen]
	cl.Live = true
	cl.Form = c.form
	r.forms.Add(c.form, 1)
	if r.peers != nil {
		cl.Connection = r.peers.Give(l.handle(slot, c))
	}
	cl.ConnectedAt = time.Now().UnixMilli()
	c.mark = l.mail.register(&ch.live[slot%chunkLen], c.gen)
	l.count.Connections.Add(1)
	return cl.Connection
}

// unregisterBut takes a client out of every table, but leaves it in its groups if
// these are many; then it returns them. The loop's goroutine.
func (r *registry) unregisterBut(h table.Handle) (groups []*table.Entry) {
	r.Lookup(h, func(c *client.Client) {
		groups = c.Groups.Many()
		r.remove(h, c, groups == nil, nil)
	})
	return groups
}

// unregisterAnd takes a client out of every table, and posts a command to its loop
// at the same instant: a push to all asked for before comes before the command, one
// asked for after it does not mean the client any more. False if it was out already.
func (r *registry) unregisterAnd(h table.Handle, cmd *command) bool {
	var many []*table.Entry
	gone := r.Lookup(h, func(c *client.Client) {
		many = c.Groups.Many()
		r.remove(h, c, many == nil, cmd)
	})
	if gone && cmd != nil {
		r.loops[h.Loop()].mail.ring()
	}
	for _, e := range many { // without the lock, for which the loop waits
		r.Groups.Remove(e, h)
	}
	return gone
}

// remove is unregisterAnd under the client's lock; cmd may be nil. It does not ring.
// ungroup tells to take the client out of its groups, too. What watchers are yet to
// be told of it stays with it, and what its loop, to which cmd goes, has yet to remember.
func (r *registry) remove(h table.Handle, c *client.Client, ungroup bool, cmd *command) {
	c.Live = false
	r.forms.Add(c.Form, -1)
	if c.UID != nil {
		c.LastOfUID = r.UIDs.RemoveLast(c.UID, h) && c.Watched != 0
	}
	if ungroup {
		c.Groups.Each(func(e *table.Entry) { r.Groups.Remove(e, h) })
	}
	if r.peers != nil {
		r.peers.Release(c.Connection)
	}
	if c.Watched == 0 && cmd == nil {
		c.UID, c.Groups = nil, client.Groups{}
	}
	if !r.keepSessions && c.Watched == 0 {
		c.Session = nil
	}
	l := r.loops[h.Loop()]
	l.mail.unregister(&l.slots.chunkAt(h.Slot()).live[h.Slot()%chunkLen], cmd)
	l.count.Connections.Add(-1)
}

// forgetSession drops the session that keepSessions has left.
func (r *registry) forgetSession(h table.Handle) {
	ch, c := r.client(h)
	ch.mu.Lock()
	if c.Gen == h.Gen() && !c.Live {
		c.Session = nil
	}
	ch.mu.Unlock()
}
