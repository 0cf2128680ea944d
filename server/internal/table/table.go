package table

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	shardBits = 10
	shards    = 1 << shardBits
)

// Table maps names to sets of handles. All methods may be called from any
// goroutine. A name exists while it has a member. Names may be any bytes.
type Table struct {
	shards [shards]shard // first, for alignment to cache lines

	names  atomic.Int64
	births atomic.Uint64 // number of names ever created
	_      [64]byte      // the fields below are only read

	seed   maphash.Seed
	layout layout
	watch  func(name string, born bool)
}

// New returns a Table for handles of loops 0 to loops-1. It panics if loops is not
// between 1 and MaxLoops.
func New(loops int) *Table {
	return &Table{seed: maphash.MakeSeed(), layout: makeLayout(loops)}
}

// Watch has watch called for each name that is born or gone, with its shard locked, so
// in that order for each name. It must be quick and not call back. Watch is called
// before the table is used.
func (t *Table) Watch(watch func(name string, born bool)) { t.watch = watch }

func (t *Table) shard(hash uint64) *shard { return &t.shards[hash>>(64-shardBits)] }

// Add adds h to name's set, and creates the name if it is new. It returns the
// name's entry, which is the same for all members and stays the name's entry as
// long as h is a member. added is false if h was already a member.
//
// name is copied if it is kept, so it may point into a buffer that is reused. Add
// panics if h is zero or of a loop that the Table was not made for.
func (t *Table) Add(name string, h Handle) (e *Entry, added bool) {
	e, added, _ = t.add(name, h, false)
	return e, added
}

// AddAndOthers is Add and also returns the members of name just before. If h was
// already a member, before contains it.
func (t *Table) AddAndOthers(name string, h Handle) (e *Entry, added bool, before Snapshot) {
	return t.add(name, h, true)
}

func (t *Table) add(name string, h Handle, others bool) (e *Entry, added bool, before Snapshot) {
	t.layout.check(h)
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	e = s.find(hash, name)
	if e == nil {
		e = &Entry{name: strings.Clone(name), hash: hash, born: t.births.Add(1)}
		s.insert(e)
		t.names.Add(1)
		if t.watch != nil {
			t.watch(e.name, true)
		}
	} else if others {
		before = e.snapshot(t.layout)
	}
	return e, e.add(t.layout, h), before
}

// Remove removes h from e's set and reports whether it was a member. The name
// disappears with its last member. e must come from this Table. Nil has no members,
// and neither has an entry whose last member was removed, even if its name exists
// again.
func (t *Table) Remove(e *Entry, h Handle) (removed bool) {
	removed, _ = t.remove(e, h)
	return removed
}

// RemoveLast is Remove, but tells whether h was the last handle of the name. Of handles
// that are removed at the same moment, one is the last.
func (t *Table) RemoveLast(e *Entry, h Handle) (last bool) {
	_, last = t.remove(e, h)
	return last
}

func (t *Table) remove(e *Entry, h Handle) (removed, last bool) {
	if e == nil || h == 0 {
		return false, false
	}
	s := t.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.remove(t.layout, h) {
		return false, false
	}
	if e.len() > 0 {
		return true, false
	}
	s.delete(e)
	t.names.Add(-1)
	if t.watch != nil {
		t.watch(e.name, false)
	}
	return true, true
}

// Renew makes h, a member of e, its newest member, as if it were removed and added
// again. others are e's members just before. Nothing changes if h is not a member.
func (t *Table) Renew(e *Entry, h Handle) (others Snapshot) {
	s := t.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	others = e.snapshot(t.layout)
	if e.set != nil && e.set.dir == nil && e.set.remove(t.layout, h) {
		e.set.add(t.layout, h)
	}
	return others
}

// Names returns all names in the order in which they were created. It allocates
// memory for all of them, and locks one shard at a time. It calls goOn now and
// then, without a lock. Once goOn returns false, it stops, and the result is
// meaningless.
func (t *Table) Names(goOn func() bool) []string {
	const stride = 1024 // names between two calls of goOn
	all := make([]*Entry, 0, t.Len())
	var scratch []*Entry
	for i := range t.shards {
		scratch = t.shards[i].copyEntries(scratch)
		if len(all)/stride != (len(all)+len(scratch))/stride && !goOn() {
			return nil
		}
		all = append(all, scratch...)
	}
	compared := 0
	slices.SortFunc(all, func(a, b *Entry) int {
		if compared++; compared%(2*stride) == 0 && !goOn() {
			return 0
		}
		return cmp.Compare(a.born, b.born)
	})
	names := make([]string, len(all))
	for i, e := range all {
		if i%stride == stride-1 && !goOn() {
			return nil
		}
		names[i] = e.name
	}
	return names
}

// Lookup returns the entry of name, nil if there is none. Unless the caller knows a
// member that stays, the entry may be outdated by the time it is used. That is good
// enough for comparing it with another entry, or for an attempt to Remove.
func (t *Table) Lookup(name string) *Entry {
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(hash, name)
}

// Count returns the number of name's members, 0 if there is no such name.
func (t *Table) Count(name string) int {
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(hash, name); e != nil {
		return e.len()
	}
	return 0
}

// Len returns the number of names, in constant time and without a lock.
func (t *Table) Len() int { return int(t.names.Load()) }

// Snapshot returns name's current members, the zero Snapshot if there is no such
// name. It takes constant time and allocates nothing.
func (t *Table) Snapshot(name string) Snapshot {
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(hash, name); e != nil {
		return e.snapshot(t.layout)
	}
	return Snapshot{}
}
