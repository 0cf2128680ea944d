package table

import "slices"

// smallDirectory is the size below which a directory is halved as soon as it can
// be.
const smallDirectory = 64

// directory is a set of more than bucketMax members: an extendible hash table. The
// low bits of a member's hash select a slot. A bucket of depth d is in every slot
// whose low d bits equal its own. Two buckets that differ only in their highest bit
// are buddies; buddies merge unless they have more than mergeMax members between
// them.
type directory struct {
	slots   pages
	members int
	buckets int    // distinct ones
	deep    int    // those that are in one slot only
	epoch   uint64 // the list of pages may be changed in place only in this epoch
}

// newDirectory takes over the bucket of a set that has outgrown it.
func newDirectory(root bucket, epoch uint64) *directory {
	return &directory{slots: pages{{[]*bucket{&root}, epoch}}, members: len(root.members), buckets: 1, deep: 1, epoch: epoch}
}

func (d *directory) slot(hash uint64) int { return int(hash) & (d.slots.len() - 1) }

func (d *directory) add(g layout, h Handle, epoch uint64) bool {
	hash := g.hash(h)
	b := d.slots.at(d.slot(hash))
	if b.contains(h) {
		return false
	}
	d.own(epoch)
	for len(b.members) >= bucketMax && b.depth() < g.maxDepth {
		b = d.split(g, b, hash, epoch)
	}
	d.ownBucket(b, hash, epoch).add(h, epoch)
	d.members++
	return true
}

func (d *directory) remove(g layout, h Handle, epoch uint64) bool {
	hash := g.hash(h)
	b := d.slots.at(d.slot(hash))
	i := slices.Index(b.members, h)
	if i < 0 {
		return false
	}
	d.own(epoch)
	b = d.ownBucket(b, hash, epoch)
	b.removeAt(i, epoch)
	d.members--
	d.merge(b, hash, epoch)
	return true
}

// own makes the list of pages, but not the buckets, safe to change.
func (d *directory) own(epoch uint64) {
	if d.epoch != epoch {
		d.slots = slices.Clone(d.slots)
		d.epoch = epoch
	}
}

// ownBucket returns a bucket in place of b that may be changed. Its handles may
// still be shared, which its stamp tells.
func (d *directory) ownBucket(b *bucket, hash uint64, epoch uint64) *bucket {
	if b.owned(epoch) {
		return b
	}
	c := *b
	d.place(&c, hash)
	return &c
}

// place puts b into every slot for its depth and the hash of its members.
func (d *directory) place(b *bucket, hash uint64) {
	step := 1 << b.depth()
	for i, n := int(hash)&(step-1), d.slots.len(); i < n; i += step {
		d.slots.set(i, b, d.epoch)
	}
}

// split divides b by the next bit of the hashes. It returns the half that hash
// belongs to.
func (d *directory) split(g layout, b *bucket, hash uint64, epoch uint64) *bucket {
	depth := b.depth()
	if 1<<depth == d.slots.len() {
		d.slots, d.deep = d.slots.doubled(epoch), 0
	}
	bit := uint64(1) << depth
	ones := 0
	for _, h := range b.members {
		if g.hash(h)&bit != 0 {
			ones++
		}
	}
	zero := makeBucket(len(b.members)-ones, depth+1, epoch)
	one := makeBucket(ones, depth+1, epoch)
	for _, h := range b.members {
		if g.hash(h)&bit != 0 {
			one.members = append(one.members, h)
		} else {
			zero.members = append(zero.members, h)
		}
	}
	d.place(&zero, hash&^bit)
	d.place(&one, hash|bit)
	d.buckets++
	if 2<<depth == d.slots.len() {
		d.deep += 2
	}
	if hash&bit != 0 {
		return &one
	}
	return &zero
}

// merge joins b with its buddy, and the result with its own buddy, while they are
// small enough.
func (d *directory) merge(b *bucket, hash uint64, epoch uint64) {
	merged := false
	for b.depth() > 0 {
		depth := b.depth()
		buddy := d.slots.at(d.slot(hash) ^ 1<<(depth-1))
		sum := len(b.members) + len(buddy.members)
		if buddy.depth() != depth || sum > mergeMax {
			break
		}
		c := makeBucket(sum, depth-1, epoch)
		c.members = append(append(c.members, b.members...), buddy.members...)
		if 1<<depth == d.slots.len() {
			d.deep -= 2
		}
		d.buckets--
		d.place(&c, hash)
		b, merged = &c, true
	}
	if merged {
		d.shrink()
	}
}

// shrink halves the directory while no bucket needs its last bit. A large directory
// waits until it is well oversized, so that joins and leaves around a boundary do
// not copy it again and again.
func (d *directory) shrink() {
	size, deep := d.slots.len(), d.deep
	for size > 1 && deep == 0 && (size <= smallDirectory || 4*d.buckets <= size) {
		size /= 2
		for i := range size {
			if 1<<d.slots.at(i).depth() == size {
				deep++
			}
		}
	}
	if size < d.slots.len() {
		d.slots, d.deep = d.slots.cut(size, d.epoch), deep
	}
}
