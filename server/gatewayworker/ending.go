package gatewayworker

import "time"

// The end of a connection comes in two directions. What the peer had sent before it
// is executed, whatever can no longer be written to it; and of a worker's events
// those go to others that its kernel did not take.

// lastBudgets is how many budgets of reading a peer gets to which nothing more is
// written: more than its kernel and ours hold.
const lastBudgets = 16

// readOut ends a connection once what the peer has sent is executed. Nothing more is
// written to it.
func (l *innerLoop) readOut(c *innerConn, why closeReason) {
	if c.closed || c.last > 0 {
		return
	}
	c.last, c.lastWhy, c.hungUp = lastBudgets, why, true
	l.discard(c)
	l.readLater(c)
}

// discard drops the replies that a peer will not read. A worker's events stay: they
// go to others.
func (l *innerLoop) discard(c *innerConn) {
	if c.worker != nil {
		return
	}
	l.waiting -= c.waiting()
	l.count.waiting.Store(int64(l.waiting))
	c.out, c.sent = c.out[:0], 0
}

// fatePatience is how long it may take the kernel of a worker that has ended its
// side to say whether it takes what was written before that was known.
const fatePatience = time.Second

// undecided tells whether nobody knows yet if a worker that has ended its side takes
// what was written before we knew of that: its kernel acknowledges it, or answers
// with a reset.
func (l *innerLoop) undecided(c *innerConn) bool {
	if n, _, gone := l.sys.unacknowledged(c.fd); n == 0 || gone || c.mixed {
		return false
	}
	if c.fateUntil.IsZero() {
		c.fateUntil = l.now().Add(fatePatience)
	}
	return l.now().Before(c.fateUntil)
}

// settle forgets events that are with the worker's kernel.
func (l *innerLoop) settle(c *innerConn) {
	n, _, _ := l.sys.unacknowledged(c.fd)
	c.settle(min(n, c.sent-c.head))
	c.wrote(0)
}

// undelivered returns the events that a worker which leaves has not got, to go
// to others. Of one that is gone these are all that its kernel has not
// acknowledged, but for those that it may have read all the same. What lay there
// unread is lost, as it is with PHP's gateway: nobody knows what was read, and
// nothing is to be done twice.
func (l *innerLoop) undelivered(c *innerConn) []byte {
	n, unsent, gone := l.sys.unacknowledged(c.fd)
	switch {
	case !gone:
		return c.unwritten()
	case c.reset:
		n = c.unread(n, unsent)
	}
	return c.lost(n)
}

// close ends a connection; once.
func (l *innerLoop) close(c *innerConn, why closeReason) {
	if c.closed {
		return
	}
	c.closed = true
	l.count.closes[why].Add(1)
	if c.silent != nil {
		l.silent.Remove(c.silent)
		c.silent = nil
	}
	l.held -= c.held
	l.waiting -= c.waiting()
	l.count.held.Store(int64(l.held))
	l.count.waiting.Store(int64(l.waiting))
	delete(l.conns, c.fd)
	l.count.connections.Store(int64(len(l.conns)))
	var lost []byte
	if c.worker != nil {
		lost = l.undelivered(c)
	}
	if why != closePeer || !c.ended {
		l.orderly(c)
	}
	l.sys.close(c.fd)
	if c.worker != nil {
		l.leave(c, lost)
	}
	c.out, c.rest = nil, nil
	if c.job != nil {
		c.job.dead = true
	}
}

// orderly makes a connection end by a FIN. Those that PHP opens for one command, and
// has closed, end by a reset instead, if nothing was ever written to them. There is
// nothing that the reset could take from the caller, and its host keeps no TIME_WAIT:
// with one of 60 seconds for each command, the 28,000 ports of a host are used up at
// 470 commands a second.
func (l *innerLoop) orderly(c *innerConn) {
	if !c.orderly {
		c.orderly = true
		l.sys.orderly(c.fd)
	}
}
