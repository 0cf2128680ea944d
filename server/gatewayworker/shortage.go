package gatewayworker

import (
	"time"

	"golang.org/x/sys/unix"
)

// A kernel that lacks memory refuses a call and tells nobody when it has some
// again, and inner connections are edge-triggered: no event would have the call
// made anew. So it is, after a pause. What others sent meanwhile may be executed
// before what could not be read.

// shortPause is how long a connection rests that the kernel had no memory for.
const shortPause = 10 * time.Millisecond

// retry is what has to be tried again.
type retry uint8

const (
	retryRead retry = 1 << iota
	retryWrite
	retryEnrol
)

// outOfMemory tells whether an error will pass that says nothing of the peer.
func outOfMemory(err error) bool { return err == unix.ENOBUFS || err == unix.ENOMEM }

// tryLater has something tried again after shortPause.
func (l *innerLoop) tryLater(c *innerConn, what retry) {
	if c.retry == 0 {
		l.short = append(l.short, c)
	}
	c.retry |= what
	if l.shortUntil.IsZero() {
		l.shortUntil = l.now().Add(shortPause)
	}
}

// retryShort tries again what has rested for long enough.
func (l *innerLoop) retryShort() {
	if l.shortUntil.IsZero() || l.now().Before(l.shortUntil) {
		return
	}
	short := l.short
	l.short, l.shortUntil = nil, time.Time{}
	for _, c := range short {
		what := c.retry
		c.retry = 0
		if what&retryEnrol != 0 {
			l.fresh = append(l.fresh, c) // still in its turn
		}
		if what&retryWrite != 0 {
			l.flush(c)
		}
		if what&retryRead != 0 {
			l.read(c)
		}
	}
}
