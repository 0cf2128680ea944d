package gatewayworker

import "golang.org/x/sys/unix"

// writer is the part of the inner loop that writes replies and events. It keeps the account
// of all that waits to be written.
type writer struct {
	loop    *innerLoop
	dirty   []*innerConn // with something to write at the end of the turn
	waiting int          // bytes of replies and events
}

// send queues bytes for a connection. They are written at the end of the turn:
// whoever waits for a reply sends nothing before everybody has been read.
func (w *writer) send(c *innerConn, b []byte) {
	if c.closed {
		return
	}
	if c.waiting() == 0 {
		c.lastOut = w.loop.now()
	}
	c.out.bytes = append(c.out.bytes, b...)
	w.queued(c, len(b))
}

// queued accounts for n more bytes in c.out, which are written at the end of the turn.
func (w *writer) queued(c *innerConn, n int) {
	w.added(n)
	if !c.dirty {
		c.dirty = true
		w.dirty = append(w.dirty, c)
	}
}

// added accounts for n more bytes that wait.
func (w *writer) added(n int) {
	w.waiting += n
	w.loop.count.waiting.Store(int64(w.waiting))
}

// flush writes what the kernel accepts.
func (w *writer) flush(c *innerConn) {
	if c.closed {
		return
	}
	if c.last > 0 {
		w.discard(c)
		return
	}
	if c.worker != nil && c.ended { // it would not read that
		return
	}
	for fed := 0; !c.closed; {
		if c.waiting() == 0 {
			if c.worker == nil || fed >= feedBudget || !w.loop.delivery.fill(c) {
				break
			}
			fed += c.waiting()
		}
		w.loop.orderly(c)
		n, err := w.loop.sys.write(c.fd, c.out.unsent())
		switch {
		case n > 0 && err == nil:
			if c.out.wrote(n); c.out.full() {
				unacknowledged, _, _ := w.loop.sys.unacknowledged(c.fd)
				c.out.settle(unacknowledged)
			}
			c.lastOut = w.loop.now()
			w.added(-n)
			w.loop.count.bytesOut.Add(uint64(n))
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			w.want(c, true)
			return
		case outOfMemory(err):
			w.loop.shortage.tryLater(c, retryWrite)
			return
		default: // what it has sent before is still there
			c.reset = c.reset || err == unix.ECONNRESET // after an orderly end it is EPIPE
			w.loop.readOut(c, closePeer)
			return
		}
	}
	if c.closed {
		return
	}
	w.want(c, c.worker != nil && !c.worker.idle()) // after feedBudget it continues when the others have had their turn
	switch {
	case c.stopped && c.job == nil: // replies have been read, commands continue
		w.loop.reader.readLater(c)
	case c.ended && len(c.rest) == 0 && c.job == nil:
		w.loop.close(c, closePeer)
	}
}

// want sets whether epoll reports when the connection can be written.
func (w *writer) want(c *innerConn, write bool) {
	if c.wantWrite == write {
		return
	}
	events := uint32(readable)
	if write {
		events |= unix.EPOLLOUT
	}
	// The kernel checks both again, so it reports what arrived meanwhile.
	switch err := w.loop.sys.watch(w.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, events); {
	case err == nil:
		c.wantWrite = write
	case write:
		w.loop.shortage.tryLater(c, retryWrite)
	}
}

// flushAll writes for all connections that have got something to write in this turn.
func (w *writer) flushAll() {
	for i := 0; i < len(w.dirty); i++ { // closing one may make others dirty
		c := w.dirty[i]
		c.dirty = false
		w.flush(c)
	}
	w.dirty = w.dirty[:0]
}

// discard drops the replies that a peer will not read. A worker's events stay,
// since they go to others.
func (w *writer) discard(c *innerConn) {
	if c.worker != nil {
		return
	}
	w.release(c)
	c.out.drop()
}

// release ends the account of what waits for a connection.
func (w *writer) release(c *innerConn) {
	w.added(-c.waiting())
}

// allWaiting is how many bytes of replies and events wait.
func (w *writer) allWaiting() int { return w.waiting }
