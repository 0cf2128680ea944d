package names

// MaxNames is how many names of one node are known. A node with more is asked about
// all.
const MaxNames = 1 << 25

// Copy is what is known of the names of another node. The zero value knows nothing.
// Not for several goroutines at once.
type Copy struct {
	set     *Set
	applied uint64 // position up to which changes are in set
	heard   uint64 // position that the node was heard to have
	base    uint64 // position of the first part of set
	next    int    // part of the set that comes next, Shards when it is whole
	tooMany bool
}

// Heard notes a position that the node has said it has told of. 0 is none.
func (c *Copy) Heard(pos uint64) { c.heard = max(c.heard, pos) }

// Position is the highest that was heard.
func (c *Copy) Position() uint64 { return c.heard }

// Applied is up to where the changes are known.
func (c *Copy) Applied() uint64 { return c.applied }

// Current tells whether all names are known that the node has told of.
func (c *Copy) Current() bool {
	return c.set != nil && c.next == Shards && c.applied >= c.heard
}

// Hopeless tells whether there is no use in asking for what is missing.
func (c *Copy) Hopeless() bool { return c.heard == 0 || c.tooMany }

// May tells whether the node may hold one of the names.
func (c *Copy) May(hashes []uint64) bool {
	if !c.Current() {
		return true
	}
	for _, h := range hashes {
		if _, ok := c.set.Get(h); ok {
			return true
		}
	}
	return false
}

// Len is how many names are known.
func (c *Copy) Len() int {
	if c.set == nil {
		return 0
	}
	return c.set.Len()
}

// Missing says what to ask for: parts of the set from one on if from is 0, or changes
// from a position on.
func (c *Copy) Missing() (from uint64, part int) {
	switch {
	case c.set == nil:
		return 0, 0
	case c.applied < c.heard:
		return c.applied, 0
	}
	return 0, c.next
}

// Apply takes in changes from a position on. Those that are known already, and those
// before which others are missing, are left out.
func (c *Copy) Apply(after uint64, changes []Change) {
	c.Heard(after + uint64(len(changes)))
	if c.set == nil || after > c.applied || after+uint64(len(changes)) <= c.applied {
		return
	}
	for _, one := range changes[c.applied-after:] {
		if one.Removes() {
			c.set.Delete(one.Hash())
		} else {
			c.set.Put(one.Hash(), 0)
		}
	}
	c.applied = after + uint64(len(changes))
	c.limit()
}

// Skip is Apply for a test: what is missing in between is not missed.
func (c *Copy) Skip(after uint64) {
	if c.set != nil {
		c.applied = max(c.applied, after)
	}
}

// Fill takes in a part of the set, as it was at a position. The first one begins
// anew. A name that was removed between that position and the one that is known stays
// until it is removed again: that costs a message now and then.
func (c *Copy) Fill(pos uint64, part, next int, hashes []uint64) {
	switch {
	case part == 0:
		c.set, c.applied, c.base, c.tooMany = &Set{}, pos, pos, false
	case c.set == nil || part != c.next || pos < c.base: // one that was asked for earlier
		return
	}
	for _, h := range hashes {
		c.set.Put(h, 0)
	}
	c.next = next
	c.limit()
}

func (c *Copy) limit() {
	if c.set.Len() > MaxNames {
		*c = Copy{heard: c.heard, tooMany: true}
	}
}
