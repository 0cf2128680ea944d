package table

import "slices"

// Entry is a name in a Table, one object for all its members. It belongs to
// the Table it came from and stays that name's only entry while it has a
// member; a name that comes back later gets another.
type Entry struct {
	name string
	hash uint64 // of name: the shard in the top bits, the place in the low
	born uint64 // which name of its table it is, in the order of their creation

	// Guarded by the shard's lock. A name with one member has it in one, with
	// more in set; one without members is no longer in the table.
	one Handle
	set *set
}

// Name is the name. Any goroutine may call it, at any time.
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
	// A set of one is always in its root: buddies would have merged long before.
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

// set is two members or more: in the root bucket while they fit there, in the
// directory from then on.
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

// share hands the present members to a snapshot; from here on they are copied
// before they change.
func (s *set) share(to *Snapshot) {
	s.epoch++
	if s.dir != nil {
		to.slots = s.dir.slots
		return
	}
	to.few = s.root.members
}
