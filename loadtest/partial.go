package loadtest

import "castgate/codec"

// partial is what has come of something incomplete.
type partial struct {
	parser  codec.Parser
	head    []byte // of the handshake
	message []byte // the pieces of a message so far
}

// reset makes it that of a connection of which nothing has come.
func (p *partial) reset(c *conn) {
	*p = partial{parser: codec.Parser{Client: true, Deflate: c.deflate}}
}

// maxSpare is how many partials a loop keeps for use again.
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
		*p = partial{} // what it holds may go
		l.spare = append(l.spare, p)
	}
}
