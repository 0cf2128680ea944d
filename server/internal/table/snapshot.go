package table

import (
	"iter"
	"slices"
)

// OrderedLen is the size up to which a set knows the order of its members.
const OrderedLen = bucketMax

// Snapshot is the members of a name at one instant. It is a value: copy it,
// keep it as long as it is needed, read it from any goroutine without locks.
// Joins and leaves go on meanwhile and do not show in it. The memory it shares
// with the live set is given back when both are done with it.
//
// The zero Snapshot has no members.
type Snapshot struct {
	// One of the three holds the members.
	one   Handle
	few   []Handle
	slots pages

	members uint32
	layout  layout
}

// Len is the number of members.
func (s Snapshot) Len() int { return int(s.members) }

// Contains tells whether h is a member, in constant time.
func (s Snapshot) Contains(h Handle) bool {
	switch {
	case h == 0:
		return false
	case s.slots != nil:
		return s.slots.at(int(s.layout.hash(h)) & (s.slots.len() - 1)).contains(h)
	case s.few != nil:
		return slices.Contains(s.few, h)
	}
	return s.one == h
}

// All ranges over the members, each once: those of a set that never had more
// than OrderedLen members in the order they were added, of a larger one in no
// particular order.
func (s Snapshot) All() iter.Seq[Handle] {
	return func(yield func(Handle) bool) {
		if s.one != 0 && !yield(s.one) {
			return
		}
		for _, h := range s.few {
			if !yield(h) {
				return
			}
		}
		for i := range s.slots.len() {
			b := s.slots.at(i)
			if i>>b.depth() != 0 {
				continue // seen in an earlier slot
			}
			for _, h := range b.members {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// exactLoops is the largest directory that Loops looks into.
const exactLoops = 64

// Loops sets bit l%64 of mask[l/64] for every loop l that has a member, and
// clears none. In sets of several thousand members it does not look and sets
// the bits of all the table's loops.
func (s Snapshot) Loops(mask *[4]uint64) {
	if s.slots.len() > exactLoops {
		for l := range int(s.layout.loops) {
			mask[l/64] |= 1 << (l % 64)
		}
		return
	}
	for h := range s.All() {
		mask[h.Loop()/64] |= 1 << (h.Loop() % 64)
	}
}

// Iter returns an iterator over the members that live on a loop. In a large
// set it visits only that loop's share.
func (s Snapshot) Iter(loop int) Iter {
	it := Iter{loop: loop, one: s.one, current: s.few, slots: s.slots, loopBits: s.layout.loopBits}
	it.next = loop & (1<<s.layout.loopBits - 1)
	it.next &= max(s.slots.len(), 1) - 1
	return it
}

// Iter walks the members of a Snapshot that live on one loop, each exactly
// once, a bufferful at a time. One goroutine at a time may use it; copying it
// makes a second iterator that goes on from the same place.
type Iter struct {
	loop     int
	one      Handle
	current  []Handle // what is left of the bucket at hand
	slots    pages
	next     int // slot to look at next
	loopBits uint8
}

// Next fills buf from its start with the next handles and returns how many
// there are; fewer than len(buf), or 0, only at the end.
func (it *Iter) Next(buf []Handle) int {
	n := 0
	if it.one != 0 && len(buf) > 0 {
		if it.one.Loop() == it.loop {
			buf[0] = it.one
			n = 1
		}
		it.one = 0
	}
	for n < len(buf) {
		if len(it.current) == 0 && !it.advance() {
			break
		}
		i := 0
		for ; i < len(it.current) && n < len(buf); i++ {
			// A shallow bucket holds several loops' handles.
			if h := it.current[i]; h.Loop() == it.loop {
				buf[n] = h
				n++
			}
		}
		it.current = it.current[i:]
	}
	return n
}

// advance takes up the next bucket, perhaps an empty one; false at the end.
func (it *Iter) advance() bool {
	for n := it.slots.len(); it.next < n; {
		i := it.next
		it.next += 1 << it.loopBits
		b := it.slots.at(i)
		if i>>max(b.depth(), it.loopBits) == 0 { // else seen in an earlier slot
			it.current = b.members
			return true
		}
	}
	it.slots, it.current = nil, nil // the iterator may be kept, the members need not be
	return false
}
