package server

import (
	"slices"

	"castgate/server/frames"
	"castgate/server/internal/table"
)

// client is what the registry knows of a connection. Guarded by its chunk's mu.
type client struct {
	gen         uint32 // of the connection it is about
	port        uint16
	live        bool        // registered
	form        frames.Form // of its connection
	addr        [16]byte    // IPv4 mapped into IPv6
	connectedAt int64       // Unix time in milliseconds
	uid         *table.Entry
	groups      groupSet
	session     *session // nil if none was set
	connection  uint32   // connection id of clientid.Peers; 0 without
	joined      bool     // has been in a group
	endpoint    uint8    // the listener it came by
	watched     uint8    // a bit for each of the watchers that are told of it
	lastOfUID   bool     // its uid had no other client when it ended
}

// groupSet is a client's groups, in the order it joined them: one of them costs
// no further memory.
type groupSet struct {
	one  *table.Entry
	more *[]*table.Entry
}

func (g *groupSet) len() int {
	n := 0
	if g.one != nil {
		n = 1
	}
	if g.more != nil {
		n += len(*g.more)
	}
	return n
}

func (g *groupSet) add(e *table.Entry) {
	switch {
	case g.one == nil:
		g.one = e
	case g.more == nil:
		g.more = &[]*table.Entry{e}
	default:
		*g.more = append(*g.more, e)
	}
}

// find returns the group of that name, nil if it is none of them.
func (g *groupSet) find(name string) *table.Entry {
	if g.one != nil && g.one.Name() == name {
		return g.one
	}
	if g.more != nil {
		for _, e := range *g.more {
			if e.Name() == name {
				return e
			}
		}
	}
	return nil
}

// remove takes out e, which is one of them.
func (g *groupSet) remove(e *table.Entry) {
	if g.one != e {
		g.cut(slices.Index(*g.more, e))
		return
	}
	g.one = nil
	if g.more != nil {
		g.one = (*g.more)[0]
		g.cut(0)
	}
}

// cut takes a group out of more.
func (g *groupSet) cut(i int) {
	if *g.more = slices.Delete(*g.more, i, i+1); len(*g.more) == 0 {
		g.more = nil
	}
}

// many returns what is in a set of manyGroups or more; nil for a smaller one.
func (g *groupSet) many() []*table.Entry {
	if g.len() < manyGroups {
		return nil
	}
	return append(*g.more, g.one)
}

func (g *groupSet) each(do func(*table.Entry)) {
	if g.one != nil {
		do(g.one)
	}
	if g.more != nil {
		for _, e := range *g.more {
			do(e)
		}
	}
}

// session is what is kept for a client: two things that know nothing of each
// other, behind one pointer.
type session struct {
	json  string // "" if none was set
	bytes string // what PutSessionBytes stored
}

// keep returns the client's session, making it if there is none. The caller
// holds the client's lock.
func (c *client) keep() *session {
	if c.session == nil {
		c.session = new(session)
	}
	return c.session
}
