package table

import "sync"

// leastSlots is the size of a shard with its first name.
const leastSlots = 8

// shard holds a part of the names under one lock: an open-addressing hash table
// with linear probing. A search compares tags, so a missing name is found to be
// missing without touching an entry. A resize reads only tags too.
//
// It is 64 bytes, a cache line.
type shard struct {
	mu sync.Mutex

	// Guarded by mu.
	tags    []uint32 // low bits of the entry's hash, never 0; 0 is an empty slot
	entries []*Entry
	n       int
}

func tagOf(hash uint64) uint32 { return uint32(hash) | 1 }

// home is where the search for a tag begins. It scales instead of masking, so that
// sizes need not be powers of two.
func (s *shard) home(tag uint32) int {
	return int(uint64(tag) * uint64(len(s.tags)) >> 32)
}

func (s *shard) after(i int) int {
	if i++; i < len(s.tags) {
		return i
	}
	return 0
}

// find returns the entry of name, nil if there is none.
func (s *shard) find(hash uint64, name string) *Entry {
	if s.n == 0 {
		return nil
	}
	tag := tagOf(hash)
	for i := s.home(tag); s.tags[i] != 0; i = s.after(i) {
		if s.tags[i] == tag && s.entries[i].name == name {
			return s.entries[i]
		}
	}
	return nil
}

// insert inserts an entry whose name is not in the shard.
func (s *shard) insert(e *Entry) {
	if 5*(s.n+1) > 4*len(s.tags) {
		s.resize(max(leastSlots, len(s.tags)+len(s.tags)/2))
	}
	s.put(tagOf(e.hash), e)
	s.n++
}

func (s *shard) put(tag uint32, e *Entry) {
	i := s.home(tag)
	for s.tags[i] != 0 {
		i = s.after(i)
	}
	s.tags[i], s.entries[i] = tag, e
}

// delete removes an entry and closes the gap: the entries after it that were pushed
// past their home move up.
func (s *shard) delete(e *Entry) {
	gap := s.home(tagOf(e.hash))
	for s.entries[gap] != e {
		gap = s.after(gap)
	}
	for i := s.after(gap); s.tags[i] != 0; i = s.after(i) {
		if s.distance(s.home(s.tags[i]), i) >= s.distance(gap, i) {
			s.tags[gap], s.entries[gap] = s.tags[i], s.entries[i]
			gap = i
		}
	}
	s.tags[gap], s.entries[gap] = 0, nil
	s.n--
	if len(s.tags) > leastSlots && 4*s.n < len(s.tags) {
		s.resize(max(leastSlots, 2*s.n))
	}
}

// distance is the number of steps from slot a to slot b.
func (s *shard) distance(a, b int) int {
	if b < a {
		b += len(s.tags)
	}
	return b - a
}

func (s *shard) resize(size int) {
	tags, entries := s.tags, s.entries
	s.tags, s.entries = make([]uint32, size), make([]*Entry, size)
	for i, tag := range tags {
		if tag != 0 {
			s.put(tag, entries[i])
		}
	}
}
