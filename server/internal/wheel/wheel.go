// Package wheel is a coarse timer wheel for very many deadlines most of which never
// expire: one number per deadline, no timer, no goroutine, no clock.
package wheel

// Wheel holds slot numbers, each due at a tick. It has one owner and is not safe for
// concurrent use. The owner supplies the time, in ticks of any length. Ticks wrap
// around: they are compared by their difference, so anything less than 2^31 ahead is
// in the future.
//
// Ids are never removed or moved. The owner keeps the real deadline in the slot, and
// has one id in the wheel for it:
//
//	for _, id := range w.Advance(now, due[:0]) {
//		switch c := slots[id]; {
//		case c == nil:                         // gone
//		case int32(c.deadline-now) > 0:        // postponed, or beyond the horizon
//			w.Add(id, c.deadline)
//		default:
//			c.expire()
//		}
//	}
//
// To postpone a deadline, the owner only changes it in the slot. To bring one forward,
// it adds the id a second time, and ignores the first when that expires. If slots are
// reused while an old id may still be in the wheel, an id can expire for a deadline
// that nobody set; the same check handles that.
type Wheel struct {
	now     uint32
	mask    uint32
	pending int
	buckets []bucket // by tick & mask

	// Chunks to reuse. During the current revolution of the wheel at least idle of
	// them were never needed; that many are dropped at its end.
	free []*chunk
	idle int
}

// bucket holds the ids of one tick, in the order in which they were added.
type bucket struct{ first, last *chunk }

// chunk is 256 bytes. A pending id costs little more than 4 bytes, and memory moves
// between buckets without the allocator.
type chunk struct {
	next *chunk
	n    uint32
	ids  [61]uint32
}

// New returns an empty wheel at tick 0 whose horizon is that many ticks.
// buckets must be a power of two up to 2^20, or New panics.
func New(buckets int) *Wheel {
	if buckets < 1 || buckets > 1<<20 || buckets&(buckets-1) != 0 {
		panic("wheel: number of buckets is not a power of two up to 2^20")
	}
	return &Wheel{mask: uint32(buckets - 1), buckets: make([]bucket, buckets)}
}

// Now is the tick of the last Advance, 0 before the first.
func (w *Wheel) Now() uint32 { return w.now }

// Len is the number of pending ids, counting duplicates.
func (w *Wheel) Len() int { return w.pending }

// Add adds id, to expire at tick at. If that is not after Now, it expires at the
// next tick. If it is further ahead than the wheel has buckets, it expires early,
// after that many ticks.
func (w *Wheel) Add(id uint32, at uint32) {
	ahead := int32(at - w.now)
	if ahead < 1 {
		ahead = 1
	}
	if uint32(ahead) > w.mask+1 {
		ahead = int32(w.mask + 1)
	}
	b := &w.buckets[(w.now+uint32(ahead))&w.mask]
	if b.last == nil || b.last.n == uint32(len(b.last.ids)) {
		c := w.chunk()
		if b.last == nil {
			b.first = c
		} else {
			b.last.next = c
		}
		b.last = c
	}
	b.last.ids[b.last.n] = id
	b.last.n++
	w.pending++
}

// Advance moves on to tick now and appends to due the ids of all ticks passed on
// the way, including now: tick by tick, and within a tick in the order in which
// they were added. It may jump any distance below 2^31, also beyond the horizon. A
// now that is not after Now does nothing.
func (w *Wheel) Advance(now uint32, due []uint32) []uint32 {
	ahead := int32(now - w.now)
	if ahead < 1 {
		return due
	}
	steps := min(uint32(ahead), w.mask+1)
	for i := range steps {
		tick := (w.now + 1 + i) & w.mask
		due = w.empty(&w.buckets[tick], due)
		if tick == 0 {
			w.trim()
		}
	}
	w.now = now
	return due
}

func (w *Wheel) empty(b *bucket, due []uint32) []uint32 {
	for c := b.first; c != nil; {
		due = append(due, c.ids[:c.n]...)
		w.pending -= int(c.n)
		next := c.next
		c.next, c.n = nil, 0
		w.free = append(w.free, c)
		c = next
	}
	*b = bucket{}
	return due
}

func (w *Wheel) chunk() *chunk {
	n := len(w.free)
	if n == 0 {
		return new(chunk)
	}
	c := w.free[n-1]
	w.free[n-1] = nil
	w.free = w.free[:n-1]
	w.idle = min(w.idle, n-1)
	return c
}

// trim drops the chunks that were not needed for a revolution.
func (w *Wheel) trim() {
	keep := len(w.free) - w.idle
	clear(w.free[keep:])
	w.free = w.free[:keep]
	if cap(w.free) > 4*keep+64 {
		w.free = append(make([]*chunk, 0, 2*keep), w.free...)
	}
	w.idle = keep
}
