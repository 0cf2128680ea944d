// Package client is what is known of clients: who they are, which uid they have and in
// which groups they are.
package client

import (
	"slices"

	"castgate/server/frames"
	"castgate/server/internal/table"
)

// Client is what the registry knows of a connection. Guarded by its chunk's mu.
type Client struct {
	Gen         uint32 // of the connection it is about
	Port        uint16
	Live        bool        // registered
	Form        frames.Form // of its connection
	Addr        [16]byte    // IPv4 mapped into IPv6
	ConnectedAt int64       // Unix time in milliseconds
	UID         *table.Entry
	Groups      Groups
	Session     *Session // nil if none was set
	Connection  uint32   // connection id of clientid.Peers; 0 without
	Joined      bool     // has been in a group
	Endpoint    uint8    // the listener it came by
	Watched     uint8    // a bit for each of the watchers that are told of it
	LastOfUID   bool     // its uid had no other client when it ended
}

// Groups is a client's groups, in the order it joined them: one of them costs
// no further memory.
type Groups struct {
	one  *table.Entry
	more *[]*table.Entry
}

func (g *Groups) Len() int {
	n := 0
	if g.one != nil {
		n = 1
	}
	if g.more != nil {
		n += len(*g.more)
	}
	return n
}

func (g *Groups) Add(e *table.Entry) {
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
func (g *Groups) find(name string) *table.Entry {
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
func (g *Groups) remove(e *table.Entry) {
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
func (g *Groups) cut(i int) {
	if *g.more = slices.Delete(*g.more, i, i+1); len(*g.more) == 0 {
		g.more = nil
	}
}

// ManyGroups is from how many groups on a client takes turns to join or leave them.
const ManyGroups = 256

// many returns what is in a set of ManyGroups or more; nil for a smaller one.
func (g *Groups) Many() []*table.Entry {
	if g.Len() < ManyGroups {
		return nil
	}
	return append(*g.more, g.one)
}

func (g *Groups) Each(do func(*table.Entry)) {
	if g.one != nil {
		do(g.one)
	}
	if g.more != nil {
		for _, e := range *g.more {
			do(e)
		}
	}
}

// Session is what is kept for a client: two things that know nothing of each
// other, behind one pointer.
type Session struct {
	JSON  string // "" if none was set
	Bytes string // what PutSessionBytes stored
}

// Keep returns the client's session, making it if there is none. The caller
// holds the client's lock.
func (c *Client) Keep() *Session {
	if c.Session == nil {
		c.Session = new(Session)
	}
	return c.Session
}
