package loop

import (
	"math"
	"time"

	"castgate/server/capacity"
	"castgate/server/kernel"
)

// A ping stands behind what the kernel holds for a client, and its pong behind
// what the client has yet to read. So an overdue pong is not the end: as long
// as the peer takes bytes it is alive, and once it has taken all of them, it
// has the time to read them. The kernel is asked only when a deadline has come,
// so this costs a client that answers nothing.

const (
	// leastPatience is how long a peer may take nothing, whatever the pings' times
	// are: receivers open their window in steps, of half a buffer at worst.
	leastPatience = uint32(5 * time.Second / kernel.Tick)
	// closePatience is that time for a connection that is closing.
	closePatience = uint32(35 * time.Second / kernel.Tick)
	// leastTaken is how many bytes a peer must take within such a time.
	leastTaken = 4 << 10
	// leastRate is the speed, in bytes a second, at which a slow client is
	// expected to read, and maxReading the longest that it is given for it.
	leastRate  = 2 << 10
	maxReading = uint32(60 * time.Second / kernel.Tick)
	// sentUnit is what conn.sent counts in; 255 of them are more than is read in
	// maxReading.
	sentUnit = 512
)

// taker is what is remembered of a peer that keeps the loop waiting.
type taker struct {
	edge  uint32 // flow.edge when it had last taken leastTaken
	at    uint32 // the tick of that
	taken bool   // it has since taken all there was
	until uint32 // if so: by when it must have read that, and answered
}

// progress remembers which peers keep the loop waiting, and how much each client
// was sent since it was last heard.
type progress struct {
	loop     *loop
	takers   map[uint32]taker // by slot; nil for none
	sentRest int              // see note
}

// look decides on a peer that has not answered in time. It may take less than
// leastTaken for up to patience ticks, and for up to twice as long again while it
// may read what it has: some peers make no room before they have read a whole
// buffer.
// Once it has taken everything, it is given answer ticks and the time that
// reading takes. ok is false if it is to be ended, otherwise next is the tick of
// the next look.
func (p *progress) look(slot uint32, c *conn, f kernel.Flow, patience, answer uint32) (next uint32, ok bool) {
	now := p.loop.clock.now()
	still := uint32(min(f.Still/kernel.Tick, math.MaxInt32))
	t, seen := p.takers[slot]
	switch {
	case !f.Waits && c.first != 0:
		t.edge, t.at = f.Edge, now // it is this loop's turn to write
	case !seen:
		t.edge, t.at = f.Edge, now-still
	case int32(f.Edge-t.edge) >= leastTaken:
		t.edge, t.at = f.Edge, now-min(still, now-t.at)
	}
	reading := c.reading(f.Acked)
	if !t.taken && !f.Waits && c.first == 0 {
		t.taken, t.until = true, now-still+answer+reading
	}
	end := t.at + patience + min(reading, 2*patience)
	if t.taken {
		end = t.until
	}
	if !before(now, end) {
		return 0, false
	}
	if p.takers == nil {
		p.takers = map[uint32]taker{}
	}
	p.takers[slot] = t
	return now + min(end-now, answer), true
}

// watch is look for a client that gets no pings. While it has taken everything it
// stays, whatever it says: the kernel's keepalive finds out whether it is there.
func (p *progress) watch(slot uint32, c *conn, t *capacity.Ticks) (next uint32, ok bool) {
	interval, timeout := t.WatchTimes()
	f := p.loop.sys.Flow(int(c.fd))
	if f.Waits || c.first != 0 {
		return p.look(slot, c, f, max(interval+timeout, leastPatience), timeout)
	}
	p.forgive(slot)
	if f.Still/kernel.Tick >= time.Duration(c.reading(f.Acked)) {
		c.sent = 0 // it has had the time to read all of it
	}
	return p.loop.clock.now() + interval, true
}

// forgive forgets what look has remembered.
func (p *progress) forgive(slot uint32) {
	if len(p.takers) == 0 {
		return
	}
	if delete(p.takers, slot); len(p.takers) == 0 {
		p.takers = nil // a map keeps the size it once had
	}
}

// note counts bytes that the kernel has taken for a client. What is left of a
// unit counts for whoever comes next: for all together that makes it even.
func (p *progress) note(c *conn, n int) {
	n += p.sentRest
	c.sent = uint8(min(int(c.sent)+n/sentUnit, math.MaxUint8))
	p.sentRest = n % sentUnit
}

// reading is how many ticks a slow client may need to read what it was sent
// since it last said something, of which it has no more than acked.
func (c *conn) reading(acked uint64) uint32 {
	unread := min(uint64(c.sent)*sentUnit, acked)
	return min(uint32(unread*uint64(kernel.TicksPerSecond)/leastRate), maxReading)
}
