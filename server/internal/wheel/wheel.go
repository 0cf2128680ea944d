// Package wheel is a coarse timer wheel for very many deadlines that mostly
// never come true: one number per deadline, no timer, no goroutine, no clock.
package wheel

// Wheel holds slot numbers, each due at a tick. It has one owner and is not
// safe for concurrent use; the owner says what time it is, in ticks of any
// length it likes. Ticks wrap around: they are compared by their difference,
// so anything less than 2^31 ahead is the future.
//
// There is no removal and no moving. The owner keeps the real deadline with
// whatever the slot number stands for, and has one id in the wheel for it:
//
//	for _, id := range w.Advance(now, due[:0]) {
//		switch c := slots[id]; {
//		case c == nil:                         // gone: forget it
//		case int32(c.deadline-now) > 0:        // moved, or beyond the horizon
//			w.Add(id, c.deadline)
//		default:
//			c.expire()
//		}
//	}
//
// To put a deadline off, the owner only writes it down. To bring one forward
// it adds the id a second time, and puts up with the first coming out too. If
// slots are used again while an old id of theirs may still be inside, an id
// can come out for a deadline that was never asked for, which the same check
// takes care of.
type Wheel struct {
	now     uint32
	mask    uint32
	pending int
	buckets []bucket // by tick & mask

	// Chunks to use again. In a revolution of the wheel at least idle of them
	// were never needed; so many are dropped at its end.
	free []*chunk
	idle int
}

// bucket is the ids of one tick, in the order they were added.
type bucket struct{ first, last *chunk }

// chunk is 256 bytes: pending ids cost little over 4 bytes each, and memory
// moves between buckets without a trip to the allocator.
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

// Len is the number of ids inside, repeated ones counted each time.
func (w *Wheel) Len() int { return w.pending }

// Add puts id in, to come out at tick at. If that is not after Now, it comes
// out at the next tick; if it is further ahead than the wheel has buckets, it
// comes out early, after that many ticks.
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
		c := w.take()
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

// Advance moves on to tick now and appends to due the ids of all ticks passed
// on the way, now included: tick by tick, within one in the order they were
// added. It may jump any distance below 2^31, also past the horizon. A now
// that is not after Now does nothing.
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

func (w *Wheel) take() *chunk {
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

// trim drops the chunks that nobody wanted for a revolution.
func (w *Wheel) trim() {
	keep := len(w.free) - w.idle
	clear(w.free[keep:])
	w.free = w.free[:keep]
	if cap(w.free) > 4*keep+64 {
		w.free = append(make([]*chunk, 0, 2*keep), w.free...)
	}
	w.idle = keep
}
