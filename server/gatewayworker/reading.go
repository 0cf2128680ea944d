package gatewayworker

import (
	"golang.org/x/sys/unix"
)

// reader is the part of the inner loop that reads what peers send, cuts it into frames and has
// them executed. It keeps the account of frames that have come in part.
type reader struct {
	loop       *innerLoop
	in         []byte       // input buffer
	held       int          // bytes of incomplete frames, and of the frames of jobs
	unfinished []*innerConn // with more to read in the next turn
	earlier    []*innerConn // those that the turn before has left
}

const (
	readLen    = 64 << 10
	readBudget = 1 << 20
)

func newReader(l *innerLoop) reader { return reader{loop: l, in: make([]byte, readLen)} }

// begin begins a turn.
func (r *reader) begin() { r.earlier, r.unfinished = r.unfinished, nil }

// goOn reads from the connections that the turn before has left, after those that are ready.
func (r *reader) goOn() {
	earlier := r.earlier
	r.earlier = nil
	for _, c := range earlier {
		c.later = false
		r.read(c)
	}
}

// idle reports whether no connection has more to read in the next turn.
func (r *reader) idle() bool { return len(r.unfinished) == 0 }

// serve handles what epoll has reported about a connection, or a new connection.
func (r *reader) serve(c *innerConn) {
	told := c.told
	c.told = 0
	c.hungUp = c.hungUp || told&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if told&unix.EPOLLOUT != 0 {
		if c.hungUp { // writing may fail; what the peer has sent goes first
			defer r.loop.writer.flush(c)
		} else {
			r.loop.writer.flush(c)
		}
	}
	switch {
	case told == unix.EPOLLOUT:
	case len(c.first) > 0:
		r.readFirst(c)
	default:
		r.read(c)
	}
}

// readFirst parses what a new connection had sent when it was accepted. epoll
// reports what it sends later.
func (r *reader) readFirst(c *innerConn) {
	first := c.first
	c.first = nil
	full := len(first) == firstLen
	r.consume(c, first)
	if c.closed {
		return
	}
	c.ended = c.whole && !full
	if c.ended || full || len(c.rest) > 0 {
		r.read(c)
	}
}

// read reads what is available, up to readBudget and to what unread replies allow.
// Everything before the end of the peer's data is executed before the end is
// handled.
func (r *reader) read(c *innerConn) {
	c.stopped = false
	for budget := readBudget; !c.closed && (!c.ended || len(c.rest) > 0); {
		switch {
		case c.later:
			return
		case c.paused(r.loop.cfg.MaxReplies):
			c.stopped = true // flush, or the end of the job, resumes it
			return
		case len(c.rest) > 0:
			rest := c.rest
			c.rest = nil
			r.consume(c, rest)
			continue
		case budget <= 0:
			if c.last == 1 {
				r.loop.close(c, c.lastWhy)
				return
			}
			c.last = max(c.last, 1) - 1
			r.readLater(c)
			return
		}
		n, err := r.loop.sys.read(c.fd, r.in)
		switch {
		case n > 0:
			budget -= n
			r.loop.count.bytesIn.Add(uint64(n))
			r.consume(c, r.in[:n])
			if n < len(r.in) && !c.hungUp && !c.fresh && len(c.rest) == 0 {
				return // it is empty; what arrives now gets its own place among the ready ones
			}
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if c.last > 0 {
				r.loop.close(c, c.lastWhy)
			}
			return
		case outOfMemory(err):
			r.loop.shortage.tryLater(c, retryRead)
			return
		case err != nil:
			c.reset = c.reset || err == unix.ECONNRESET
			r.loop.close(c, closePeer)
		default:
			c.ended = true
		}
	}
	switch {
	case c.closed || c.job != nil:
	case c.last > 0:
		r.loop.close(c, c.lastWhy)
	case c.worker == nil && c.waiting() > 0: // an API client may still read its replies
	case c.worker != nil && r.loop.undecided(c):
		r.loop.shortage.tryLater(c, retryRead)
	default:
		r.loop.close(c, closePeer)
	}
}

func (r *reader) readLater(c *innerConn) {
	if !c.later {
		c.later = true
		r.unfinished = append(r.unfinished, c)
	}
}

// consume parses what has been read and executes every complete frame.
func (r *reader) consume(c *innerConn, in []byte) {
	begun := r.loop.execution.left()
	allowed := max(begun, leastSteps)
	for !c.closed {
		if c.paused(r.loop.cfg.MaxReplies) {
			c.rest = append([]byte(nil), in...)
			break
		}
		if begun-r.loop.execution.left() >= allowed && len(in) > 0 {
			c.rest = append([]byte(nil), in...)
			r.readLater(c)
			break
		}
		f, rest, ok, err := c.frames.Next(in)
		if err != nil {
			r.loop.close(c, frameFault(err))
			return
		}
		if !ok {
			break
		}
		in = rest
		r.loop.commands.execute(c, &f)
	}
	if c.closed {
		return
	}
	if c.silent == nil {
		c.lastIn = r.loop.now()
	}
	r.hold(c)
}

// heldUnauthorized limits the incomplete frame of a connection that has not sent
// its key yet.
const heldUnauthorized = 4 << 10

// hold accounts for the incomplete frame of a connection.
func (r *reader) hold(c *innerConn) {
	held := c.frames.Held()
	if c.job != nil {
		held += c.job.size()
	}
	r.held += held - c.held
	c.held = held
	r.loop.count.held.Store(int64(r.held))
	if !c.authorized && held > heldUnauthorized {
		r.loop.close(c, closeUnauthorized)
		return
	}
	if r.held <= r.loop.cfg.MaxHeld {
		return
	}
	most := c
	for other := range r.loop.connections.all() {
		if other.held > most.held {
			most = other
		}
	}
	r.loop.close(most, closeHeld)
}

// release ends the account of a connection that is closed.
func (r *reader) release(c *innerConn) {
	r.held -= c.held
	c.held = 0
	r.loop.count.held.Store(int64(r.held))
}
