package gatewayworker

import "time"

// A connection ends in two directions. What the peer had sent before the end is
// executed, even if nothing can be written to it any more. Of a worker's events,
// those that its kernel did not accept go to other workers.

// lastBudgets is how many read budgets a peer gets when nothing more is written to
// it: more than its kernel and ours hold.
const lastBudgets = 16

// readOut ends a connection once everything that the peer has sent is executed.
// Nothing more is written to it.
func (l *innerLoop) readOut(c *innerConn, why closeReason) {
	if c.closed || c.last > 0 {
		return
	}
	c.last, c.lastWhy, c.hungUp = lastBudgets, why, true
	l.writer.discard(c)
	l.reader.readLater(c)
}

// fatePatience is how long to wait for the kernel of a worker that has ended its
// side: it may still accept or refuse what was written before we knew of the end.
const fatePatience = time.Second

// undecided reports whether it is still open if a worker that has ended its side
// accepts what was written before we knew. Its kernel either acknowledges it or
// answers with a reset.
func (l *innerLoop) undecided(c *innerConn) bool {
	if n, _, gone := l.sys.unacknowledged(c.fd); n == 0 || gone || c.out.mixed {
		return false
	}
	if c.fateUntil.IsZero() {
		c.fateUntil = l.now().Add(fatePatience)
	}
	return l.now().Before(c.fateUntil)
}

// undelivered returns the events that a leaving worker did not get, for other
// workers. If the worker is gone, these are the events that its kernel has not
// acknowledged, except those that it may have read all the same. Unread events in
// its kernel are lost, as with PHP's gateway: nobody knows what was read, and
// nothing must be done twice.
func (l *innerLoop) undelivered(c *innerConn) []byte {
	n, unsent, gone := l.sys.unacknowledged(c.fd)
	switch {
	case !gone:
		return c.out.unwritten()
	case c.reset:
		n = c.out.unread(n, unsent)
	}
	return c.out.lost(n)
}

// close ends a connection. It must be called once.
func (l *innerLoop) close(c *innerConn, why closeReason) {
	if c.closed {
		return
	}
	c.closed = true
	l.count.closes[why].Add(1)
	l.connections.remove(c)
	l.reader.release(c)
	l.writer.release(c)
	var lost []byte
	if c.worker != nil {
		lost = l.undelivered(c)
	}
	if why != closePeer || !c.ended {
		l.orderly(c)
	}
	l.sys.close(c.fd)
	if c.worker != nil {
		l.delivery.leave(c, lost)
	}
	c.out, c.rest = outbox{}, nil
	if c.job != nil {
		c.job.dead = true
	}
}

// orderly makes a connection end with a FIN. A connection that PHP opened for one
// command and has closed ends with a reset instead, if nothing was ever written to
// it. The caller cannot lose anything by the reset, and its host keeps no
// TIME_WAIT. With a TIME_WAIT of 60 seconds for each command, the 28,000 ports of a
// host would be used up at 470 commands a second.
func (l *innerLoop) orderly(c *innerConn) {
	if !c.orderly {
		c.orderly = true
		l.sys.orderly(c.fd)
	}
}
