package events

import (
	"sync/atomic"
	"unicode/utf8"

	"castgate/server/gateway"
)

// room is what there is in the queue for messages. Each gets its room before it is
// taken, as much as its record may need at most, and keeps it until its record is
// counted as kept. So no message that was taken is pushed out by another one.
//
// Segments are dropped only whole. So what is kept is that of all segments of which
// somebody was not told of everything: the quota takes an event only where this is
// beyond it.
type room struct {
	quota    int64
	kept     atomic.Int64 // in segments that cannot be dropped without a loss
	reserved atomic.Int64 // for messages on their way to the store
}

// most is how much may be kept and reserved for a message to be taken. The rest of
// the quota is for events of other types, which cannot be refused.
func (r *room) most() int64 { return r.quota / 8 * 7 }

// reserve takes room for a message. full: its client had better wait. Without hold a
// full queue takes no message. unwritten counts, too. Any goroutine.
func (r *room) reserve(n, unwritten int64, hold bool) (ok, full bool) {
	// In this order: the journal counts what is kept before it gives back what was reserved.
	after := r.reserved.Add(n)
	after += r.kept.Load() + unwritten
	full = after >= r.quota/4*3
	if after > r.most() || full && !hold {
		r.release(n)
		return false, full
	}
	return true, full
}

// release gives room back. Any goroutine.
func (r *room) release(n int64) { r.reserved.Add(-n) }

// ample tells whether clients that wait may send again.
func (r *room) ample() bool { return r.kept.Load()+r.reserved.Load() < r.quota/2 }

// passing is the room of messages that the journal has taken from the inbox. It is the
// journal's goroutine's.
type passing struct {
	taken int64 // until they are written
	due   int64 // the part of it for those that are written next
}

func (p *passing) take(queue []happening) {
	for i := range queue {
		p.taken += queue[i].room
	}
}

// settle turns what was reserved into what is kept. What is kept is counted first:
// in between it counts twice, rather than not at all.
func (p *passing) settle(e *Events) {
	e.room.kept.Store(e.store.KeptFor(e.lowest()))
	e.room.release(p.due)
	p.taken -= p.due
	p.due = 0
}

// end gives back what messages have had that will not be written.
func (p *passing) end(r *room) {
	r.release(p.taken)
	*p = passing{}
}

// messageFrame is the most that a message's record has beside its texts.
const messageFrame = 512

// messageRoom is the most that the record of a message needs.
func messageRoom(c *gateway.Watched, binary bool, payload []byte) int64 {
	n := messageFrame + 6*(2*len(c.ID)+len(c.UID)) // each byte may be escaped
	if binary || !utf8.Valid(payload) {
		return int64(n + (len(payload)+2)/3*4)
	}
	for _, b := range payload {
		switch {
		case b < ' ':
			n += len(`\u0000`)
		case b == '"' || b == '\\':
			n += 2
		default:
			n++
		}
	}
	return int64(n)
}
