package table

import "slices"

const (
	bucketMax = 128 // a larger bucket splits; 1024 bytes
	mergeMax  = 64  // two buddies with no more members merge
)

// bucket is a leaf of a set: some handles, in the order in which they were added
// until buckets split or merge. It may be changed in place only in the epoch in
// which it was made, since snapshots may share it afterwards.
type bucket struct {
	members []Handle
	stamp   uint64 // epoch<<8 | depth
}

func makeBucket(room int, depth uint8, epoch uint64) bucket {
	b := bucket{stamp: epoch<<8 | uint64(depth)}
	if room > 0 {
		b.members = make([]Handle, 0, roomFor(room))
	}
	return b
}

// depth is how many low bits of the hash are the same for all members.
func (b *bucket) depth() uint8 { return uint8(b.stamp) }

// owned reports that no snapshot shares b.
func (b *bucket) owned(epoch uint64) bool { return b.stamp>>8 == epoch }

func (b *bucket) contains(h Handle) bool { return slices.Contains(b.members, h) }

// add appends h. It copies the handles if they are full or shared.
func (b *bucket) add(h Handle, epoch uint64) {
	if !b.owned(epoch) || len(b.members) == cap(b.members) {
		c := makeBucket(len(b.members)+1, b.depth(), epoch)
		c.members = append(c.members, b.members...)
		*b = c
	}
	b.members = append(b.members, h)
}

// removeAt removes member i. It copies the handles if they are shared or use less
// than half of their memory.
func (b *bucket) removeAt(i int, epoch uint64) {
	n := len(b.members) - 1
	room := n + n/4
	if b.owned(epoch) && (2*n > cap(b.members) || roomFor(room) >= cap(b.members)) {
		copy(b.members[i:], b.members[i+1:])
		b.members = b.members[:n]
		return
	}
	c := makeBucket(room, b.depth(), epoch)
	c.members = append(c.members, b.members[:i]...)
	c.members = append(c.members, b.members[i+1:]...)
	*b = c
}

// roomFor rounds n up to a capacity that fills the allocator's size class. The
// steps are fine near the top because the buckets of a growing set fill up and
// split at about the same time: with doubling alone, half of their memory would be
// empty just after.
func roomFor(n int) int {
	if n > 32 {
		return (n + 15) &^ 15
	}
	room := 2
	for room < n {
		room *= 2
	}
	return room
}
