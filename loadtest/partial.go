package loadtest

import "castgate/codec"

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

func (l *loop) newPartial(c *conn) *partial {
	if n := len(l.spare); n > 0 {
		c.part, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		c.part = new(partial)
	}
	c.part.reset(c)
	return c.part
}

func (l *loop) releasePartial(c *conn) {
	p := c.part
	c.part = nil
	if len(l.spare) < maxSpare {
		*p = partial{} // release its buffers
		l.spare = append(l.spare, p)
	}
}
