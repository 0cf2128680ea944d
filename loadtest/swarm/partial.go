package swarm

import (
	"castgate/codec"
)

// partial holds the beginning of something incomplete.
type partial struct {
	parser  codec.Parser
	head    []byte // of the handshake response
	message []byte // the fragments of a message so far
}

// reset prepares it for a connection that has received nothing.
func (p *partial) reset(c *conn) {
	*p = partial{parser: codec.Parser{Client: true, Deflate: c.deflate}}
}

// maxSpare is how many partials a loop keeps for reuse.
const maxSpare = 256

// partials are those of a loop that belong to no connection.
type partials struct {
	scratch partial // for a connection that is read and has none
	spare   []*partial
}

// give gives a connection one of its own.
func (all *partials) give(c *conn) *partial {
	if n := len(all.spare); n > 0 {
		c.part, all.spare = all.spare[n-1], all.spare[:n-1]
	} else {
		c.part = new(partial)
	}
	c.part.reset(c)
	return c.part
}

// takeBack takes a connection's own.
func (all *partials) takeBack(c *conn) {
	p := c.part
	c.part = nil
	if len(all.spare) < maxSpare {
		*p = partial{} // release its buffers
		all.spare = append(all.spare, p)
	}
}
