package table

import (
	"iter"
	"slices"
)

// OrderedLen is the size up to which a set keeps the order of its members.
const OrderedLen = bucketMax

// Snapshot is the members of a name at one instant. It is a value: copy it, keep it
// as long as needed, and read it from any goroutine without locks. Later joins and
// leaves do not show in it. Memory that it shares with the live set is freed when
// both are done with it.
//
// The zero Snapshot has no members.
type Snapshot struct {
	// Exactly one of the three holds the members.
	one   Handle
	few   []Handle
	slots pages

	members uint32
	layout  layout
}

// Len is the number of members.
func (s Snapshot) Len() int { return int(s.members) }

// Contains reports whether h is a member, in constant time.
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

// All ranges over the members, each once. A set that never had more than OrderedLen
// members yields them in the order in which they were added, a larger one in no
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

// exactLoops is the largest directory in which Loops looks.
const exactLoops = 64

// Loops sets bit l%64 of mask[l/64] for every loop l that has a member, and clears
// none. For sets of several thousand members it sets the bits of all the table's
// loops without looking.
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

// Iter returns an iterator over the members that live on a loop. In a large set it
// visits only that loop's share.
func (s Snapshot) Iter(loop int) Iter {
	it := Iter{loop: loop, one: s.one, current: s.few, slots: s.slots, loopBits: s.layout.loopBits}
	it.next = loop & (1<<s.layout.loopBits - 1)
	it.next &= max(s.slots.len(), 1) - 1
	return it
}

// Iter iterates over the members of a Snapshot that live on one loop, each exactly
// once, a buffer at a time. One goroutine at a time may use it. A copy continues
// from the same position.
type Iter struct {
	loop     int
	one      Handle
	current  []Handle // rest of the current bucket
	slots    pages
	next     int // next slot
	loopBits uint8
}

// Next fills buf with the next handles and returns how many there are. It returns
// fewer than len(buf), possibly 0, only at the end.
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
			// A shallow bucket holds handles of several loops.
			if h := it.current[i]; h.Loop() == it.loop {
				buf[n] = h
				n++
			}
		}
		it.current = it.current[i:]
	}
	return n
}

// advance moves to the next bucket, which may be empty. It returns false at the
// end.
func (it *Iter) advance() bool {
	for n := it.slots.len(); it.next < n; {
		i := it.next
		it.next += 1 << it.loopBits
		b := it.slots.at(i)
		if i>>max(b.depth(), it.loopBits) == 0 { // otherwise seen in an earlier slot
			it.current = b.members
			return true
		}
	}
	it.slots, it.current = nil, nil // do not retain the members if the iterator is kept
	return false
}
