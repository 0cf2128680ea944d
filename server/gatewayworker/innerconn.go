package gatewayworker

import (
	"container/list"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	wire "castgate/codec/gatewayworker"
)

// innerConn is a connection of an API client or a worker. The inner loop's.
type innerConn struct {
	fd   int
	peer netip.AddrPort

	told  uint32 // events that epoll has reported in this turn
	at    int64  // when its bytes came, in a turn that accepts
	fresh bool   // accepted in this turn, not in the epoll yet
	first []byte // what a fresh one has sent: in innerLoop.room
	whole bool   // and there is no more behind it, but the end

	reader  wire.FrameReader
	held    int    // bytes in reader
	rest    []byte // read but not taken apart: its replies are not read either
	stopped bool   // reading was, until replies have been read
	lastIn  time.Time

	out       []byte // from sent on: not yet written
	sent      int
	lastOut   time.Time // when something of it was last written, or it was empty
	wantWrite bool      // epoll tells when it can be written
	dirty     bool      // in innerLoop.dirty
	later     bool      // in innerLoop.unfinished
	retry     retry     // in innerLoop.short if it is not 0

	authorized bool
	silent     *list.Element // in innerLoop.silent: no whole command yet
	hungUp     bool          // epoll has told of the end of what the peer sends
	ended      bool          // and everything before it has been read
	last       uint8         // not 0: nothing more is written, and after as many budgets of reading it is closed
	lastWhy    closeReason   // for this
	fateUntil  time.Time     // when it is waited no longer whether the peer takes what was written
	closed     bool
	orderly    bool // it ends by a FIN and not by a reset; see innerLoop.orderly

	job *job // that goes on in later turns

	worker      *worker // nil: an API client
	head        int     // in out: the first event that may not be with the worker's kernel
	mixed       bool    // replies lie between the events
	writes      []int   // in out: where each write ended whose bytes may not be with that kernel
	reset       bool    // its end was a reset: it had not read all that its kernel had
	keepaliveAt time.Time
}

// waiting is how many bytes have not been written.
func (c *innerConn) waiting() int { return len(c.out) - c.sent }

// paused tells whether nothing is read before replies have been, or before a job
// has ended.
func (c *innerConn) paused(limit int) bool {
	return c.job != nil || c.worker == nil && c.last == 0 && c.waiting() >= limit
}

// wrote notes that n more bytes are with the kernel, and gives back memory. Of a
// worker's events those are kept that may have to go to another one.
func (c *innerConn) wrote(n int) {
	c.sent += n
	done := c.sent
	if c.worker != nil && !c.mixed {
		done = min(done, c.head)
		if n > 0 {
			c.writes = append(c.writes, c.sent)
		}
	}
	switch {
	case done == len(c.out):
		c.out, c.sent, c.head, c.writes = c.out[:0], 0, 0, c.writes[:0]
		if cap(c.out) > keepOut {
			c.out = nil
		}
	case done > keepOut && done > len(c.out)/2:
		c.out = c.out[:copy(c.out, c.out[done:])]
		c.sent -= done
		c.head = max(c.head-done, 0)
		for i := range c.writes {
			c.writes[i] -= done
		}
	}
}

// settle notes that all but the last n written bytes of events are with the
// worker's kernel: they are kept no longer.
func (c *innerConn) settle(n int) {
	c.head = c.events(c.sent - n)
	c.writes = append(c.writes[:0], c.writes[c.firstWrite(n):]...)
}

// firstWrite is the index of the first write that is not whole among all but the
// last n written bytes.
func (c *innerConn) firstWrite(n int) int {
	i, _ := slices.BinarySearch(c.writes, c.sent-n+1)
	return i
}

// unread is how many of the last n written bytes a worker has certainly not read
// that has reset the connection without having acknowledged them, if the last unsent
// of them have not left our kernel. A kernel acknowledges a segment at once when
// it is read, but for one that its process does not answer: that may take 40 ms.
// So of several on the way the first may have been read. If there is only one, it
// has not: with nothing unread there is no reset.
func (c *innerConn) unread(n, unsent int) int {
	i := c.firstWrite(n)
	if i < len(c.writes) && c.writes[i] < c.sent-unsent {
		return c.sent - c.writes[i]
	}
	return n
}

// events returns where the first event begins that does not end by end.
func (c *innerConn) events(end int) int {
	at := c.head
	for at+4 <= end {
		next := at + int(binary.BigEndian.Uint32(c.out[at:]))
		if next > end {
			break
		}
		at = next
	}
	return at
}

// keepOut is the capacity in bytes up to which an empty buffer is kept, and
// from which written bytes are cut off a full one.
const keepOut = 64 << 10

// unwritten returns a copy of the events that have not been written whole.
func (c *innerConn) unwritten() []byte { return c.lost(0) }

// lost returns a copy of the events that a worker has not got whole, if its
// kernel has not taken the last n written bytes.
func (c *innerConn) lost(n int) []byte {
	if c.mixed {
		return nil
	}
	return append([]byte(nil), c.out[c.events(max(c.sent-n, c.head)):]...)
}
