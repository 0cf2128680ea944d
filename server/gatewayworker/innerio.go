package gatewayworker

import "golang.org/x/sys/unix"

// serve acts on what epoll has told of a connection, or on its being new.
func (l *innerLoop) serve(c *innerConn) {
	told := c.told
	c.told = 0
	c.hungUp = c.hungUp || told&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if told&unix.EPOLLOUT != 0 {
		if c.hungUp { // writing may fail; what it has said goes first
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

// readFirst takes apart what a new connection had sent when it was accepted. What it
// sends later makes epoll tell, as soon as it is there.
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

// read takes what is there, at most readBudget and what of it replies allow.
// Everything that came before the end of the peer's data is executed before
// the end is acted on.
func (l *innerLoop) read(c *innerConn) {
	c.stopped = false
	for budget := readBudget; !c.closed && (!c.ended || len(c.rest) > 0); {
		switch {
		case c.later:
			return
		case c.paused(l.cfg.MaxReplies):
			c.stopped = true // flush, or the end of the job, goes on with it
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
				return // it is empty; what comes now has its own place among the ready ones
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

// consume takes apart what has been read and executes every whole frame.
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

// heldUnauthorized is how much of a frame is held for a connection that may
// not do anything but name its key yet.
const heldUnauthorized = 4 << 10

// hold accounts for the half frame that a connection has left.
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

// send queues bytes for a connection; they are written at the end of the turn:
// who waits for a reply says nothing new before everybody has been read.
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

// queued accounts for n bytes more in c.out.
func (l *innerLoop) queued(c *innerConn, n int) {
	l.waiting += n
	l.count.waiting.Store(int64(l.waiting))
	if !c.dirty {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

// flush writes what the kernel takes.
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
			if c.wrote(n); c.worker != nil && !c.mixed && c.sent-c.head > keepOut {
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
			c.reset = c.reset || err == unix.ECONNRESET // of one that has ended in order it is EPIPE
			l.readOut(c, closePeer)
			return
		}
	}
	if c.closed {
		return
	}
	l.want(c, c.worker != nil && !c.worker.idle()) // after feedBudget it goes on when the others have had their turn
	switch {
	case c.stopped && c.job == nil: // replies have been read, commands go on
		l.readLater(c)
	case c.ended && len(c.rest) == 0 && c.job == nil:
		l.close(c, closePeer)
	}
}

// want sets whether epoll tells when the connection can be written.
func (l *innerLoop) want(c *innerConn, write bool) {
	if c.wantWrite == write {
		return
	}
	events := uint32(readable)
	if write {
		events |= unix.EPOLLOUT
	}
	// Both are looked at anew by the kernel: what came meanwhile is told of.
	switch err := l.sys.watch(l.epoll, unix.EPOLL_CTL_MOD, c.fd, events); {
	case err == nil:
		c.wantWrite = write
	case write:
		l.tryLater(c, retryWrite)
	}
}
