package gatewayworker

import (
	"container/list"
	"net/netip"
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
	first []byte // what a fresh connection has sent, in arrivals.room
	whole bool   // first is everything: the end follows

	frames  wire.FrameReader
	held    int    // bytes in frames, and of its job
	rest    []byte // read but not parsed, because its replies are not read
	stopped bool   // reading has stopped until replies have been read
	lastIn  time.Time
	later   bool // in reader.unfinished

	out       outbox
	lastOut   time.Time // when some of it was last written, or it was last empty
	wantWrite bool      // epoll reports when it can be written
	dirty     bool      // in writer.dirty
	retry     retry     // in shortage.resting unless 0

	authorized bool
	silent     *list.Element // in connections.silent: no complete command yet
	hungUp     bool          // epoll has reported the end of the peer's data
	ended      bool          // and everything before the end has been read
	last       uint8         // if not 0: nothing more is written, and the connection is closed after this many read budgets
	lastWhy    closeReason   // the reason for that
	fateUntil  time.Time     // how long to wait whether the peer accepts what was written
	reset      bool          // it ended with a reset: not everything in its kernel had been read
	closed     bool
	orderly    bool // ends with a FIN instead of a reset; see innerLoop.orderly

	job *job // continues in later turns

	worker      *worker   // nil for an API client
	keepaliveAt time.Time // of a worker
}

// waiting is the number of unwritten bytes.
func (c *innerConn) waiting() int { return c.out.waiting() }

// paused reports whether reading waits until replies have been read or a job has
// ended.
func (c *innerConn) paused(limit int) bool {
	return c.job != nil || c.worker == nil && c.last == 0 && c.waiting() >= limit
}
