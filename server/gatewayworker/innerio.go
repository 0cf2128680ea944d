package gatewayworker

import "golang.org/x/sys/unix"

// serve handles what epoll has reported about a connection, or a new connection.
func (l *innerLoop) serve(c *innerConn) {
	told := c.told
	c.told = 0
	c.hungUp = c.hungUp || told&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if told&unix.EPOLLOUT != 0 {
		if c.hungUp { // writing may fail; what the peer has sent goes first
			defer l.flush(c)
		} else {
			l.flush(c)
		}
	}
	switch {
	case told == unix.EPOLLOUT:
	case len(c.first) > 0:
		l.readFirst(c)
	default:
		l.read(c)
	}
}

// readFirst parses what a new connection had sent when it was accepted. epoll
// reports what it sends later.
func (l *innerLoop) readFirst(c *innerConn) {
	first := c.first
	c.first = nil
	full := len(first) == firstLen
	l.consume(c, first)
	if c.closed {
		return
	}
	c.ended = c.whole && !full
	if c.ended || full || len(c.rest) > 0 {
		l.read(c)
	}
}

// read reads what is available, up to readBudget and to what unread replies allow.
// Everything before the end of the peer's data is executed before the end is
// handled.
func (l *innerLoop) read(c *innerConn) {
	c.stopped = false
	for budget := readBudget; !c.closed && (!c.ended || len(c.rest) > 0); {
		switch {
		case c.later:
			return
		case c.paused(l.cfg.MaxReplies):
			c.stopped = true // flush, or the end of the job, resumes it
			return
		case len(c.rest) > 0:
			rest := c.rest
			c.rest = nil
			l.consume(c, rest)
			continue
		case budget <= 0:
			if c.last == 1 {
				l.close(c, c.lastWhy)
				return
			}
			c.last = max(c.last, 1) - 1
			l.readLater(c)
			return
		}
		n, err := l.sys.read(c.fd, l.in)
		switch {
		case n > 0:
			budget -= n
			l.count.bytesIn.Add(uint64(n))
			l.consume(c, l.in[:n])
			if n < len(l.in) && !c.hungUp && !c.fresh && len(c.rest) == 0 {
				return // it is empty; what arrives now gets its own place among the ready ones
			}
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if c.last > 0 {
				l.close(c, c.lastWhy)
			}
			return
		case outOfMemory(err):
			l.tryLater(c, retryRead)
			return
		case err != nil:
			c.reset = c.reset || err == unix.ECONNRESET
			l.close(c, closePeer)
		default:
			c.ended = true
		}
	}
	switch {
	case c.closed || c.job != nil:
	case c.last > 0:
		l.close(c, c.lastWhy)
	case c.worker == nil && c.waiting() > 0: // an API client may still read its replies
	case c.worker != nil && l.undecided(c):
		l.tryLater(c, retryRead)
	default:
		l.close(c, closePeer)
	}
}

func (l *innerLoop) readLater(c *innerConn) {
	if !c.later {
		c.later = true
		l.unfinished = append(l.unfinished, c)
	}
}

// consume parses what has been read and executes every complete frame.
func (l *innerLoop) consume(c *innerConn, in []byte) {
	begun, allowed := l.steps, max(l.steps, leastSteps)
	for !c.closed {
		if c.paused(l.cfg.MaxReplies) {
			c.rest = append([]byte(nil), in...)
			break
		}
		if begun-l.steps >= allowed && len(in) > 0 {
			c.rest = append([]byte(nil), in...)
			l.readLater(c)
			break
		}
		f, rest, ok, err := c.reader.Next(in)
		if err != nil {
			l.close(c, frameFault(err))
			return
		}
		if !ok {
			break
		}
		in = rest
		l.execute(c, &f)
	}
	if c.closed {
		return
	}
	if c.silent == nil {
		c.lastIn = l.now()
	}
	l.hold(c)
}

// heldUnauthorized limits the incomplete frame of a connection that has not sent
// its key yet.
const heldUnauthorized = 4 << 10

// hold accounts for the incomplete frame of a connection.
func (l *innerLoop) hold(c *innerConn) {
	held := c.reader.Held()
	if c.job != nil {
		held += c.job.size()
	}
	l.held += held - c.held
	c.held = held
	l.count.held.Store(int64(l.held))
	if !c.authorized && held > heldUnauthorized {
		l.close(c, closeUnauthorized)
		return
	}
	if l.held <= l.cfg.MaxHeld {
		return
	}
	most := c
	for _, other := range l.conns {
		if other.held > most.held {
			most = other
		}
	}
	l.close(most, closeHeld)
}

// send queues bytes for a connection. They are written at the end of the turn:
// whoever waits for a reply sends nothing before everybody has been read.
func (l *innerLoop) send(c *innerConn, b []byte) {
	if c.closed {
		return
	}
	if c.waiting() == 0 {
		c.lastOut = l.now()
	}
	c.out = append(c.out, b...)
	l.queued(c, len(b))
}

// queued accounts for n more bytes in c.out.
func (l *innerLoop) queued(c *innerConn, n int) {
	l.waiting += n
	l.count.waiting.Store(int64(l.waiting))
	if !c.dirty {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

// flush writes what the kernel accepts.
func (l *innerLoop) flush(c *innerConn) {
	if c.closed {
		return
	}
	if c.last > 0 {
		l.discard(c)
		return
	}
	if c.worker != nil && c.ended { // it would not read that
		return
	}
	for fed := 0; !c.closed; {
		if c.waiting() == 0 {
			if c.worker == nil || fed >= feedBudget || !l.fill(c) {
				break
			}
			fed += c.waiting()
		}
		l.orderly(c)
		n, err := l.sys.write(c.fd, c.out[c.sent:])
		switch {
		case n > 0 && err == nil:
			if c.wrote(n); c.worker != nil && !c.mixed && c.sent-c.firstEvent > keepOut {
				l.settle(c)
			}
			c.lastOut = l.now()
			l.waiting -= n
			l.count.waiting.Store(int64(l.waiting))
			l.count.bytesOut.Add(uint64(n))
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			l.want(c, true)
			return
		case outOfMemory(err):
			l.tryLater(c, retryWrite)
			return
		default: // what it has sent before is still there
			c.reset = c.reset || err == unix.ECONNRESET // after an orderly end it is EPIPE
			l.readOut(c, closePeer)
			return
		}
	}
	if c.closed {
		return
	}
	l.want(c, c.worker != nil && !c.worker.idle()) // after feedBudget it continues when the others have had their turn
	switch {
	case c.stopped && c.job == nil: // replies have been read, commands continue
		l.readLater(c)
	case c.ended && len(c.rest) == 0 && c.job == nil:
		l.close(c, closePeer)
	}
}

// want sets whether epoll reports when the connection can be written.
func (l *innerLoop) want(c *innerConn, write bool) {
	if c.wantWrite == write {
		return
	}
	events := uint32(readable)
	if write {
		events |= unix.EPOLLOUT
	}
	// The kernel checks both again, so it reports what arrived meanwhile.
	switch err := l.sys.watch(l.epoll, unix.EPOLL_CTL_MOD, c.fd, events); {
	case err == nil:
		c.wantWrite = write
	case write:
		l.tryLater(c, retryWrite)
	}
}
