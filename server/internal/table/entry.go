package table

import "slices"

// Entry is a name in a Table, one object for all its members. It belongs to the
// Table that it came from, and is the only entry of its name as long as it has a
// member. A name that disappears and comes back gets a new Entry.
type Entry struct {
	name string
	hash uint64 // of name: the top bits select the shard, the low bits the slot
	born uint64 // the born-th name that the table created

	// Guarded by the shard's lock. The only member is in one; several members are
	// in set. An entry without members is no longer in the table.
	one Handle
	set *set
}

// Name returns the name. Any goroutine may call it at any time.
func (e *Entry) Name() string { return e.name }

func (e *Entry) len() int {
	switch {
	case e.set != nil:
		return e.set.len()
	case e.one != 0:
		return 1
	}
	return 0
}

func (e *Entry) add(g layout, h Handle) bool {
	switch {
	case e.set != nil:
		return e.set.add(g, h)
	case e.one == h:
		return false
	case e.one == 0:
		e.one = h
	default:
		e.set = newSet(e.one, h)
		e.one = 0
	}
	return true
}

func (e *Entry) remove(g layout, h Handle) bool {
	if e.set == nil {
		if e.one != h {
			return false
		}
		e.one = 0
		return true
	}
	if !e.set.remove(g, h) {
		return false
	}
	// The last member of a set is always in its root: buddies merged long before.
	if e.set.len() == 1 {
		e.one = e.set.root.members[0]
		e.set = nil
	}
	return true
}

func (e *Entry) snapshot(g layout) Snapshot {
	s := Snapshot{one: e.one, members: uint32(e.len()), layout: g}
	if e.set != nil {
		e.set.share(&s)
	}
	return s
}

// set is two members or more: in the root bucket as long as they fit, then in the
// directory.
type set struct {
	root  bucket
	dir   *directory
	epoch uint64 // counts snapshots; see bucket
}

func newSet(a, b Handle) *set {
	return &set{root: bucket{members: []Handle{a, b}}}
}

func (s *set) len() int {
	if s.dir != nil {
		return s.dir.members
	}
	return len(s.root.members)
}

func (s *set) add(g layout, h Handle) bool {
	if s.dir != nil {
		return s.dir.add(g, h, s.epoch)
	}
	if s.root.contains(h) {
		return false
	}
	if len(s.root.members) < bucketMax {
		s.root.add(h, s.epoch)
		return true
	}
	s.dir = newDirectory(s.root, s.epoch)
	s.root = bucket{}
	return s.dir.add(g, h, s.epoch)
}

func (s *set) remove(g layout, h Handle) bool {
	if s.dir == nil {
		i := slices.Index(s.root.members, h)
		if i < 0 {
			return false
		}
		s.root.removeAt(i, s.epoch)
		return true
	}
	if !s.dir.remove(g, h, s.epoch) {
		return false
	}
	if s.dir.buckets == 1 {
		s.root = *s.dir.slots.at(0)
		s.dir = nil
	}
	return true
}

// share gives the present members to a snapshot. They are copied before they change
// from now on.
func (s *set) share(to *Snapshot) {
	s.epoch++
	if s.dir != nil {
		to.slots = s.dir.slots
		return
	}
	to.few = s.root.members
}
