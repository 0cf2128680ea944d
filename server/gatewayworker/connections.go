package gatewayworker

import (
	"container/list"
	"iter"
	"maps"
	"net/netip"
)

// connections is the part of the inner loop that knows who is connected, and who of them has
// not sent a complete command yet: these go first when there is no room.
type connections struct {
	loop   *innerLoop
	of     map[int]*innerConn // by descriptor
	silent *list.List         // of *innerConn without a complete command, oldest first
}

func newConnections(l *innerLoop) connections {
	return connections{loop: l, of: map[int]*innerConn{}, silent: list.New()}
}

// add adds a connection that has just been accepted.
func (cs *connections) add(fd int, from netip.AddrPort) *innerConn {
	now := cs.loop.now()
	c := &innerConn{fd: fd, fresh: true, peer: from, authorized: cs.loop.cfg.Secret == "", lastIn: now, lastOut: now}
	cs.of[fd] = c
	c.silent = cs.silent.PushBack(c)
	cs.loop.count.connections.Store(int64(len(cs.of)))
	return c
}

// remove removes a connection that is closed.
func (cs *connections) remove(c *innerConn) {
	cs.spoken(c)
	delete(cs.of, c.fd)
	cs.loop.count.connections.Store(int64(len(cs.of)))
}

// spoken records that a connection has sent a complete command.
func (cs *connections) spoken(c *innerConn) {
	if c.silent != nil {
		cs.silent.Remove(c.silent)
		c.silent = nil
	}
}

// at returns the connection with a descriptor, nil if there is none.
func (cs *connections) at(fd int) *innerConn { return cs.of[fd] }

// all are the connections in any order. Those that are closed meanwhile may be left out.
func (cs *connections) all() iter.Seq[*innerConn] { return maps.Values(cs.of) }

// oldestSilent is the connection that has been silent for longest, nil if none is.
func (cs *connections) oldestSilent() *innerConn {
	if e := cs.silent.Front(); e != nil {
		return e.Value.(*innerConn)
	}
	return nil
}

// full reports whether one more connection requires closing another.
func (cs *connections) full() bool {
	return len(cs.of) >= cs.loop.cfg.MaxConns || cs.silent.Len() >= cs.loop.cfg.MaxSilent
}
