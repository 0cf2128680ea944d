package gatewayworker

import (
	"container/list"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	wire "castgate/codec/gatewayworker"
)

// innerConn is a connection of an API client or a worker. Only the inner loop uses
// it.
type innerConn struct {
	fd   int
	peer netip.AddrPort

	told  uint32 // epoll events reported in this turn
	at    int64  // when its bytes arrived, in a turn that accepts
	fresh bool   // accepted in this turn, not in the epoll yet
	first []byte // what a fresh connection has sent, in innerLoop.room
	whole bool   // first is everything: the end follows

	reader  wire.FrameReader
	held    int    // bytes in reader
	rest    []byte // read but not parsed, because its replies are not read
	stopped bool   // reading has stopped until replies have been read
	lastIn  time.Time

	out       []byte // from sent on: not yet written
	sent      int
	lastOut   time.Time // when some of it was last written, or it was last empty
	wantWrite bool      // epoll reports when it can be written
	dirty     bool      // in innerLoop.dirty
	later     bool      // in innerLoop.unfinished
	retry     retry     // in innerLoop.short unless 0

	authorized bool
	silent     *list.Element // in innerLoop.silent: no complete command yet
	hungUp     bool          // epoll has reported the end of the peer's data
	ended      bool          // and everything before the end has been read
	last       uint8         // if not 0: nothing more is written, and the connection is closed after this many read budgets
	lastWhy    closeReason   // the reason for that
	fateUntil  time.Time     // how long to wait whether the peer accepts what was written
	closed     bool
	orderly    bool // ends with a FIN instead of a reset; see innerLoop.orderly

	job *job // continues in later turns

	worker      *worker // nil for an API client
	firstEvent  int     // in out: the first event that the worker's kernel may not have
	mixed       bool    // there are replies between the events
	writes      []int   // in out: the ends of writes whose bytes that kernel may not have
	reset       bool    // it ended with a reset: not everything in its kernel had been read
	keepaliveAt time.Time
}

// waiting is the number of unwritten bytes.
func (c *innerConn) waiting() int { return len(c.out) - c.sent }

// paused reports whether reading waits until replies have been read or a job has
// ended.
func (c *innerConn) paused(limit int) bool {
	return c.job != nil || c.worker == nil && c.last == 0 && c.waiting() >= limit
}

// wrote records that the kernel has accepted n more bytes, and frees memory. It
// keeps a worker's events that may have to go to another worker.
func (c *innerConn) wrote(n int) {
	c.sent += n
	done := c.sent
	if c.worker != nil && !c.mixed {
		done = min(done, c.firstEvent)
		if n > 0 {
			c.writes = append(c.writes, c.sent)
		}
	}
	switch {
	case done == len(c.out):
		c.out, c.sent, c.firstEvent, c.writes = c.out[:0], 0, 0, c.writes[:0]
		if cap(c.out) > keepOut {
			c.out = nil
		}
	case done > keepOut && done > len(c.out)/2:
		c.out = c.out[:copy(c.out, c.out[done:])]
		c.sent -= done
		c.firstEvent = max(c.firstEvent-done, 0)
		for i := range c.writes {
			c.writes[i] -= done
		}
	}
}

// settle records that the worker's kernel has all written bytes of events except
// the last n. They are dropped.
func (c *innerConn) settle(n int) {
	c.firstEvent = c.events(c.sent - n)
	c.writes = append(c.writes[:0], c.writes[c.firstWrite(n):]...)
}

// firstWrite is the index of the first write that is not entirely among all but the
// last n written bytes.
func (c *innerConn) firstWrite(n int) int {
	i, _ := slices.BinarySearch(c.writes, c.sent-n+1)
	return i
}

// unread is how many of the last n written bytes a worker has certainly not read.
// The worker has reset the connection without acknowledging them, and the last
// unsent of them are still in our kernel. A kernel acknowledges a segment at once
// when it is read, unless the process does not answer it; then it may take 40 ms.
// So the first of several unacknowledged writes may have been read. If there is
// only one, it has not been read: without unread data there would have been no
// reset.
func (c *innerConn) unread(n, unsent int) int {
	i := c.firstWrite(n)
	if i < len(c.writes) && c.writes[i] < c.sent-unsent {
		return c.sent - c.writes[i]
	}
	return n
}

// events returns the start of the first event that ends after end.
func (c *innerConn) events(end int) int {
	at := c.firstEvent
	for at+4 <= end {
		next := at + int(binary.BigEndian.Uint32(c.out[at:]))
		if next > end {
			break
		}
		at = next
	}
	return at
}

// keepOut is the largest capacity in bytes of an empty buffer that is kept. A full
// buffer is cut when this many bytes of it have been written.
const keepOut = 64 << 10

// unwritten returns a copy of the events that have not been written completely.
func (c *innerConn) unwritten() []byte { return c.lost(0) }

// lost returns a copy of the events that a worker did not get completely if its
// kernel does not have the last n written bytes.
func (c *innerConn) lost(n int) []byte {
	if c.mixed {
		return nil
	}
	return append([]byte(nil), c.out[c.events(max(c.sent-n, c.firstEvent)):]...)
}
