package gatewayworker

import (
	"time"

	"golang.org/x/sys/unix"
)

// A kernel that lacks memory refuses a call, and does not report when it has memory
// again. Inner connections are edge-triggered, so no event would repeat the call.
// Therefore it is repeated after a pause. Commands that others sent meanwhile may
// be executed before those that could not be read.

// shortPause is how long a connection rests after the kernel had no memory for it.
const shortPause = 10 * time.Millisecond

// retry is what to try again.
type retry uint8

const (
	retryRead retry = 1 << iota
	retryWrite
	retryEnrol
)

// outOfMemory reports whether an error is temporary and says nothing about the
// peer.
func outOfMemory(err error) bool { return err == unix.ENOBUFS || err == unix.ENOMEM }

// tryLater schedules a retry after shortPause.
func (l *innerLoop) tryLater(c *innerConn, what retry) {
	if c.retry == 0 {
		l.short = append(l.short, c)
	}
	c.retry |= what
	if l.shortUntil.IsZero() {
		l.shortUntil = l.now().Add(shortPause)
	}
}

// retryShort retries what has rested long enough.
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
