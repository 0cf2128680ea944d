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

// shortage is the part of the inner loop that repeats what the kernel had no memory for.
type shortage struct {
	loop    *innerLoop
	resting []*innerConn
	until   time.Time // when they are tried again, zero if there are none
}

// ends is when they are tried again, zero if there are none.
func (s *shortage) ends() time.Time { return s.until }

// none reports whether nothing is to be repeated.
func (s *shortage) none() bool { return len(s.resting) == 0 }

// tryLater schedules a retry after shortPause.
func (s *shortage) tryLater(c *innerConn, what retry) {
	if c.retry == 0 {
		s.resting = append(s.resting, c)
	}
	c.retry |= what
	if s.until.IsZero() {
		s.until = s.loop.now().Add(shortPause)
	}
}

// retry retries what has rested long enough.
func (s *shortage) retry() {
	if s.until.IsZero() || s.loop.now().Before(s.until) {
		return
	}
	rested := s.resting
	s.resting, s.until = nil, time.Time{}
	for _, c := range rested {
		what := c.retry
		c.retry = 0
		if what&retryEnrol != 0 {
			s.loop.arrivals.enrolLater(c)
		}
		if what&retryWrite != 0 {
			s.loop.writer.flush(c)
		}
		if what&retryRead != 0 {
			s.loop.reader.read(c)
		}
	}
}
