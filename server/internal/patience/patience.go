// Package patience decides how long a peer that does not answer is waited for.
//
// A ping stands behind what the kernel holds for a client, and its pong behind what the
// client has yet to read. So an overdue pong is not the end: as long as the peer takes bytes
// it is alive, and once it has taken all of them, it has the time to read them. The kernel is
// asked only when a deadline has come, so this costs a client that answers nothing.
package patience

import (
	"math"
	"time"
)

const (
	// leastTaken is how many bytes a peer must take within its patience.
	leastTaken = 4 << 10
	// leastRate is the speed, in bytes a second, at which a slow client is
	// expected to read, and MaxReading the longest that it is given for it.
	leastRate  = 2 << 10
	MaxReading = 60 * time.Second
	// sentUnit is what Sent counts in; 255 of them are more than is read in
	// MaxReading.
	sentUnit = 512
)

// Peer is what is known of a peer when its deadline has come.
type Peer struct {
	Edge  uint32        // the end of its window, as a count of bytes: it moves on as the peer reads
	Acked uint64        // how many bytes it has acknowledged in all
	Waits bool          // the kernel holds bytes that it has not acknowledged
	Still time.Duration // for how long nothing has moved
	Queue bool          // more waits here until the kernel takes it
	Sent  uint8         // see Sent.Add
}

// taker is what is remembered of a peer that keeps its loop waiting.
type taker struct {
	edge  uint32 // Peer.Edge when it had last taken leastTaken
	at    uint32 // the tick of that
	taken bool   // it has since taken all there was
	until uint32 // if so: by when it must have read that, and answered
}

// Book remembers which peers keep a loop waiting. Times are in ticks, which wrap around. It
// is not safe for use by several goroutines.
type Book struct {
	tick   time.Duration
	takers map[uint32]taker // by slot; nil for none
}

// NewBook returns a book for a loop with these ticks.
func NewBook(tick time.Duration) Book { return Book{tick: tick} }

// Look decides on a peer that has not answered in time. It may take less than
// leastTaken for up to patience ticks, and for up to twice as long again while it
// may read what it has: some peers make no room before they have read a whole
// buffer.
// Once it has taken everything, it is given answer ticks and the time that
// reading takes. ok is false if it is to be ended, otherwise next is the tick of
// the next look.
func (b *Book) Look(slot, now uint32, p *Peer, patience, answer uint32) (next uint32, ok bool) {
	still := uint32(min(p.Still/b.tick, math.MaxInt32))
	t, seen := b.takers[slot]
	switch {
	case !p.Waits && p.Queue:
		t.edge, t.at = p.Edge, now // it is the loop's turn to write
	case !seen:
		t.edge, t.at = p.Edge, now-still
	case int32(p.Edge-t.edge) >= leastTaken:
		t.edge, t.at = p.Edge, now-min(still, now-t.at)
	}
	reading := b.Reading(p)
	if !t.taken && !p.Waits && !p.Queue {
		t.taken, t.until = true, now-still+answer+reading
	}
	end := t.at + patience + min(reading, 2*patience)
	if t.taken {
		end = t.until
	}
	if int32(now-end) >= 0 {
		return 0, false
	}
	if b.takers == nil {
		b.takers = map[uint32]taker{}
	}
	b.takers[slot] = t
	return now + min(end-now, answer), true
}

// Forgive forgets what Look has remembered of a peer.
func (b *Book) Forgive(slot uint32) {
	if len(b.takers) == 0 {
		return
	}
	if delete(b.takers, slot); len(b.takers) == 0 {
		b.takers = nil // a map keeps the size it once had
	}
}

// Len is how many peers are remembered.
func (b *Book) Len() int { return len(b.takers) }

// Reading is how many ticks a slow client may need to read what it was sent
// since it last said something, of which it has no more than it has acknowledged.
func (b *Book) Reading(p *Peer) uint32 {
	unread := min(uint64(p.Sent)*sentUnit, p.Acked)
	ticks := unread * uint64(time.Second) / (leastRate * uint64(b.tick))
	return uint32(min(ticks, uint64(MaxReading/b.tick)))
}

// Sent counts roughly how many bytes each client of a loop was sent since it was last heard.
type Sent struct{ rest int }

// Add counts n bytes for a client with some count, and returns its new count. What is left of
// a unit counts for whoever comes next: for all together that makes it even.
func (s *Sent) Add(count uint8, n int) uint8 {
	n += s.rest
	s.rest = n % sentUnit
	return uint8(min(int(count)+n/sentUnit, math.MaxUint8))
}
